"""Loading a target changes what the interpreter knows of its program; here it is put back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from gradscope.loader.model import Model
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_placement
from gradscope.loader.target import parse_target

Write = Callable[[str, str], Path]
Run = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    argv, path, orig_argv = list(sys.argv), list(sys.path), list(sys.orig_argv)
    random_state = torch.get_rng_state()
    main = {name: sys.modules[name] for name in ("__main__", "__mp_main__") if name in sys.modules}
    yield
    sys.argv[:], sys.path[:], sys.orig_argv[:] = argv, path, orig_argv
    sys.modules.update(main)
    torch.set_rng_state(random_state)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file below the working directory, its folders included."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def run_model() -> Run:
    """Runs a target that is no program, on the CPU, and returns its notes."""

    def run(target: str, *inputs: str, **options: object) -> list[str]:
        notes: list[str] = []
        settings = Options(inputs=inputs, device="cpu", **options)  # type: ignore[arg-type]
        Model(parse_target([target]), settings, choose_placement(settings)).run(notes.append)
        return notes

    return run
