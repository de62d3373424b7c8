from __future__ import annotations

import random
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from gradscope.errors import TargetError, UsageError
from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss
from gradscope.loader.model import Model
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_placement
from gradscope.loader.target import parse_target
from gradscope.loader.work import Work, make_optimizer
from gradscope.memory_use.fake_errors import NotOnFakesError
from gradscope.memory_use.fakes import fake_work, faked
from gradscope.memory_use.measuring import Measured, is_on_fake, measure

_CPU = choose_placement(Options(device="cpu"))


def _work(module: nn.Module, *inputs: Any, optimizer: str | None = None) -> Work:
    return Work(
        subject=module,
        name="m",
        inputs=Inputs(inputs, {}),
        find=find_loss("mean"),
        placement=_CPU,
        optimizer=make_optimizer(optimizer, module),
    )


def _nothing() -> None:
    """Nothing is noted between the parts of a step."""


def _fake(path: Path, source: str, name: str = "build", **options: Any) -> Measured:
    path.write_text(f"import torch\nfrom torch import nn\n{source}\n")
    with fake_work(parse_target([f"{path}:{name}"]), Options(device="cpu", **options)) as work:
        assert is_on_fake(work)
        return measure(work)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    before = dict(sys.modules)
    yield tmp_path / "a_model.py"
    for name in set(sys.modules) - set(before):
        if "a_model" in name:
            del sys.modules[name]


# ------------------------------------------------------------ the same bytes


class _Skips(nn.Module):
    """A small network of the U kind: convolutions with batch norm, a skip, and an in-place activation."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.middle = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU())
        self.up = nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.head = nn.Conv2d(16, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.down(x)
        inner = self.up(self.middle(nn.functional.max_pool2d(x, 2)))
        return self.head(torch.cat([x, inner], 1))


class _Tied(nn.Module):
    """A language model whose embedding is its output matrix, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
        self.out = nn.Linear(16, 50, bias=False)
        self.out.weight = self.words.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(self.layers(self.words(ids)))


@pytest.mark.parametrize("optimizer", [None, "adam"])
@pytest.mark.parametrize(
    ("module", "given"),
    [
        (lambda: nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 4)), (torch.ones(16, 8),)),
        (_Skips, (torch.ones(2, 3, 16, 16),)),
        (_Tied, (torch.ones(2, 12, dtype=torch.int64),)),
    ],
)
def test_a_step_on_fakes_needs_the_same_bytes(module: Any, given: Any, optimizer: str | None) -> None:
    work = _work(module(), *given, optimizer=optimizer)
    measure(work)  # the optimizer has its state now
    real = measure(work)
    with faked(work, "/nowhere") as fake:
        measure(fake)
        found = measure(fake)
    assert (found.tensors, found.saved, found.phase) == (real.tensors, real.saved, real.phase)


def test_what_an_lstm_keeps_is_known_although_torch_says_nothing() -> None:
    work = _work(nn.LSTM(16, 32, batch_first=True), torch.ones(2, 20, 16))
    real = measure(work)
    with faked(work, "/nowhere") as fake:
        found = measure(fake)
    assert found.saved == real.saved
    assert found.tensors == pytest.approx(real.tensors, rel=0.01)


def test_what_a_long_lstm_keeps_is_estimated_from_a_short_one() -> None:
    from gradscope.memory_use import fake_rnn

    def args(steps: int) -> tuple[Any, ...]:
        weights = [torch.ones(128, 16), torch.ones(128, 32), torch.ones(128), torch.ones(128)]
        state = [torch.ones(2, 32), torch.ones(2, 32)]
        flags = (False, [], 2, 32, 1, True, False, False, True)
        return (torch.ones(steps, 2, 16), *weights, *state, *flags)

    exact = fake_rnn.workspace_size(args(600))
    before, fake_rnn._MOST_PRODUCTS = fake_rnn._MOST_PRODUCTS, 200 * 2 * 128 * 48
    try:
        estimate = fake_rnn.workspace_size(args(600))
    finally:
        fake_rnn._MOST_PRODUCTS = before
    assert exact != estimate
    assert estimate == pytest.approx(exact, rel=0.05)


# ------------------------------------------------------------ building


def test_a_model_larger_than_any_memory_is_built_and_measured(file: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = _fake(
        file,
        "def build(): return nn.Sequential(*(nn.Linear(100_000, 100_000, bias=False) for _ in range(20)))",
        inputs=("randn(1000, 100000)",),
        dtype="bfloat16",
    )
    weights = 20 * 100_000**2 * 2
    # Every gradient is there at the end, beside the weights and two activations at most.
    assert 2 * weights <= found.tensors <= 2 * weights + 3 * 1000 * 100_000 * 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_dtype_of_parameters_inputs_and_buffers(file: Path) -> None:
    file.write_text(
        "from torch import nn\ndef build(): return nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))"
    )
    options = Options(device="cpu", dtype="bfloat16", inputs=("randn(8, 4)",))
    with fake_work(parse_target([f"{file}:build"]), options) as work:
        tensors = [*work.roots[0].parameters(), *work.inputs.tensors(), work.roots[0][1].running_mean]
        assert {each.dtype for each in tensors} == {torch.bfloat16}
        assert all(type(each) is FakeTensor for each in tensors)
    assert torch.get_default_dtype() is torch.float32


_LINEAR = "def build():\n    net = nn.Linear(4, 4)\n"
_BUILDS = {
    "converts": "def build(): return nn.Linear(4, 4).bfloat16().float()",
    "draws until it fits": f"{_LINEAR}    nn.init.trunc_normal_(net.weight, std=0.02)\n    return net",
    "reads a schedule": "def build():\n    rates = [p.item() for p in torch.linspace(0, 0.1, 4)]\n"
    "    return nn.Sequential(*map(nn.Dropout, rates), nn.Linear(4, 4))",
    "copies": f"import copy\n{_LINEAR}    return nn.Sequential(net, *copy.deepcopy([net] * 2))",
    "converts an LSTM": "def build(): return nn.LSTM(4, 4).half().float()",
    "loads a state": f"{_LINEAR}    net.load_state_dict(nn.Linear(4, 4).state_dict())\n    return net",
    "compiles": "def build(): return torch.compile(nn.Linear(4, 4), backend='eager')",
    "is built": "build = nn.Linear(4, 4)",
    "is a class": "class build(nn.Linear):\n    def __init__(self): super().__init__(4, 4)",
    "gives what is built": "net = nn.Linear(4, 4)\ndef build(): return net",
    "gives a loss": "net = nn.Linear(4, 4)\ndef build(x): return net(x).mean()",
    "takes an array": f"import numpy\n{_LINEAR}"
    "    net.register_buffer('scale', torch.from_numpy(numpy.ones(4, 'float32')))\n    return net",
}


@pytest.mark.parametrize("source", _BUILDS.values(), ids=_BUILDS)
def test_what_programs_do_to_build_a_model_works(file: Path, source: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _fake(file, source, inputs=("randn(2, 3, 4)",)).tensors > 0


def test_inputs_come_from_a_file_a_hook_or_a_guess(file: Path, tmp_path: Path) -> None:
    batch = tmp_path / "batch.pt"
    torch.save((torch.ones(64, 4),), batch)
    build = "def build(): return nn.Linear(4, 4)\n"
    read = _fake(file, build, inputs_file=str(batch))
    hook = _fake(file, f"{build}def gradscope_inputs(): return torch.ones(64, 4)")
    assert read == hook
    assert _fake(file, build).tensors < read.tensors  # two rows


@pytest.mark.parametrize(("rate", "notes"), [(0.1, 1), (0.0, 0)])
def test_attention_with_dropout_is_told_to_be_another_on_cuda(file: Path, rate: float, notes: int) -> None:
    file.write_text(
        "from torch import nn\ndef build():\n"
        f"    layer = nn.TransformerEncoderLayer(8, 2, 8, dropout={rate}, batch_first=True)\n"
        "    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)"
    )
    told: list[str] = []
    before = nn.functional.scaled_dot_product_attention
    options = Options(device="cpu", inputs=("randn(2, 3, 8)",))
    with fake_work(parse_target([f"{file}:build"]), options, told.append) as work:
        measure(work)
    assert len([each for each in told if "CUDA has one kernel for it" in each]) == notes
    assert nn.functional.scaled_dot_product_attention is before


def test_a_function_that_makes_its_own_tensors_is_measured_on_fakes(file: Path) -> None:
    weight = 1000 * 1000 * 4
    found = _fake(file, "def build(): return (torch.ones(1000, 1000, requires_grad=True) * 2).sum()")
    assert 2 * weight <= found.peak <= 2 * weight + 100  # the tensor, and its product or its gradient


# ------------------------------------------------------------ what cannot be done


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("x * x.max().item()", "reads the value of a tensor"),
        ("x if x.sum() > 0 else -x", "reads the value of a tensor"),
        ("x[x > 0]", "size of what nonzero returns depends on values"),
        ("torch.from_numpy(x.detach().numpy()) + x", "makes a NumPy array"),
        ("x * float(f'{x.mean():.2f}')", "writes the value of a tensor into text"),
    ],
)
def test_programs_that_read_values_are_told_so_with_their_line(file: Path, body: str, reason: str) -> None:
    source = (
        "class build(nn.Linear):\n    def __init__(self): super().__init__(4, 4)\n"
        f"    def forward(self, x):\n        x = super().forward(x)\n        return {body}"
    )
    with pytest.raises(NotOnFakesError) as caught:
        _fake(file, source, inputs=("randn(2, 4)",))
    assert reason in caught.value.what
    assert caught.value.where == (f"{file}:7  return {body}",)
    assert "leave out --fake" in caught.value.try_next[-1]


def test_an_op_without_a_fake_kernel_is_named(file: Path) -> None:
    library = torch.library.Library("gradscope_test_fakes", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CPU")
    source = (
        "class build(nn.Linear):\n    def __init__(self): super().__init__(4, 4)\n"
        "    def forward(self, x): return torch.ops.gradscope_test_fakes.twice(super().forward(x))"
    )
    with pytest.raises(NotOnFakesError, match="gradscope_test_fakes::twice has no kernel") as caught:
        _fake(file, source, inputs=("randn(2, 4)",))
    assert caught.value.try_next[0] == (
        'give it one: @torch.library.register_fake("gradscope_test_fakes::twice")'
    )


def test_the_programs_own_errors_come_out_as_they_are(file: Path) -> None:
    with pytest.raises(RuntimeError, match="same reduction dim") as caught:
        _fake(file, "def build(): return nn.Linear(4, 4)", inputs=("randn(2, 5)",))
    assert any("on fake tensors" in note for note in caught.value.__notes__)


def test_a_program_has_no_factory_to_call_on_fakes(file: Path) -> None:
    file.write_text("")
    with (
        pytest.raises(UsageError, match="--fake needs a model"),
        fake_work(parse_target([str(file)]), Options()),
    ):
        pass


def test_a_missing_attribute_is_told_as_ever(file: Path) -> None:
    with pytest.raises(TargetError, match="has no bild; did you mean build"):
        _fake(file, "def build(): return nn.Linear(4, 4)", "bild")


# ------------------------------------------------------------ nothing is left behind


def test_a_real_module_is_what_it_was(file: Path) -> None:
    class Caching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(4, 4)
            self.norm = nn.BatchNorm1d(4)
            self.mask: torch.Tensor | None = None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.mask is None:
                self.mask = torch.ones(4)
            return self.norm(self.rnn(x)[0].flatten(0, 1)) * self.mask

    module = Caching()
    work = _work(module, torch.ones(3, 2, 4))
    tensors = dict([*module.named_parameters(), *module.named_buffers()])
    values = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    with faked(work, "/nowhere") as fake:
        fake.step(_nothing, _nothing, _nothing)
        assert type(module.mask) is FakeTensor
    assert module.mask is None
    after = dict([*module.named_parameters(), *module.named_buffers()])
    assert all(after[name] is tensor for name, tensor in tensors.items())
    assert all(torch.equal(after[name], value) for name, value in values.items())
    work.step(_nothing, _nothing, _nothing)
    assert type(module.rnn.weight_ih_l0.grad) is torch.Tensor


def test_torch_is_what_it_was_also_after_an_error(file: Path) -> None:
    from importlib.machinery import SourceFileLoader

    before = (
        torch.utils.swap_tensors,
        torch.nn.init._no_grad_trunc_normal_,
        SourceFileLoader.exec_module,
        torch._subclasses.fake_tensor.CONSTANT_NUMEL_LIMIT,
        warnings.filters[:],
    )
    with pytest.raises(NotOnFakesError):
        _fake(file, "def build(): return nn.Linear(4, int(torch.rand(3).sum()))")
    assert type(torch.ones(2)) is torch.Tensor
    assert before == (
        torch.utils.swap_tensors,
        torch.nn.init._no_grad_trunc_normal_,
        SourceFileLoader.exec_module,
        torch._subclasses.fake_tensor.CONSTANT_NUMEL_LIMIT,
        warnings.filters[:],
    )


def test_libraries_that_are_imported_meanwhile_keep_real_tensors(file: Path, tmp_path: Path) -> None:
    library = tmp_path / "elsewhere"
    library.mkdir()
    (library / "a_model_library.py").write_text("import torch\nTABLE = torch.ones(3)\n")
    folder = tmp_path / "program"
    folder.mkdir()
    source = (
        f"import sys; sys.path.append({str(library)!r})\nimport a_model_library\nOWN = torch.ones(3)\n"
        "def build(): return nn.Linear(3, 3)"
    )
    _fake(folder / "a_model.py", source)
    assert type(sys.modules["a_model_library"].TABLE) is torch.Tensor
    sys.path.remove(str(library))


def test_the_real_step_agrees_with_a_target_on_fakes(file: Path) -> None:
    file.write_text("from torch import nn\ndef build(): return nn.Sequential(nn.Linear(4, 9), nn.ReLU())")
    target, options = parse_target([f"{file}:build"]), Options(device="cpu", inputs=("randn(7, 4)",))
    model = Model(target, options, choose_placement(options))
    model.run(lambda _text: None)
    assert model.work is not None
    random.seed(0)
    with fake_work(target, options) as work:
        fake = measure(work)
    assert fake.tensors == measure(model.work).tensors
