from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope.gating.processes.running import Ran, run_all
from gradscope.gating.settings import GateSettings, GateTarget
from gradscope.loader.options import Options
from gradscope.outcomes import TroubleKind
from tests.gating.programs import BAD, HANGING, LEAVING, LIKE_TRACE, PLACES
from tests.gating.targets import BACKWARD, left_in, target

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what Linux alone can do")
WELL = 17
JOBS = 4
LIMITS = {"at_exit": 6.0}
"""Seconds after which what hangs is ended, where it has something to do before. Others have 2."""
LIMIT_BYTES = 700 << 20


def of_other_kinds(folder: Path) -> list[GateTarget]:
    """A check, memory with and without a budget, and a program beside a module called `profile`."""
    (folder / "own").mkdir()
    (folder / "own" / "profile.py").write_text("OWN = 1\n", encoding="utf-8")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").touch()
    module = target(folder / "pack", "module", f"import sys\nprint(__package__, sys.argv[1:])\n{BACKWARD}")
    own = target(folder / "own", "own", f"import profile\nprint(profile.OWN)\n{BACKWARD}")
    function = """
import torch
class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x
    @staticmethod
    def backward(ctx, grad):
        return 2 * grad
"""
    checked = target(folder, "checked", function, command="check", check_time_limit=0.5)
    layers = "torch.nn.Sequential(*map(torch.nn.Linear, [4] * 6, [4] * 6))"
    model = f"import torch\ndef build():\n    return {layers}\n"
    options = Options(inputs=("randn(2, 4)",), seed=0)
    plain = target(folder, "plain", model, command="memory", options=options)
    planned = replace(plain, name="planned", target="plain.py:build", budget="90%")
    return [
        replace(module, target="-m pack.module", arguments=("-x",)),
        replace(own, target="own/own.py"),
        replace(checked, options=Options(inputs=("randn(3)",), seed=0)),
        replace(plain, target="plain.py:build"),
        planned,
    ]


@pytest.fixture(scope="module")
def gate(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Ran], list[tuple[str, bool]], list[str]]:
    """Seventeen healthy programs among many others: how all ran, what was told, what was left running."""
    folder = tmp_path_factory.mktemp("gate")
    targets = [target(folder, f"well_{number}", f"{BACKWARD}print({number})\n") for number in range(WELL)]
    bad = {**HANGING, **BAD, **LEAVING, **LIKE_TRACE}
    # more of them than of the healthy ones: no matter where they stand
    for place, (name, program) in enumerate(bad.items()):
        limit = LIMITS.get(name, 2.0) if name in HANGING else 60.0
        bad_target = target(folder, name, program, time_limit=limit, memory_limit=LIMIT_BYTES)
        targets.insert(place * 2, bad_target)
    targets = [*of_other_kinds(folder), *targets, target(folder, "missing", None)]
    arguments = ("--epochs", "a b")
    targets = [
        replace(each, arguments=arguments, options=Options(seed=None))
        if each.name in ("state", "again")
        else each
        for each in targets
    ]
    told: list[tuple[str, bool]] = []
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)  # left by a test of this process, which programs are told

    def tell(one: GateTarget, ran: Ran | None) -> None:
        told.append((one.name, ran is not None))

    ran = run_all(GateSettings(str(folder), "pyproject.toml", tuple(targets), jobs=JOBS), tell)
    assert [each.target for each in ran] == targets
    return {each.target.name: each for each in ran}, told, left_in(folder)


def test_healthy_targets_are_measured_whatever_the_others_do(gate) -> None:
    ran, _, left = gate
    for number in range(WELL):
        one = ran[f"well_{number}"]
        assert one.trouble is None
        assert one.recording.backward_passes == 1
        assert one.environment["torch"] == one.recording.torch_version
        assert one.output == (str(number),)
    broken = {name for name, each in ran.items() if each.trouble is not None}
    assert broken == {*HANGING, *BAD, "crashed", "missing"} - {"raises"}
    assert left == []


def test_each_start_is_told_in_order_and_each_end_after_it(gate) -> None:
    ran, told, _ = gate
    assert [name for name, is_end in told if not is_end] == list(ran)
    assert sorted(name for name, is_end in told if is_end) == sorted(ran)
    assert all(told.index((name, False)) < told.index((name, True)) for name in ran)
    running = 0
    for _name, is_end in told:
        running += -1 if is_end else 1
        assert running <= JOBS


@pytest.mark.parametrize("name", PLACES)
def test_what_hangs_is_ended_and_its_line_told(gate, name: str) -> None:
    trouble = gate[0][name].trouble
    assert trouble.kind is TroubleKind.HUNG
    assert trouble.location.line == PLACES[name]
    assert trouble.message.startswith(f"did not end within 2 s; it was at line {PLACES[name]} of {name}.py")
    assert gate[0][name].recording is None


def test_the_frames_of_what_hangs_are_shown(gate) -> None:
    assert gate[0]["sleeps"].trouble.message.endswith("at line 3 of sleeps.py, in wait")
    assert gate[0]["sleeps"].trouble.details == (
        '  File "sleeps.py", line 5, in <module>',
        "    wait()",
        '  File "sleeps.py", line 3, in wait',
        "    time.sleep(100)",
    )
    assert gate[0]["sleeps"].output == ("on my way",)


def test_what_hangs_or_crashes_at_exit_was_measured(gate) -> None:
    at_exit, late = gate[0]["at_exit"], gate[0]["late"]
    assert (at_exit.trouble.kind, late.trouble.kind) == (TroubleKind.HUNG, TroubleKind.CRASHED)
    assert at_exit.recording.backward_passes == late.recording.backward_passes == 1
    assert at_exit.trouble.message.endswith("its exit functions do not come to an end")
    assert late.trouble.message.endswith("when it had come to its end")


def test_a_crash_is_named_with_its_line(gate) -> None:
    trouble = gate[0]["segfault"].trouble
    assert trouble.kind is TroubleKind.CRASHED
    assert trouble.message == "crashed the process (SIGSEGV) at line 3 of segfault.py, in crash"
    assert (trouble.location.line, trouble.location.function) == (3, "crash")
    assert trouble.details[-1] == "    ctypes.string_at(0)"
    assert gate[0]["segfault"].output == ("so far so good",)


def test_a_process_that_ends_itself_shows_what_it_printed(gate) -> None:
    trouble = gate[0]["exits"].trouble
    assert trouble.kind is TroubleKind.CRASHED
    assert "ended itself with status 3" in trouble.message
    assert trouble.details == ("bye",)


def test_a_target_whose_guardian_is_gone_ends_with_it(gate) -> None:
    trouble = gate[0]["alone"].trouble
    assert trouble.kind is TroubleKind.CRASHED
    assert "was ended from outside" in trouble.message


def test_a_signal_that_is_no_crash_is_named(gate) -> None:
    assert gate[0]["terminated"].trouble.kind is TroubleKind.CRASHED
    assert gate[0]["terminated"].trouble.message == "was ended by SIGTERM"


def test_a_kill_from_elsewhere_is_put_down_to_memory_only_where_that_may_be(gate) -> None:
    trouble = gate[0]["killed"].trouble
    assert "SIGKILL" in trouble.message
    assert (trouble.kind is TroubleKind.OUT_OF_MEMORY) is ("probably" in trouble.message)


@pytest.mark.parametrize(("name", "line"), [("fills", 4), ("huge", 2), ("python", 1), ("together", 4)])
def test_running_out_of_memory_is_told_with_its_line(gate, name: str, line: int) -> None:
    trouble = gate[0][name].trouble
    assert trouble.kind is TroubleKind.OUT_OF_MEMORY
    assert trouble.location.line == line
    assert f"at line {line} of {name}.py" in trouble.message


def test_an_exception_is_the_recordings_to_tell(gate) -> None:
    ran = gate[0]["raises"]
    assert ran.trouble is None
    assert ran.recording.program.error.type == "ValueError"
    assert ran.output[0] == "red \\x07"


def test_a_target_that_is_not_there_is_told_with_what_to_type(gate) -> None:
    trouble = gate[0]["missing"].trouble
    assert trouble.kind is TroubleKind.NOT_RUN
    assert trouble.message == "no such file: missing.py"
    assert gate[0]["missing"].recording is None


@pytest.mark.parametrize("name", ["child", "session", "daemon"])
def test_what_a_target_leaves_running_does_not_keep_it_from_passing(gate, name: str) -> None:
    assert gate[0][name].trouble is None
    assert gate[0][name].recording is not None


def test_a_program_finds_what_it_finds_under_trace(gate, tmp_path_factory: pytest.TempPathFactory) -> None:
    ran = gate[0]["state"]
    assert ran.trouble is None
    assert ran.recording.program.exit_status == 7
    told, end = ran.output
    assert end == "exit function"
    state = json.loads(told)
    folder = state.pop("cwd")
    other = gate[0]["again"].output[0].split()
    seeds = state.pop("seeds")
    assert str(seeds[0]) != other[0]
    assert str(seeds[1]) != other[1]
    assert state == {
        "argv": ["state.py", "--epochs", "a b"],
        "path": folder,
        "stdin": "",
        "main": True,
        "name": "__main__",
        "threads": ["MainThread"],
        "processes": ["MainProcess", "None"],
        "interrupt": signal.getsignal(signal.SIGINT) is not signal.SIG_IGN,  # ignored by a job of the shell
        "signals": [],
        "descriptors": [0, 1, 2, 3],  # the last one is that of the folder which is listed
        "leads": True,
        "modules": False,
    }


def test_a_module_is_run_as_python_m_does(gate) -> None:
    assert gate[0]["module"].trouble is None
    assert gate[0]["module"].output == ("pack ['-x']",)
    assert gate[0]["module"].recording.backward_passes == 1


def test_programs_start_processes_of_their_own(gate) -> None:
    assert gate[0]["processes"].trouble is None
    assert gate[0]["processes"].output == ("[9]", "[9]")
    assert gate[0]["loader"].trouble is None
    assert gate[0]["loader"].recording.backward_passes == 2


def test_ctrl_c_ends_everything_and_keeps_what_was_finished(tmp_path: Path) -> None:
    program = f"import os\n{BACKWARD}print(os.environ['COLOUR'], os.environ['PYTHONHASHSEED'])\n"
    variables = (("COLOUR", "grün"), ("PYTHONHASHSEED", "5"))
    first = target(tmp_path, "first", program, environment=variables)
    second = target(tmp_path, "second", LEAVING["session"] + HANGING["sleeps"], environment=variables)
    third = target(tmp_path, "third", BACKWARD)

    def told(one: GateTarget, ran: Ran | None) -> None:
        if ran is not None:
            wait_for(lambda: any("sleep 300" in line for line in left_in(tmp_path)))
            raise KeyboardInterrupt

    ran = run_all(GateSettings(str(tmp_path), "", (first, second, third), jobs=2), told)
    assert [each.target for each in ran] == [first, second, third]
    assert ran[0].trouble is None
    assert ran[0].output == ("grün 5",)
    assert [each.trouble.kind for each in ran[1:]] == [TroubleKind.INTERRUPTED] * 2
    assert left_in(tmp_path) == []


def wait_for(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


@LINUX
def test_nothing_outlives_a_gate_that_is_killed(tmp_path: Path) -> None:
    for name in ("session", "daemon"):
        target(tmp_path, name, LEAVING[name] + HANGING["sleeps"])
    gate = f"""
import tempfile
from pathlib import Path
from tests.gating.programs import BAD, HANGING, LEAVING, LIKE_TRACE, PLACES
from tests.gating.targets import run, target
folder = Path({str(tmp_path)!r})
tempfile.tempdir = str(folder / "files")
Path(tempfile.tempdir).mkdir()
run(folder, *(target(folder, name, None) for name in ("session", "daemon")), jobs=2)
"""
    process = subprocess.Popen([sys.executable, "-c", gate], cwd=Path(__file__).parents[2])
    try:
        wait_for(lambda: sum("sleep 300" in line for line in left_in(tmp_path)) == 1)
        wait_for(lambda: len(left_in(tmp_path)) > 6)  # server, guardians, targets, and what these started
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not left_in(tmp_path))
    wait_for(lambda: not list((tmp_path / "files").iterdir()))


def test_with_a_seed_every_run_measures_the_same(gate) -> None:
    """The second one is forked as well, the third a new Python."""
    first, *others = (gate[0][name].recording for name in ("well_0", "well_1", "own"))
    gradients = [leaf.gradient for leaf in first.leaves]
    assert gradients[0].norm > 0.0
    assert [[leaf.gradient for leaf in other.leaves] for other in others] == [gradients] * 2


def test_the_gates_own_process_needs_no_torch(gate, tmp_path: Path) -> None:
    (tmp_path / "ran").write_bytes(pickle.dumps(gate[0]))
    program = """
import pickle, sys
from gradscope.gating.processes.running import run_all
with open(sys.argv[1], "rb") as file:
    ran = pickle.load(file)
assert ran["well_0"].recording.backward_passes == 1
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "ran")], check=True)


def test_a_module_of_a_name_that_is_imported_early_is_the_programs_own(gate) -> None:
    assert gate[0]["own"].trouble is None
    assert gate[0]["own"].output == ("1",)


def test_functions_are_checked(gate) -> None:
    checked = gate[0]["checked"]
    assert checked.trouble is None
    assert [(one.name, one.is_checked) for one in checked.recording.checked] == [("Double", True)]
    assert checked.environment["torch"]


def test_memory_is_measured_and_compared_only_for_a_budget(gate) -> None:
    plain, planned = (gate[0][name].recording.memory for name in ("plain", "planned"))
    assert plain.plan is None
    assert planned.plan is not None
