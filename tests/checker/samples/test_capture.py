"""What is seen of a program's calls: copies of arguments, derivatives of gradients, changes of ctx."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function, grad

from gradscope.checker.samples.capture import Capture
from gradscope.checker.samples.kept_calls import KeptCalls, Memory
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.discovery import subject_of, subjects_of
from gradscope.facts.checks import Origin
from tests.checker import captured, styles


def subject(value: object) -> Subject:
    found = subject_of(value, getattr(value, "__name__", "op"))
    assert found is not None
    return found


def seen(value: object, program: Callable[[], object]) -> Capture:
    with Capture() as capture:
        program()
    assert not capture.faults
    return capture


def line_of(text: str, function: Callable[..., object]) -> int:
    """The line of a function in this file that contains a text."""
    first = function.__code__.co_firstlineno
    lines = Path(__file__).read_text(encoding="utf-8").split("\n")
    return next(n for n, line in enumerate(lines, 1) if n >= first and text in line)


# ---------------------------------------------------------------- arguments


def test_copies_of_distinct_calls() -> None:
    x = torch.randn(4, 3, requires_grad=True)

    def program() -> None:
        for _ in range(3):
            captured.Square.apply(x)
        captured.apply_square(x[:2].t())
        captured.Square.apply(torch.ones(2))

    capture = seen(captured.Square, program)
    first, second, third = capture.samples(subject(captured.Square))
    here = f"test_capture.py:{line_of('captured.Square.apply(x)', program)}"
    assert (first.source, first.origin) == (f"{here}, call 1", Origin.CAPTURED)
    assert second.source.endswith(", call 4")
    assert torch.equal(first.args[0], x)
    assert first.args[0].requires_grad
    assert first.args[0].is_leaf
    assert first.args[0].untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert second.args[0].stride() == (1, 3)
    assert not third.args[0].requires_grad, "calls that need no gradient come last"
    assert capture.watched(subject(captured.Square)).calls == 5


def test_an_alias_made_before_is_seen_and_everything_is_restored() -> None:
    apply, engine = captured.apply_square, torch.autograd._engine_run_backward  # type: ignore[attr-defined]
    before = set(vars(torch.autograd.function._SingleLevelFunction))
    capture = seen(captured.Square, lambda: apply(torch.ones(2, requires_grad=True)))
    assert capture.watched(subject(captured.Square)).calls == 1
    assert set(vars(torch.autograd.function._SingleLevelFunction)) == before
    assert torch.autograd._engine_run_backward is engine  # type: ignore[attr-defined]
    assert not torch.overrides._get_current_function_mode_stack()
    apply(torch.ones(2))
    assert capture.watched(subject(captured.Square)).calls == 1


def test_everything_is_restored_when_the_program_fails() -> None:
    before = set(vars(torch.autograd.function._SingleLevelFunction))
    with pytest.raises(RuntimeError, match="must match"), Capture():
        styles.Autocast.apply(torch.ones(2), torch.ones(3))
    assert set(vars(torch.autograd.function._SingleLevelFunction)) == before


def test_results_are_the_same_to_the_last_bit() -> None:
    def program() -> tuple[Tensor, ...]:
        torch.manual_seed(0)
        field = captured.Field(captured.Square)
        optimizer = torch.optim.Adam(field.parameters(), lr=0.1)
        for _ in range(3):
            x = torch.randn(5, 3, requires_grad=True)
            (slope,) = grad(field(x).sum(), x, create_graph=True)
            optimizer.zero_grad()
            (slope.pow(2).mean() + nn.functional.dropout(field(x)).mean()).backward()
            optimizer.step()
        assert field.weight.grad is not None
        return field.weight.detach().clone(), field.weight.grad.clone(), torch.get_rng_state()

    plain = program()
    with Capture():
        watched = program()
    assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))


def test_a_file_loaded_twice_is_the_same_function() -> None:
    twin = Path(styles.__file__).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "twin"}
    cube = twin[: twin.index("class Affine")]
    exec(compile(cube, styles.__file__, "exec"), names)
    capture = seen(names["Cube"], lambda: names["Cube"].apply(torch.ones(2)))
    assert capture.watched(subject(styles.Cube)).calls == 1


def test_functions_made_inside_functions_are_found_once_they_are_called() -> None:
    def program() -> None:
        for power in (3, 4):
            styles.make(power)(torch.ones(2))
        captured.Square.apply(torch.ones(2))

    (local,) = seen(styles.make, program).local_functions()
    assert torch.equal(local.apply(torch.full((1,), 2.0)), torch.full((1,), 8.0))
    known = [each.name for each in subjects_of(styles)]
    assert [each.name for each in subjects_of(styles, [local])] == known, "`square` is of the same class"
    assert [each.name for each in subjects_of(captured, [local])].count("make.Power") == 0


def test_a_class_of_a_file_that_was_run_belongs_to_its_module() -> None:
    def local() -> type[Function]:
        class Local(captured.Square):
            @staticmethod
            def forward(ctx: Any, x: Tensor) -> Tensor:
                return captured.Square.forward(ctx, x)

        return Local

    capture = seen(local, lambda: local().apply(torch.ones(2)))
    found = subjects_of(sys.modules[__name__], capture.local_functions())
    name = "test_a_class_of_a_file_that_was_run_belongs_to_its_module.local.Local"
    assert name in [each.name for each in found]


def test_only_the_named_ones() -> None:
    with Capture(["Square"]) as capture:
        captured.Square.apply(torch.ones(2))
        captured.Silent.apply(torch.ones(2))
        captured.scaled(torch.ones(2), 2.0)
    assert capture.watched(subject(captured.Square)).calls == 1
    assert capture.watched(subject(captured.Silent)).calls == 0
    assert capture.watched(subject(captured.scaled)).calls == 0


def test_custom_ops_by_name_and_through_torch_ops() -> None:
    x = torch.randn(3, requires_grad=True)

    def program() -> None:
        captured.scaled(x, 2.0, offset=1.0).sum().backward()
        torch.ops.captured_in_the_tests.scaled(x, 3.0)

    capture = seen(captured.scaled, program)
    direct, through = capture.samples(subject(captured.scaled))
    assert (direct.args[1:], dict(direct.kwargs)) == ((2.0,), {"offset": 1.0})
    assert (len(through.args), through.args[1]) == (2, 3.0)
    assert capture.watched(subject(captured.scaled)).calls == 2


def test_a_custom_op_with_a_list() -> None:
    tensors = [torch.randn(3, requires_grad=True), torch.randn(3)]

    def program() -> None:
        torch.ops.captured_in_the_tests.total(tensors).sum().backward()

    (sample,) = seen(captured.total, program).samples(subject(captured.total))
    assert [type(each) for each in sample.args] == [list]
    assert torch.equal(sample.args[0][1], tensors[1])


def test_calls_of_other_threads() -> None:
    def program() -> None:
        thread = threading.Thread(target=lambda: captured.Square.apply(torch.ones(2)))
        thread.start()
        thread.join()

    assert seen(captured.Square, program).watched(subject(captured.Square)).calls == 1


def test_torch_func_works() -> None:
    def program() -> None:
        result = torch.func.grad(lambda x: styles.Affine.apply(x, torch.eye(3)).sum())(torch.ones(2, 3))
        assert torch.equal(result, torch.ones(2, 3))

    seen(styles.Affine, program)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_compiled_functions_work() -> None:
    x = torch.randn(4, requires_grad=True)

    def program() -> None:
        torch._dynamo.reset()
        compiled = torch.compile(lambda x: captured.Square.apply(x) + 1, backend="eager", fullgraph=True)
        compiled(x).sum().backward()

    seen(captured.Square, program)
    assert x.grad is not None
    assert torch.equal(x.grad, 2 * x)


# ---------------------------------------------------------------- bounds


class Bare(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        return grad_output * 2, None


def kept(memory: Memory, *calls: tuple[Any, ...]) -> KeptCalls:
    found = KeptCalls()
    for args in calls:
        found.count += 1
        memory.keep(found, args, {}, None)
    return found


def test_at_most_four_calls_and_other_shapes_before_other_numbers() -> None:
    x = torch.ones(2)
    found = kept(Memory(), *((x, number) for number in range(6)), (torch.ones(3), 0), (torch.ones(4), 0))
    assert [(each.sample.args[0].numel(), each.sample.args[1]) for each in found.kept] == [
        *((2, 0), (2, 1)),
        *((3, 0), (4, 0)),
    ]


def test_large_arguments_are_kept_in_part() -> None:
    found = kept(Memory(most_bytes_of_call=4000), (torch.ones(100, 50), torch.ones(50)))
    (call,) = found.kept
    assert call.sliced
    assert call.sample.args[0].shape[0] < 100
    assert call.sample.args[1].shape == (50,)
    assert call.sample.source == f"call 1, the first {call.sample.args[0].shape[0]} of 100 rows"
    assert call.nbytes <= 4000


def test_arguments_that_cannot_be_cut_are_left_out_with_a_word() -> None:
    found = kept(Memory(most_bytes_of_call=4 << 20), (torch.ones(1, 2 << 20),))
    assert not found.kept
    assert list(found.left_out) == ["its arguments take 8 MiB"]


def test_the_memory_of_all_calls_is_bounded() -> None:
    memory = Memory(most_bytes=1000)
    assert len(kept(memory, *((torch.ones(100 + n),) for n in range(4))).kept) == 2


def test_a_part_that_forward_does_not_take_is_no_sample() -> None:
    class Whole(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.view(1024, 2048) * 2

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            return grad_output.reshape(-1)

    capture = seen(Whole, lambda: Whole.apply(torch.ones(2 << 20)))
    assert capture.samples(subject(Whole)) == []
    assert capture.watched(subject(Whole)).calls == 1


def test_an_expanded_tensor_and_one_given_twice_stay_so() -> None:
    row = torch.ones(1, 3).expand(1000, 3)
    (call,) = kept(Memory(), (row, row)).kept
    first, second = call.sample.args
    assert first is second
    assert first.stride() == (0, 1)
    assert call.nbytes == 12


def test_nothing_of_the_program_is_kept_alive() -> None:
    field, x = captured.Field(captured.Silent), torch.randn(3, requires_grad=True)
    gc.disable()
    try:
        with Capture() as capture:
            kept = captured.Keeps.apply(field.weight * 1, 2.0)
            kept.sum().backward()
            loss = penalty(field, x) + penalty(captured.Field(captured.Square), x) + field(x).sum()
            loss.backward()
            living = [weakref.ref(each) for each in (kept.grad_fn, kept.grad_fn.half, loss, x)]
            kept.grad_fn.x = kept.grad_fn.y = None  # the program's own cycle
            del kept, loss, x
            assert [each() is None for each in living] == [True, True, True, True]
    finally:
        gc.enable()
    assert capture.watched(subject(captured.Silent)).twice_at is not None


# ---------------------------------------------------------------- differentiated twice


def penalty(field: nn.Module, x: Tensor) -> Tensor:
    (slope,) = grad(field(x).sum(), x, create_graph=True)
    return slope.pow(2).mean()


@pytest.mark.parametrize("function", [captured.Square, captured.Silent])
def test_a_gradient_that_is_differentiated_again(function: type[Function]) -> None:
    field, x = captured.Field(function), torch.randn(3, requires_grad=True)

    def program() -> None:
        loss = field(x).mean() + 0.1 * penalty(field, x)
        loss.backward()

    twice = seen(function, program).watched(subject(function)).twice_at
    assert twice is not None
    assert (Path(twice.path).name, twice.line) == ("test_capture.py", line_of("loss.backward()", program))


@pytest.mark.parametrize("function", [captured.Square, captured.Silent])
def test_a_graph_that_nobody_differentiates_is_not_it(function: type[Function]) -> None:
    field, x = captured.Field(function), torch.randn(3, requires_grad=True)

    def program() -> None:
        value = penalty(field, x)
        assert value.item() >= 0
        (field(x).mean() + value.detach()).backward()
        with torch.no_grad():
            shown = value * 2
        (field(x).mean() * shown).backward()

    assert seen(function, program).watched(subject(function)).twice_at is None


def test_only_the_function_that_lies_on_the_way() -> None:
    field, x = captured.Field(captured.Square), torch.randn(3, requires_grad=True)

    def program() -> None:
        loss = captured.Silent.apply(field.weight).sum() + penalty(field, x)
        loss.backward()

    capture = seen(captured.Square, program)
    assert capture.watched(subject(captured.Square)).twice_at is not None
    assert capture.watched(subject(captured.Silent)).twice_at is None


def test_a_second_derivative_that_a_once_differentiable_backward_drops() -> None:
    depth = nn.Parameter(torch.tensor(2.0))
    x = torch.randn(3, requires_grad=True)

    def program() -> None:
        (force,) = grad(captured.Once.apply(x, depth).sum(), x, create_graph=True)
        loss = (depth - 1) ** 2 + force.square().sum()
        loss.backward()

    twice = seen(captured.Once, program).watched(subject(captured.Once)).twice_at
    assert twice is not None
    assert twice.line == line_of("loss.backward()", program)


def test_a_derivative_of_the_positions_alone_is_not_missed_by_anybody() -> None:
    depth, scale = torch.tensor(2.0), nn.Parameter(torch.tensor(1.0))
    x = torch.randn(3, requires_grad=True)

    def program() -> None:
        (force,) = grad(captured.Once.apply(x, depth).sum(), x, create_graph=True)
        (scale * force).sum().backward()

    assert seen(captured.Once, program).watched(subject(captured.Once)).twice_at is None


def test_a_hessian_asked_for_by_name() -> None:
    x = torch.randn(3, requires_grad=True)
    depth = nn.Parameter(torch.tensor(2.0))

    def program() -> None:
        (slope,) = grad(captured.Silent.apply(x).sum() + (x * depth).sum(), x, create_graph=True)
        grad(slope.sum() + x.sum(), x)

    assert seen(captured.Silent, program).watched(subject(captured.Silent)).twice_at is not None


@pytest.mark.parametrize("unused", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_a_second_derivative_that_is_not_in_the_graph(unused: bool, weighted: bool) -> None:
    """A differential equation in x: the slope has a graph, by the weights, that does not lead to x."""
    x, weight = torch.randn(3, requires_grad=True), nn.Parameter(torch.randn(3))

    def program() -> None:
        u = captured.Silent.apply(x * weight)
        (slope,) = grad((u * weight if weighted else u).sum(), x, create_graph=True)
        if unused:
            assert grad(slope.sum(), x, create_graph=True, allow_unused=True) == (None,)
        else:
            with pytest.raises(RuntimeError, match="appears to not have been used"):
                grad(slope.sum(), x, create_graph=True)

    twice = seen(captured.Silent, program).watched(subject(captured.Silent)).twice_at
    assert twice is not None
    assert twice.line in (line_of(text, program) for text in ("allow_unused=True", "            grad(slope"))


def test_a_first_derivative_that_raises_is_not_it() -> None:
    x, other = torch.randn(3, requires_grad=True), torch.randn(3, requires_grad=True)

    def program() -> None:
        grad(captured.Silent.apply(x).sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="appears to not have been used"):
            grad(captured.Silent.apply(x).sum(), other, create_graph=True)

    assert seen(captured.Silent, program).watched(subject(captured.Silent)).twice_at is None


def test_a_backward_inside_a_backward() -> None:
    class Recomputes(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx: Any, grad_output: Tensor) -> Tensor:
            x = ctx.saved_tensors[0].detach().requires_grad_()
            with torch.enable_grad():
                return grad(x.sin(), x, grad_output, create_graph=False)[0]

    field, x = captured.Field(Recomputes), torch.randn(3, requires_grad=True)

    def program() -> None:
        loss = field(x).mean() + penalty(field, x)
        loss.backward()

    twice = seen(Recomputes, program).watched(subject(Recomputes)).twice_at
    assert twice is not None
    assert twice.line == line_of("loss.backward()", program)


def test_through_a_step_of_an_inner_loop() -> None:
    field, x = captured.Field(captured.Silent), torch.randn(3)

    def program(*, first_order: bool) -> None:
        (slope,) = grad(field(x).sum(), field.weight, create_graph=True)
        step = slope.detach() if first_order else slope
        adapted = field.weight - 0.1 * step
        captured.Square.apply(adapted * x).sum().backward()

    for first_order in (False, True):
        capture = seen(captured.Silent, lambda: program(first_order=first_order))  # noqa: B023  called here
        assert (capture.watched(subject(captured.Silent)).twice_at is None) == first_order


def test_through_accumulated_gradients() -> None:
    weight, x = nn.Parameter(torch.ones(3)), torch.randn(3, requires_grad=True)

    def program() -> None:
        with pytest.warns(UserWarning, match="create_graph=True will create a reference cycle"):
            captured.Silent.apply(weight * x).sum().backward(create_graph=True)
        assert weight.grad is not None
        grad(weight.grad.norm() + weight.sum(), weight)

    assert seen(captured.Silent, program).watched(subject(captured.Silent)).twice_at is not None
    weight.grad = x.grad = None  # breaks the reference cycle


# ---------------------------------------------------------------- changed on ctx


def changes(program: Callable[[], object]) -> dict[str, int]:
    capture = seen(captured.Keeps, program)
    return {name: where.line for name, where in capture.watched(subject(captured.Keeps)).changed}


def test_an_input_changed_between_forward_and_backward() -> None:
    weight = torch.randn(3, requires_grad=True)

    def program() -> None:
        h = weight * 1
        y = captured.Keeps.apply(h, 2.0)
        h.clamp_(-1, 1)
        y.sum().backward()

    assert changes(program) == {"x": line_of("h.clamp_", program)}


def test_an_output_changed_through_a_view() -> None:
    weight = torch.randn(3, requires_grad=True)

    def program() -> None:
        y = captured.Keeps.apply(weight * 1, 2.0)
        with torch.no_grad():
            y[:1].zero_()
        y.sum().backward()

    assert changes(program) == {"y": line_of("y[:1].zero_()", program)}


def test_a_change_by_an_optimizer() -> None:
    weight = nn.Parameter(torch.randn(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def program() -> None:
        y = captured.Keeps.apply(weight, 2.0)
        y.sum().backward(retain_graph=True)
        optimizer.step()
        y.sum().backward()

    assert changes(program) == {"x": line_of("optimizer.step()", program)}


def test_a_change_after_the_last_backward_harms_nobody() -> None:
    weight = nn.Parameter(torch.randn(3))
    optimizer = torch.optim.SGD([weight], lr=0.1)

    def program() -> None:
        for _ in range(3):
            captured.Keeps.apply(weight, 2.0).sum().backward()
            optimizer.step()

    assert changes(program) == {}


def test_a_change_in_place_by_a_flag() -> None:
    weight = torch.randn(3, requires_grad=True)

    def program() -> None:
        h = weight * 1
        y = captured.Keeps.apply(h, 2.0)
        nn.functional.relu(h, inplace=True)
        y.sum().backward()

    assert changes(program) == {"x": line_of("inplace=True", program)}


def test_a_change_that_no_op_made_has_no_line() -> None:
    weight = torch.randn(3, requires_grad=True)

    def program() -> None:
        h = weight * 1
        y = captured.Keeps.apply(h, 2.0)
        torch.autograd.graph.increment_version(h)
        y.detach().add_(1)
        y.sum().backward()

    assert "x" not in changes(program)


def test_what_is_neither_input_nor_output_is_not_looked_at() -> None:
    x = torch.randn(3, requires_grad=True)

    def program() -> None:
        y = captured.Keeps.apply(x, 2.0)
        y.grad_fn.half.zero_()
        y.sum().backward()

    assert changes(program) == {}
