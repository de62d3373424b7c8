"""A model that would need more memory than there is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gradscope.errors import UsageError
from gradscope.loader.options import Options
from gradscope.loader.target import parse_target
from gradscope.memory_use import available, fitting
from gradscope.memory_use.available import available_bytes, gib
from gradscope.memory_use.fitting import (
    SHARE,
    LimitedLog,
    TooLargeError,
    limited_log,
    needed_bytes,
    told_in_full,
)
from gradscope.recorder.memory.storages import LiveStorages

_CPU = torch.device("cpu")
_OPTIONS = Options(device="cpu", inputs=("randn(2, 1000)",))


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "a_large_model.py"
    path.write_text(
        "from torch import nn\ndef build(): return nn.Sequential(*(nn.Linear(1000, 1000) for _ in range(9)))"
    )
    return f"{path}:build"


def test_a_log_raises_once_more_is_alive_than_there_is() -> None:
    log = LimitedLog(3000)
    with LiveStorages(log):
        kept = [torch.ones(250) for _ in range(3)]
        with pytest.raises(TooLargeError, match="more memory than there is") as caught:
            kept.append(torch.ones(250))
    assert caught.value.free == round(3000 / SHARE)
    with LiveStorages(log):
        nn.Linear(100, 100)  # on the way out of the program


def test_memory_that_is_freed_in_between_does_not_count() -> None:
    with LiveStorages(LimitedLog(3000)):
        for _ in range(10):
            torch.ones(250)


def test_no_limit() -> None:
    with LiveStorages(LimitedLog(None)) as live:
        kept = torch.ones(250)
        assert live.log.live == kept.untyped_storage().nbytes()


def test_the_limit_is_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "available_bytes", lambda _device: 1000)
    assert limited_log(_CPU).limit == 900
    assert limited_log(torch.device("meta")).limit is None


def test_the_error_says_what_a_step_needs(model: str) -> None:
    target = parse_target([model])
    needed = needed_bytes(target, _OPTIONS)
    assert needed is not None
    assert needed >= 2 * 9 * 1000 * 1001 * 4  # weights and their gradients
    cause = TooLargeError("so far")
    cause.free = 20 * 2**20
    error = told_in_full(cause, target, _OPTIONS)
    assert error.what == f"a step of this model needs {gib(needed)}, and 20 MiB are free here"
    assert error.try_next[0] == f"gradscope memory {model} --fake"
    assert isinstance(error, UsageError)


def test_where_fake_tensors_do_not_tell_it_says_what_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "a_reading_model.py"
    path.write_text("from torch import nn, rand\ndef build(): return nn.Linear(2, int(rand(1).item()))")
    target = parse_target([f"{path}:build"])
    assert needed_bytes(target, _OPTIONS) is None
    assert told_in_full(TooLargeError("so far"), target, _OPTIONS).what == "so far"


def test_the_machine_tells_what_it_has() -> None:
    found = available_bytes(_CPU)
    assert found is None or 2**20 < found < 2**60
    assert available_bytes(torch.device("meta")) is None


def test_the_least_of_machine_and_group_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  9999 kB\nMemAvailable:   4000 kB\n")
    for name, text in {
        "memory.max": "3000000\n",
        "memory.current": "1000000\n",
        "memory.stat": "anon 500000\nfile 400000\n",
    }.items():
        (tmp_path / name).write_text(text)
    group = (tmp_path / "memory.max", tmp_path / "memory.current", "file")
    monkeypatch.setattr(available, "_MEMINFO", meminfo)
    monkeypatch.setattr(available, "_CGROUPS", (group,))
    assert available_bytes(_CPU) == 2_400_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(_CPU) == 4000 * 1024
    monkeypatch.setattr(available, "_CGROUPS", ())
    assert available_bytes(_CPU) == 4000 * 1024


@pytest.mark.parametrize(("size", "text"), [(0, "1 MiB"), (96 * 2**20, "96 MiB"), (23 * 2**29, "11.5 GiB")])
def test_sizes_in_words(size: int, text: str) -> None:
    assert gib(size) == text
