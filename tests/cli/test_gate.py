"""`gradscope gate`: one verdict over many targets, baselines, files in every format, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest

from gradscope.cli import run
from gradscope.commands._gate_progress import GateProgress, say
from gradscope.exits import ExitStatus
from gradscope.outcomes import Outcome, Verdict
from tests.cli.running import Ran, gradscope, write

HEALTHY = """
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(16, 4)).square().mean().backward()
        optimizer.step()
    print("trained")
"""
CUT = """
    import torch
    from torch import nn

    encoder, head = nn.Linear(4, 8), nn.Linear(8, 1)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        features = encoder(torch.randn(16, 4)).detach()
        head(features).square().mean().backward()
        optimizer.step()
"""
UNUSED = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(4, 1), nn.Linear(4, 1)
        def forward(self, x):
            return self.used(x)

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
"""
OPS = """
    import torch

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x
        @staticmethod
        def backward(ctx, grad_output):
            return 2 * grad_output
"""
TARGETS = """
    [tool.gradscope.gate]
    jobs = 2
    time-limit = 60

    [[tool.gradscope.gate.targets]]
    trace = "healthy.py"
    min-gradient-share = 1.0

    [[tool.gradscope.gate.targets]]
    trace = "cut.py"

    [[tool.gradscope.gate.targets]]
    trace = "cut.py"
    name = "cut, as it should be"
    expect = ["severed-gradient"]

    [[tool.gradscope.gate.targets]]
    trace = "unused.py"

    [[tool.gradscope.gate.targets]]
    trace = "unused.py"
    name = "none unused"
    forbid = ["unused-parameter"]

    [[tool.gradscope.gate.targets]]
    trace = "dies.py"

    [[tool.gradscope.gate.targets]]
    trace = "gone.py"

    [[tool.gradscope.gate.targets]]
    check = "ops.py:Double"
    input = "randn(3)"
    max-relative-error = 1e-6
"""
FILES = ("gate.json", "gate.sarif", "gate.xml", "gate.md", "gate.html", "gitlab:quality.json", "github:-")


def project(folder: Path, configuration: str, **programs: str) -> Path:
    """A folder with programs, and a pyproject.toml that gates them."""
    write(folder, "pyproject.toml", configuration)
    for name, text in programs.items():
        write(folder, f"{name}.py", text)
    return folder


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A gate of eight targets that was run once, with files in every format."""
    folder = project(
        tmp_path_factory.mktemp("gate"),
        TARGETS,
        healthy=HEALTHY,
        cut=CUT,
        unused=UNUSED,
        ops=OPS,
        dies='raise OSError("no data")',
    )
    words = [word for file in FILES for word in ("--output", file)]
    return folder, gradscope("gate", *words, cwd=folder)


def targets(folder: Path) -> dict[str, dict[str, object]]:
    report = json.loads((folder / "gate.json").read_text(encoding="utf-8"))
    return {target["name"]: target for target in report["targets"]}


def test_one_status_and_one_summary(gated: tuple[Path, Ran]) -> None:
    _, ran = gated
    assert ran.status == ExitStatus.FINDINGS
    assert "2 of 8 targets failed, 2 could not be judged" in ran.out
    assert "error[GS102] severed-gradient" in ran.out
    assert "trained" not in ran.out
    assert "gradscope: 8/8" in ran.err


def test_every_target_has_its_verdict(gated: tuple[Path, Ran]) -> None:
    verdicts = {name: target["verdict"] for name, target in targets(gated[0]).items()}
    assert verdicts == {
        "healthy.py": "passed",
        "cut.py": "failed",
        "cut, as it should be": "passed",
        "unused.py": "passed",
        "none unused": "failed",
        "dies.py": "broken",
        "gone.py": "broken",
        "ops.py:Double": "passed",
    }


def test_what_could_not_be_judged_says_why(gated: tuple[Path, Ran]) -> None:
    folder, ran = gated
    found = targets(folder)
    died, gone = found["dies.py"]["trouble"], found["gone.py"]["trouble"]
    assert isinstance(died, dict)
    assert isinstance(gone, dict)
    assert (died["kind"], died["message"]) == ("program failed", "OSError: no data")
    assert died["location"]["path"] == "dies.py"
    assert (gone["kind"], gone["message"]) == ("not run", "no such file: gone.py")
    assert "DIED: OSError: no data\n  --> dies.py:1" in ran.out
    assert "NOT RUN: no such file: gone.py" in ran.out


def test_every_file_is_there_and_can_be_read(gated: tuple[Path, Ran]) -> None:
    folder, ran = gated
    sarif = json.loads((folder / "gate.sarif").read_text(encoding="utf-8"))
    assert {result["ruleId"] for result in sarif["runs"][0]["results"]} >= {"GS102", "GS103"}
    suites = ElementTree.parse(folder / "gate.xml").getroot()
    assert len(suites.findall("testsuite")) == 8
    assert "cut.py" in (folder / "gate.md").read_text(encoding="utf-8")
    assert "<title>" in (folder / "gate.html").read_text(encoding="utf-8")
    assert json.loads((folder / "quality.json").read_text(encoding="utf-8"))
    assert "::error file=cut.py,line=8" in ran.out
    assert "gradscope: the sarif report is in gate.sarif" in ran.err


def test_a_chosen_target_alone(gated: tuple[Path, Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = gated
    summary = folder / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    ran = gradscope("gate", "healthy*", "--format", "json", cwd=folder)
    assert ran.status == ExitStatus.OK
    assert [target["name"] for target in json.loads(ran.out)["targets"]] == ["healthy.py"]
    assert "healthy.py" in summary.read_text(encoding="utf-8")


# ---------------------------------------------------------------- baselines

BASELINE = """
    [tool.gradscope.gate]
    baseline = "known.json"

    [[tool.gradscope.gate.targets]]
    trace = "cut.py"

    [[tool.gradscope.gate.targets]]
    trace = "healthy.py"

    [[tool.gradscope.gate.targets]]
    trace = "later.py"
"""


def test_a_baseline_tells_new_fixed_and_drifted(tmp_path: Path) -> None:
    folder = project(tmp_path, BASELINE, cut=CUT, healthy=HEALTHY, later=HEALTHY)
    written = gradscope("gate", "--update-baseline", cwd=folder)
    assert written.status == ExitStatus.OK
    assert "baseline known.json holds 1 finding of 3 targets now (1 new, 0 forgotten)" in written.err

    above = CUT.replace("import torch\n", "import math\n    import torch\n\n    print(math.pi)\n", 1)
    write(folder, "cut.py", above)
    again = gradscope("gate", "--format", "json", cwd=folder)
    assert again.status == ExitStatus.OK
    assert [(each["new"], each["known"], each["fixed"]) for each in json.loads(again.out)["targets"]] == [
        (0, 1, []),
        (0, 0, []),
        (0, 0, []),
    ]
    assert all(each["drift"]["drifts"] == [] for each in json.loads(again.out)["targets"])

    write(folder, "cut.py", CUT.replace(".detach()", ""))
    write(folder, "healthy.py", HEALTHY.replace("nn.Tanh()", "nn.Tanh(), nn.Softmax(1)"))
    write(folder, "later.py", HEALTHY.replace(".square()", ".detach().square()"))
    changed = gradscope("gate", "--output", "changed.json", cwd=folder)
    assert changed.status == ExitStatus.FINDINGS
    assert "fixed  cut.py: GS102 in cut.py" in changed.out
    assert "1 of 3 targets failed" in changed.out
    report = json.loads((folder / "changed.json").read_text(encoding="utf-8"))
    cut, healthy, later = report["targets"]
    assert (cut["verdict"], cut["fixed"]) == ("passed", ["GS102 in cut.py"])
    assert healthy["verdict"] == "passed"
    assert [each["code"] for each in healthy["report"]["findings"]] == ["GS905"]
    assert later["report"]["findings"][0]["code"] == "GS101"


# ---------------------------------------------------------------- twenty targets, three of which are bad

BAD = {
    "hangs": "while True: pass",
    "crashes": "import ctypes, os\nos.system('sleep 60 &')\nctypes.string_at(0)",
    "eats": "kept = [bytearray(1 << 24) for _ in range(1 << 20)]",
}


def running_in(folder: Path) -> list[str]:
    """What lives of the processes that were started in a folder."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.cwd() == str(folder) and each.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(each.cmdline()))
        except (psutil.Error, OSError):  # it ended meanwhile, or is not ours to look into
            continue
    return found


def test_three_of_twenty_are_bad_and_the_others_are_reported(tmp_path: Path) -> None:
    seventeen = {f"train_{number:02}": HEALTHY for number in range(17)}
    configuration = """
        [tool.gradscope.gate]
        jobs = 2
        time-limit = 30
        memory-limit = "2 GiB"
        [[tool.gradscope.gate.targets]]
        trace = "train_*.py"
        [[tool.gradscope.gate.targets]]
        trace = "hangs.py"
        time-limit = 2
        [[tool.gradscope.gate.targets]]
        trace = "crashes.py"
        [[tool.gradscope.gate.targets]]
        trace = "eats.py"
    """
    folder = project(tmp_path, configuration, **seventeen, **BAD)
    ran = gradscope("gate", "--format", "json", cwd=folder)
    report = {each["name"]: each for each in json.loads(ran.out)["targets"]}
    assert len(report) == 20
    bad = {name: each["trouble"]["kind"] for name, each in report.items() if each["verdict"] != "passed"}
    assert bad == {"hangs.py": "hung", "crashes.py": "crashed", "eats.py": "out of memory"}
    assert ran.status == ExitStatus.PROGRAM_FAILED
    assert "SIGSEGV" in report["crashes.py"]["trouble"]["message"]
    assert running_in(tmp_path) == []


# ---------------------------------------------------------------- what cannot be written

TARGET_OF_CUT = """
    [[tool.gradscope.gate.targets]]
    trace = "cut.py"
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_a_report_that_cannot_be_written_keeps_no_other_one_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(tmp_path, TARGET_OF_CUT, cut=CUT)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    words = ("--output", "json:/dev/full", "--output", "gate.sarif", "--update-baseline")
    ran = gradscope("gate", *words, cwd=folder)
    assert "error: the report cannot be written to /dev/full: No space left on device" in ran.err
    assert f"the job's summary cannot be written to {tmp_path}" in ran.err
    assert (folder / "gate.sarif").exists()
    assert (folder / "gradscope-baseline.json").exists()
    assert ran.status == ExitStatus.USAGE
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert gradscope("gate", *words[:2], cwd=folder).status == ExitStatus.FINDINGS


def test_nobody_has_to_read_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_words: object, **_options: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", gone)
    with GateProgress(1) as progress:
        progress.ended(Outcome("train.py", "trace", "train.py", Verdict.PASSED))
    say("and no other line either")


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jobs", "0"], "--jobs must be a whole number from 1 up, not 0"),
        (["nothing_*"], "pyproject.toml has no target called nothing_*"),
        (["--baseline", "none.json"], "no such baseline: none.json"),
        (["--output", "gate.xyz"], "--output gate.xyz: its ending names no format"),
        (["--output", "a.json", "--output", "./a.json"], "is given twice"),
        (["--format", "json", "--output", "github:-"], "would both stand on stdout"),
        (["--output", "sarif:"], "no file is named"),
        (["--config", "none.toml"], "--config none.toml: no such file"),
        (["--init", "train.py"], "--init takes no names of targets"),
        (["--init"], "pyproject.toml: it has a [tool.gradscope.gate] already"),
        (["--output", "none/gate.json"], "there is no folder none"),
        (["--output", "json:pyproject.toml"], "the configuration stands there"),
        (["--output", "kept.json", "--baseline", "kept.json"], "the baseline stands there"),
        (
            ["--output", "kept.json", "--baseline", "kept.json", "--update-baseline"],
            "the baseline stands there",
        ),
        (["--baseline", "hurt.json"], "baseline hurt.json is damaged"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_told_before_anything_runs(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project(tmp_path, BASELINE.replace('baseline = "known.json"', "")))
    write(tmp_path, "kept.json", '{"gradscope_baseline": 1}')
    write(tmp_path, "hurt.json", '{"gradscope_baseline": 1, "targets": {"cut.py": {"gradients": 5}}}')
    assert run(["gate", *words]) == ExitStatus.USAGE
    told = capsys.readouterr()
    assert message in told.err.replace("\n", " ")
    assert told.out == ""


def test_a_report_for_a_closed_stdout_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project(tmp_path, BASELINE))
    monkeypatch.setattr("sys.stdout", None)
    assert run(["gate", "--format", "json"]) == ExitStatus.USAGE
    assert "stdout is closed" in capsys.readouterr().err


def test_nothing_to_gate_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["gate"]) == ExitStatus.USAGE
    assert "gradscope gate --init" in capsys.readouterr().err
