"""What `gradscope gate --init` finds in a repository, and what it writes."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from gradscope.config import nearest
from gradscope.errors import UsageError, render
from gradscope.gating.configuration.reading import read_gate
from gradscope.gating.discovery.candidates import Candidate, Discovery, discover
from gradscope.gating.discovery.first_configuration import (
    MOST_TARGETS,
    configuration_text,
    write_configuration,
)
from gradscope.gating.discovery.source_files import source_files
from gradscope.gating.settings import GateTarget

TRAIN = """import torch
from torch import nn

def main():
    for batch in range(3):
        loss = nn.Linear(2, 1)(torch.ones(2)).sum()
        loss.backward()
        optimizer.step()

if __name__ == "__main__":
    main()
"""


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


def put(files: Mapping[str, str] | None = None, **more: str) -> None:
    """Writes files: by their paths, or by the names of Python files in this folder."""
    for name, text in {**(files or {}), **{f"{name}.py": text for name, text in more.items()}}.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def found() -> tuple[Candidate, ...]:
    return discover(os.getcwd()).candidates


def only() -> Candidate:
    (candidate,) = found()
    return candidate


def targets() -> list[tuple[str, str]]:
    return [(each.command, each.target) for each in found()]


# ---------------------------------------------------------------- scripts that train


def test_a_script_that_trains_under_main() -> None:
    put(train=TRAIN)
    assert only() == Candidate("trace", "train.py", "train.py:7 calls loss.backward()", steps=5)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "import torch\nx = torch.ones(1)\n(x * 2).sum().backward()\n",
            "train.py:3 calls (x * 2).sum().backward()",
        ),
        ("import torch\nloss = x\n(loss * 2).backward()\n", "train.py:3 calls (loss * 2).backward()"),
        (f"import torch\nf({'a' * 50}).backward()\n", "train.py:2 calls (...).backward()"),
        ("import torch\nfor _ in range(9):\n    def f():\n        pass\n    x.backward()", "train.py:5"),
        ("import torch\ndef run():\n    x.backward()\nrun()\n", "train.py:3 calls x.backward()"),
        ("from torch.autograd import grad\nprint(grad(y, x))\n", ""),
        ("from torch import autograd\nprint(autograd.grad(y, x))\n", "train.py:2 calls autograd.grad()"),
        (
            "import lightning as L\nL.Trainer(max_epochs=1).fit(m)\n",
            "train.py:2 calls L.Trainer(max_epochs=1).fit()",
        ),
        (
            "from transformers import Trainer as T, Seq2SeqTrainer\nt = Seq2SeqTrainer(m)\nt.train()\n",
            "train.py:3 calls t.train()",
        ),
        (
            "import torch\nif True:\n    def f():\n        x.backward()\nf()\n",
            "train.py:4 calls x.backward()",
        ),
    ],
)
def test_what_trains_at_the_top_level(text: str, why: str) -> None:
    put(train=text)
    if why:
        assert only().why.startswith(why)
    else:
        assert not found()


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ndef step(loss):\n    loss.backward()\n",
        "import torch\nclass Net:\n    def step(self):\n        self.loss.backward()\n\nNETS = {'a': Net}\n",
        "import torch\ndef step(loss):\n    loss.backward()\nSTEPS = [step]\n",
        "import torch\nmodel.train()\nmodel.fit(x)\n",
        "from engine import Value\nValue(1).backward()\n",
        "import torch\n@staticmethod\ndef f(ctx, g):\n    return Other.backward(ctx, g)\nf(ctx, g)\n",
        "import torch\nimport torch.multiprocessing as mp\ndef work(rank):\n    loss.backward()\n"
        "if __name__ == '__main__':\n    mp.spawn(work, nprocs=2)\n",
        "import torch\nfrom multiprocessing import Process\ndef work():\n    loss.backward()\n"
        "Process(target=work).start()\n",
    ],
    ids=["library", "class", "table", "other fit", "no torch", "of a Function", "spawned", "a process"],
)
def test_what_is_no_script_that_trains_here(text: str) -> None:
    put(lib=text)
    assert not found()


def test_what_a_script_imports_is_followed() -> None:
    put(
        {
            "projects/small/run.py": """import sys
from engine.loop import Loop as Training
import engine.data as data

if __name__ == "__main__":
    Training(data.load()).run()
""",
            "engine/__init__.py": "from .loop import *\n",
            "engine/loop.py": """import torch
from . import optim

class Loop:
    def run(self):
        self.once()
        optim.step()
    def once(self):
        self.loss.backward()
""",
            "engine/data.py": "def load():\n    return 1\n",
            "engine/optim.py": "def step():\n    adam.step()\n",
        }
    )
    assert only() == Candidate(
        "trace",
        "projects/small/run.py",
        "engine/loop.py:9 calls self.loss.backward()",
        steps=5,
        search_path=".",
    )


def test_a_method_that_nobody_speaks_of_is_not_run() -> None:
    put(
        evaluate="from loop import Loop\nif __name__ == '__main__':\n    Loop().evaluate()\n",
        loop="import torch\nclass Loop:\n    def run(self):\n        loss.backward()\n"
        "    def evaluate(self): ...\n",
    )
    assert not found()


def test_a_library_that_differentiates_makes_no_script_one_that_trains() -> None:
    put(
        run="from ops import f\nif __name__ == '__main__':\n    f()\n",
        ops="import torch\ndef f():\n    torch.autograd.grad(y, x)\n",
    )
    assert not found()


def test_modules_that_import_each_other_without_end() -> None:
    put(
        a="from b import *\nfrom c import f\nif __name__ == '__main__':\n    f()\n",
        b="from a import *\n",
        c="from c import f\n",
    )
    assert not found()


def test_a_script_of_a_package_is_run_as_a_module() -> None:
    put(
        {
            "pkg/__init__.py": "",
            "pkg/train.py": "from .model import loss\nimport torch\n"
            "if __name__ == '__main__':\n    loss().backward()\n",
            "pkg/__main__.py": "from .train import x\nimport torch\ny.backward()\n",
            "loose/train.py": "from .model import loss\nimport torch\nloss().backward()\n",
        }
    )
    assert targets() == [("trace", "loose/train.py"), ("trace", "-m pkg"), ("trace", "-m pkg.train")]


def test_arguments_that_a_script_cannot_do_without() -> None:
    put(
        options="""import argparse
def parsed():
    p = argparse.ArgumentParser()
    p.add_argument("data")
    p.add_argument("extra", nargs="*")
    p.add_argument("maybe", nargs="?")
    p.add_argument("-l", "--lr", required=True)
    p.add_argument("--epochs", default=1)
    p.add_argument("--free", required=False)
    return p.parse_args()
""",
        train=TRAIN.replace("def main():", "from options import parsed\n\ndef main():\n    parsed()"),
        words=TRAIN.replace("def main():", "import sys\ndef main():\n    print(sys.argv[0], sys.argv[2])"),
        clicked="""import click, torch
@click.command()
@click.argument("data")
@click.argument("n", default=1)
@click.option("--lr", required=True)
@click.option("--x")
def main(data, n, lr, x):
    y.backward()
main()
""",
    )
    assert {each.target: each.required for each in found()} == {
        "train.py": ("data", "--lr"),
        "words.py": ("sys.argv[2]",),
        "clicked.py": ("data", "--lr"),
    }


def test_a_script_that_joins_a_group_of_processes() -> None:
    put(
        always=TRAIN.replace("def main():", "import os\n\ndef main():\n    rank = int(os.environ['RANK'])"),
        called=TRAIN.replace("def main():", "def main():\n    torch.distributed.init_process_group('nccl')"),
        asked=TRAIN.replace("def main():", "def main():\n    if many:\n        init_process_group('nccl')"),
    )
    assert {each.target: each.group for each in found()} == {
        "always.py": "always.py:7 os.environ['RANK']",
        "called.py": "called.py:5 torch.distributed.init_process_group()",
        "asked.py": "",
    }


# ---------------------------------------------------------------- custom gradients and modules


def test_files_that_define_gradients() -> None:
    functions = "".join(
        f"class F{number}(Function):\n    @staticmethod\n    def backward(ctx, g): ...\n"
        for number in range(4)
    )
    put(
        a=f"from torch.autograd import Function\n{functions}",
        b="import torch\nclass Bare(torch.autograd.Function):\n    def forward(ctx): ...\n",
        c="from inspect import Function\nclass F(Function):\n    def backward(ctx): ...\n",
        d="from torch import autograd as ag\nclass F(ag.Function):\n    def vjp(ctx): ...\n",
        e="import torch\n@torch.library.custom_op('a::b', mutates_args=())\ndef op(x): ...\n"
        "op.register_autograd(None)\n",
        f="import torch\n@torch.library.custom_op('a::b', mutates_args=())\ndef op(x): ...\n",
    )
    assert found() == (
        Candidate("check", "a.py", "a.py:2 defines the gradient of F0, F1, F2 and 1 more"),
        Candidate("check", "d.py", "d.py:2 defines the gradient of F"),
        Candidate("check", "e.py", "e.py:3 defines the gradient of op"),
    )


def test_modules_that_bring_their_inputs() -> None:
    put(
        model="""from torch import nn
class Block(nn.Module): ...
class Net(nn.Module):
    def __init__(self, width=3, *, depth=2):
        self.block = Block()
class Wider(Net):
    def more(self):
        return Needs
class Needs(nn.Module):
    def __init__(self, width): ...
class _Own(nn.Module): ...
class Asks(nn.Module):
    def __init__(self, *, depth): ...
def gradscope_inputs(): ...
""",
        other="from torch import nn\nclass Net(nn.Module): ...\n",
    )
    assert found() == (
        Candidate("memory", "model.py:Wider", "model.py:6 defines it, and line 14 gradscope_inputs()"),
    )


# ---------------------------------------------------------------- which files are looked at


def test_files_that_are_left_out() -> None:
    left = (
        "tests/t test_a a_test conftest setup build/x node_modules/y .hidden/z lib/site-packages/s mine/run"
    )
    put(dict.fromkeys([f"{each}.py" for each in left.split()], TRAIN))
    put({"train.py": TRAIN, "deep/er/run.py": TRAIN})
    Path("mine/pyvenv.cfg").touch()
    os.symlink("train.py", "again.py")
    assert source_files(os.getcwd()).paths == ("train.py", "deep/er/run.py")


def test_what_git_ignores_is_left_out() -> None:
    put({"data/gone.py": TRAIN, "mine/run.py": TRAIN}, train=TRAIN, ignored=TRAIN, gone=TRAIN)
    Path("mine/pyvenv.cfg").touch()
    Path(".gitignore").write_text("ignored.py\n/data/\n", encoding="utf-8")
    assert len(source_files(os.getcwd()).paths) == 4
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", "gone.py"], check=True)
    Path("gone.py").unlink()
    assert source_files(os.getcwd()).paths == ("train.py",)


def test_without_git_names_are_gone_by(monkeypatch: pytest.MonkeyPatch) -> None:
    put({"train.py": TRAIN, "tests/t.py": TRAIN})
    monkeypatch.setenv("PATH", "")
    assert source_files(os.getcwd()).paths == ("train.py",)


def test_files_that_cannot_be_read_are_told() -> None:
    put(train=TRAIN, wrong="def backward(:\n", deep="backward = " + "(" * 500)
    Path("latin.py").write_bytes(b"# \xff\nbackward\n")
    Path("coded.py").write_bytes(b"# coding: nothing\nbackward\n")
    Path("null.py").write_bytes(b"backward\0\n")
    Path("long.py").write_text(f"backward{'.x' * 3000}\n", encoding="utf-8")
    Path("large.py").write_bytes(b"#" * 1_000_001)
    Path("new\nline.py").write_text(TRAIN, encoding="utf-8")
    Path("cp1252.py").write_bytes(
        TRAIN.replace("import torch", "# coding: cp1252\nimport torch # \x80").encode("cp1252", "replace")
    )
    result = discover(os.getcwd())
    assert [each.target for each in result.candidates] == ["cp1252.py", "train.py"]
    told = {each.split(" ")[0]: each for each in result.skipped}
    assert "is not text in the encoding" in told["latin.py"]
    assert "is not text in the encoding" in told["coded.py"]
    assert "is larger than a megabyte" in told["large.py"]
    assert re.search(r"is not Python 3\.\d+ \(line 1\)", told["wrong.py"])
    assert "holds null bytes" in told["null.py"]
    assert "is nested too deeply" in told["long.py"]
    assert "name that is not printed" in told["'new\\nline.py'"]
    assert set(told) == {
        "latin.py",
        "coded.py",
        "large.py",
        "wrong.py",
        "deep.py",
        "long.py",
        "null.py",
        "'new\\nline.py'",
    }
    assert result.looked_at == 2


# ---------------------------------------------------------------- what is written


def read() -> tuple[GateTarget, ...]:
    return read_gate(nearest(".")).targets


def test_a_new_file() -> None:
    put(
        train=TRAIN,
        ops="from torch.autograd import Function\nclass F(Function):\n    def backward(c, g): ...\n",
    )
    lines = write_configuration()
    assert lines == ["pyproject.toml has a [tool.gradscope.gate] of 2 targets now; gradscope gate runs it"]
    trace, check = read()
    assert (trace.name, trace.command, trace.options.steps) == ("train.py", "trace", 5)
    assert (check.name, check.command, check.options.steps) == ("ops.py", "check", None)
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    assert text.startswith("[tool.gradscope.gate]\n")
    assert "\n# train.py:7 calls loss.backward()\n[[tool.gradscope.gate.targets]]\ntrace = " in text


@pytest.mark.parametrize(
    ("before", "between"),
    [
        (b"[project]\nname = 'x'\n", b"\n"),
        (b"[project]\nname = 'x'", b"\n\n"),
        (b"\xef\xbb\xbf[project]\r\nname = '\xc3\xa9'\r\n", b"\r\n"),
        (b"[project]\r\nname = 'x'", b"\r\n\r\n"),
        (b"[tool.gradscope]\nignore = ['GS103'] # why\n\n\n", b"\n"),
    ],
    ids=["LF", "no last newline", "CRLF and a mark", "CRLF, no last newline", "its own section"],
)
def test_what_the_file_holds_stays_as_it_is(before: bytes, between: bytes) -> None:
    put(train=TRAIN)
    Path("pyproject.toml").write_bytes(before)
    os.chmod("pyproject.toml", 0o640)
    write_configuration()
    after = Path("pyproject.toml").read_bytes()
    assert after.startswith(before + between + b"[tool.gradscope.gate]")
    assert os.stat("pyproject.toml").st_mode & 0o777 == 0o640
    added = after[len(before) :]
    assert added.count(b"\r\n") == (added.count(b"\n") if b"\r" in between else 0)
    assert [each.name for each in read()] == ["train.py"]
    assert sorted(os.listdir(".")) == ["pyproject.toml", "train.py"]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("[tool.gradscope.gate]\n", "it has a [tool.gradscope.gate] already\n  --> pyproject.toml:1\n"),
        ("[[tool.gradscope.gate.targets]]\ntrace = 'a.py'", "it has a [tool.gradscope.gate] already"),
        (
            "tool.gradscope = { ignore = ['GS103'] }\n",
            "cannot be appended to it as tool.gradscope is written",
        ),
        ("[tool\n", "pyproject.toml is not TOML"),
        ("# \udcff", "pyproject.toml is not UTF-8"),
    ],
)
def test_a_file_that_is_left_alone(before: str, said: str) -> None:
    put(train=TRAIN)
    content = before.encode("utf-8", "surrogateescape")
    Path("pyproject.toml").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        write_configuration()
    assert said in render(caught.value, width=200)
    assert Path("pyproject.toml").read_bytes() == content


def test_the_nearest_file_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put({"repo/code/train.py": TRAIN})
    Path("pyproject.toml").touch()
    Path("repo/.git").mkdir()
    monkeypatch.chdir(tmp_path / "repo" / "code")
    write_configuration()
    assert (tmp_path / "repo" / "code" / "pyproject.toml").exists(), "a new one where the repository has none"
    Path("pyproject.toml").unlink()
    (tmp_path / "repo" / "pyproject.toml").touch()
    lines = write_configuration()
    assert lines[0].startswith(os.path.join("..", "pyproject.toml"))
    assert [each.target for each in read()] == ["code/train.py"]


def test_a_file_that_is_named(tmp_path: Path) -> None:
    put({"sub/train.py": TRAIN})
    write_configuration("sub/gate.toml")
    assert tomllib.loads(Path("sub/gate.toml").read_text(encoding="utf-8"))["tool"]["gradscope"]["gate"][
        "targets"
    ]
    with pytest.raises(UsageError, match="there is no folder none"):
        write_configuration("none/gate.toml")


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a right there")
def test_a_link_stays_a_link() -> None:
    put(train=TRAIN)
    Path("real.toml").touch()
    os.symlink("real.toml", "pyproject.toml")
    write_configuration()
    assert os.path.islink("pyproject.toml")
    assert "[tool.gradscope.gate]" in Path("real.toml").read_text(encoding="utf-8")


def test_nothing_is_found() -> None:
    put(lib="import torch\n", wrong="backward(")
    with pytest.raises(UsageError) as caught:
        write_configuration()
    shown = render(caught.value, width=300)
    assert "nothing to run in 1 Python file of " in shown
    assert "not looked at: wrong.py is not Python" in shown
    by_hand = shown.split("pyproject.toml:\n")[1]
    assert tomllib.loads(by_hand)["tool"]["gradscope"]["gate"]["targets"] == [
        {"trace": "train.py", "steps": 5}
    ]
    assert not os.path.exists("pyproject.toml")


def many() -> Discovery:
    traces = [
        Candidate("trace", f"t{number:02}.py", "because", required=("x",) * (number < 2))
        for number in range(30)
    ]
    return Discovery((*traces, Candidate("check", "ops.py", "because")), 31)


def test_no_more_than_some_are_run_and_the_rest_is_named() -> None:
    text = configuration_text(many())
    entries = tomllib.loads(text)["tool"]["gradscope"]["gate"]["targets"]
    assert len(entries) == MOST_TARGETS
    assert {"check": "ops.py"} in entries
    named = re.findall(r'^#   trace = "(.*)"$', text, re.MULTILINE)
    assert len(named) == 31 - MOST_TARGETS
    assert named[:2] == ["t00.py", "t01.py"]


def test_what_cannot_run_as_it_is_is_commented_out() -> None:
    candidates = (
        Candidate("trace", "a.py", "a.py:1 calls x", steps=5, required=("data", "--lr", "sys.argv[2]")),
        Candidate("trace", "b.py", "b.py:1 calls x", group="b.py:2 os.environ['RANK']"),
        Candidate("trace", 'c"\\.py', "c\n]]:1", search_path="src"),
    )
    text = configuration_text(Discovery(candidates, 3))
    entries = tomllib.loads(text)["tool"]["gradscope"]["gate"]["targets"]
    assert entries == [{"trace": 'c"\\.py', "environment": {"PYTHONPATH": "src"}}]
    assert "# It does not run without data, --lr, sys.argv[2]: fill them in.\n" in text
    assert "# It probably wants torchrun: b.py:2 os.environ['RANK'].\n" in text
    filled = re.sub(r"^# (?=\[\[|trace|arguments|steps)", "", text, flags=re.MULTILINE)
    entries = tomllib.loads(filled)["tool"]["gradscope"]["gate"]["targets"]
    assert entries[0] == {"trace": "a.py", "arguments": ["DATA", "--lr", "...", "..."], "steps": 5}


def test_every_threshold_that_is_commented_out_can_be_used() -> None:
    put(train=TRAIN)
    write_configuration()
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    used, count = re.subn(r"^# (?=[a-z-]+ = )", "", text, flags=re.MULTILINE)
    assert count == 10
    Path("pyproject.toml").write_text(used, encoding="utf-8")
    settings = read_gate(nearest("."))
    assert settings.baseline == os.path.abspath("gradscope-baseline.json")
    assert settings.targets[0].limits.max_norm_ratio == 1e6
    assert settings.targets[0].forbid == ("GS102", "GS4")


def test_nothing_is_run_or_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    put(train=TRAIN + "open('ran', 'w').close()\n")
    write_configuration()
    assert not os.path.exists("ran")
    assert "__pycache__" not in os.listdir(".")
