"""A script under us sees what it sees under Python."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from gradscope.errors import TargetError
from gradscope.loader.script import Script
from gradscope.loader.target import parse_target
from tests.loader.conftest import Write

LOOK = '''
"""The module's docstring."""
import dataclasses, pickle, sys
import sibling

@dataclasses.dataclass
class Item:
    number: int

def names():
    return {
        name: repr(value).partition(" object at ")[0]
        for name, value in globals().items()
        if name.startswith("__") and name != "__annotations__"
    }

main = sys.modules["__main__"]
print(sorted(names().items()))
print(sys.argv, sys.path[0], sys.orig_argv[1:], sibling.WORD)
print(main.__dict__ is globals(), main.Item is Item, pickle.loads(pickle.dumps(Item(3))))
print(names.__code__.co_filename, Item.__module__, __annotations__)
count: int = 3
if __name__ == "__main__":
    print("main", __annotations__)
'''


def under_python(*words: str) -> str:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout


def under_us(capsys: pytest.CaptureFixture[str], words: list[str], run_module: str | None = None) -> str:
    Script(parse_target(words, run_module)).run()
    return capsys.readouterr().out


@pytest.fixture
def program(write: Write, tmp_path: Path) -> Path:
    write("code/look.py", LOOK)
    write("code/sibling.py", "WORD = 'beside'\n")
    write("look_package/__init__.py", "")
    write("look_package/__main__.py", LOOK.replace("import sibling", "from . import sibling"))
    write("look_package/look.py", LOOK.replace("import sibling", "from . import sibling"))
    write("look_package/sibling.py", "WORD = 'inside'\n")
    write("folder/__main__.py", LOOK)
    write("folder/sibling.py", "WORD = 'in the folder'\n")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", LOOK.lstrip())
        archive.writestr("sibling.py", "WORD = 'zipped'\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "code" / "look.py")
    return tmp_path


@pytest.mark.parametrize(
    "target", ["code/look.py", "./code/look.py", "link.py", "folder", "./folder", "app.zip"]
)
def test_a_file_a_link_a_folder_and_a_zip_file(
    target: str, program: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "sibling", raising=False)
    assert under_us(capsys, [target, "a", "--b"]) == under_python(target, "a", "--b")


@pytest.mark.parametrize("name", ["look_package", "look_package.look"])
def test_m_runs_a_module_and_a_package(name: str, program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert under_us(capsys, ["a"], name) == under_python("-m", name, "a")


def test_compiled_files_run(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import py_compile

    path = py_compile.compile(str(write("plain.py", "print(__name__)\n")), cfile=str(tmp_path / "plain.pyc"))
    assert under_us(capsys, [str(path)]) == "__main__\n"


def test_the_encoding_of_the_source_is_honoured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin.py").write_bytes("# coding: latin-1\nprint('\xe4')\n".encode("latin-1"))
    assert under_us(capsys, ["latin.py"]) == "ä\n"


def test_future_statements_of_ours_do_not_reach_the_program(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write("plain.py", "def f(x: 1 + 1): pass\nprint(f.__annotations__)\n")
    assert under_us(capsys, ["plain.py"]) == "{'x': 2}\n"


def test_multiprocessing_finds_the_programs_main(write: Write) -> None:
    write("plain.py", "x = 1\n")
    import multiprocessing  # noqa: F401  it notes the main module when it is imported

    script = Script(parse_target(["plain.py"]))
    script.run()
    assert sys.modules["__main__"] is sys.modules["__mp_main__"] is script.main


def test_safe_path_is_respected(
    write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("plain.py", "import sys; print(sys.path[0])\n")
    before = sys.path[0]
    monkeypatch.setattr(sys, "flags", SimpleNamespace(safe_path=True))
    assert under_us(capsys, ["plain.py"]) == f"{before}\n"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("x = 1\nif x == 1\n    pass\n", ("--> broken.py:2", "   2 |  if x == 1", "                 ^")),
        ("def f():\n    x = 'ab\n", ("--> broken.py:2", "   2 |  x = 'ab", "            ^")),
        ("f(a b)\n", ("--> broken.py:1", "   1 |  f(a b)", "          ^^^")),
    ],
)
def test_source_that_does_not_compile_is_shown(text: str, where: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(TargetError) as caught:
        Script(parse_target(["broken.py"]))
    assert caught.value.what.startswith("broken.py does not compile: ")
    assert caught.value.where == where


def test_null_bytes_and_bad_encodings_do_not_compile(tmp_path: Path) -> None:
    (tmp_path / "null.py").write_bytes(b"x = 1\0\n")
    (tmp_path / "bytes.py").write_bytes(b"x = '\xff'\n")
    for name in ("null.py", "bytes.py"):
        with pytest.raises(TargetError, match=f"{name} does not compile"):
            Script(parse_target([name]))


@pytest.mark.parametrize(
    ("name", "what", "advice"),
    [
        ("tools", "tools is a package without a __main__.py", ("gradscope trace -m tools.broken",)),
        ("tools.trian", "no module named tools.trian; did you mean tools.train?", ()),
        ("tools.sub.train", "no module named tools.sub", ()),
        ("tools.broken", "broken.py does not compile", ()),
    ],
)
def test_m_says_what_is_missing(name: str, what: str, advice: tuple[str, ...], write: Write) -> None:
    write("tools/__init__.py", "")
    write("tools/train.py", "")
    write("tools/broken.py", "def\n")
    with pytest.raises(TargetError) as caught:
        Script(parse_target([], name)).run()
    assert what in caught.value.what
    assert caught.value.try_next[:1] == advice


def test_a_failing_import_of_a_parent_is_the_programs_own(write: Write) -> None:
    write("parent/__init__.py", "import no_such_module_at_all\n")
    write("parent/child.py", "")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        Script(parse_target([], "parent.child")).run()
