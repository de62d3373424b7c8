"""What the whole suite shares: the comparison of outputs with stored files, and one flag to rewrite them."""

from __future__ import annotations

import concurrent.futures.thread
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import started

# Before torch is imported: with a thread for every core in every worker of xdist, they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write the stored outputs anew instead of comparing with them",
    )
    parser.addoption(
        "--fresh",
        action="store_true",
        help="start every command in a new Python, never in one that has imported torch already (slow)",
    )


def pytest_configure(config: pytest.Config) -> None:
    started.always_fresh |= config.getoption("--fresh")


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def garbage_is_looked_for_in_what_is_new() -> Iterator[None]:
    """Many tests collect garbage, which took half a second each with all that the suite has loaded."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def nothing_is_frozen() -> Iterator[None]:
    """For what asks who refers to an object: those that are frozen are not told."""
    gc.unfreeze()
    yield
    gc.freeze()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a whole output with the stored file at a path, or stores it under --rewrite-golden."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.exists(), f"{path} is not stored yet: run pytest --rewrite-golden"
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture(autouse=True)
def programs_are_forgotten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a command imported here from a test's folder: the next test has a model.py of its own."""
    known = set(sys.modules)
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in sys.modules.keys() - known:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def threads_can_be_started() -> Iterator[None]:
    """After a command that ran a script in this process: it ends as a process does, and so do its threads."""
    yield
    if getattr(threading, "_SHUTTING_DOWN", False):
        threading._SHUTTING_DOWN = False  # type: ignore[attr-defined]  # there is no public way back
        concurrent.futures.thread._shutdown = False
