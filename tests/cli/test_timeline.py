"""`gradscope trace --timeline FILE`: the file is whole or not there, and the program notices nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import environment, gradscope, write
from tests.traces import Trace, read

TRAIN = """
    import sys
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        optimizer.zero_grad()
        loss = net(torch.randn(8, 3)).pow(2).mean()
        loss.backward()
        optimizer.step()
        print("step", step, flush=True)
"""


def steps(trace: Trace) -> list[str]:
    return [one.name for one in trace.tracks["training steps"] if one.category == "step"]


def files(folder: Path) -> list[str]:
    """What lies there, also what is hidden."""
    return sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")


def test_a_healthy_script(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN)
    ran = gradscope("trace", "train.py", "--timeline", "out.json", "--", "2", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == "step 0\nstep 1\n"
    last = ran.err.splitlines()[-1]
    assert last.startswith("gradscope: the timeline (")
    assert last.endswith(" slices) is in out.json; open it at ui.perfetto.dev")
    assert files(tmp_path) == ["out.json", "train.py"]
    trace = read(tmp_path / "out.json")
    assert steps(trace) == ["step 1", "step 2"]
    assert {one.args["line"] for one in trace.events("op", "mean")} == {"train.py:10"}
    assert {one.name for one in trace.events("backward")} == {"backward train.py:11"}
    about = trace.document["otherData"]
    assert about["command"] == "gradscope trace train.py"
    assert about["program"] == "exited with status 0"
    assert not [text for text in about["not in the timeline"] if "accelerator" in text]


def test_a_module(tmp_path: Path) -> None:
    write(tmp_path, "model.py", "from torch import nn\n\ndef build():\n    return nn.Linear(3, 1)\n")
    words = ("trace", "model.py:build", "--input", "randn(2, 3)", "--timeline", "out.json")
    ran = gradscope(*words, cwd=tmp_path)
    assert ran.status == 0
    assert [one.name for one in read(tmp_path / "out.json").events("forward")] == ["Linear"]


def test_steps_end_it_after_a_whole_step(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN)
    ran = gradscope("trace", "train.py", "--timeline", "out.json", "--steps", "2", "--", "50", cwd=tmp_path)
    assert ran.status == 0
    trace = read(tmp_path / "out.json")
    assert steps(trace) == ["step 1", "step 2"]
    assert trace.document["otherData"]["program"] == "stopped after 2 steps as asked"


def test_a_program_that_fails(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN + "        net(torch.ones(1, 2))\n")
    ran = gradscope("trace", "train.py", "--timeline", "out.json", cwd=tmp_path)
    assert ran.status == 3
    trace = read(tmp_path / "out.json")
    assert trace.events("op", "linear")[-1].args["raised"] == "RuntimeError"
    assert str(trace.document["otherData"]["program"]).startswith("RuntimeError: mat1 and mat2")


@pytest.mark.usefixtures("interruptible")
def test_control_c(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN)
    command = [sys.executable, "-m", "gradscope", "trace", "train.py", "--timeline", "out.json"]
    with subprocess.Popen(
        [*command, "--", "1000000"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "step 3\n":
                break
        assert "out.json" not in files(tmp_path)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=100)
    assert process.returncode == 130
    assert files(tmp_path) == ["out.json", "train.py"]
    trace = read(tmp_path / "out.json")
    assert len(steps(trace)) >= 3
    assert trace.document["otherData"]["program"] == "interrupted"


def test_a_program_that_closes_files_changes_folder_and_forks(tmp_path: Path) -> None:
    write(
        tmp_path,
        "train.py",
        TRAIN
        + """
    import os
    os.mkdir("elsewhere")
    os.chdir("elsewhere")
    os.closerange(3, 100)
    if os.fork() == 0:
        net(torch.ones(1, 3)).sum().backward()
        print("child")
        sys.exit(0)
    os.wait()
    net(torch.ones(1, 3)).exp()
    """,
    )
    words = ("trace", "train.py", "--timeline", "out.json", "--output", "report.txt")
    ran = gradscope(*words, cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert ran.out.splitlines()[-1] == "child"
    assert files(tmp_path) == ["elsewhere", "out.json", "report.txt", "train.py"]
    assert files(tmp_path / "elsewhere") == []
    trace = read(tmp_path / "out.json")
    assert [one.name for one in trace.tracks["main thread"]][-1] == "exp"
    assert len(trace.events("backward")) == 3


def test_an_earlier_file_is_replaced_and_a_device_is_written_to(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN)
    (tmp_path / "out.json").write_text("earlier", encoding="utf-8")
    os.chmod(tmp_path / "out.json", 0o640)
    assert gradscope("trace", "train.py", "--timeline", "out.json", cwd=tmp_path).status == 0
    assert steps(read(tmp_path / "out.json")) == ["step 1", "step 2", "step 3"]
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o640
    ran = gradscope("trace", "train.py", "--timeline", os.devnull, cwd=tmp_path)
    assert ran.status == 0
    assert ran.err.endswith(f" slices) is in {os.devnull}; open it at ui.perfetto.dev\n")
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--timeline", "nowhere/out.json"), "there is no folder nowhere"),
        (("--timeline", "-"), "--timeline needs the name of a file"),
        (("--timeline", ""), "--timeline is given an empty name"),
        (("--timeline", "."), "--timeline . is a folder"),
        (("--timeline", "a.json", "--output", "./a.json"), "--timeline a.json is also the file of another"),
    ],
)
def test_a_file_that_cannot_be_written(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    write(tmp_path, "train.py", TRAIN)
    ran = gradscope("trace", "train.py", *words, cwd=tmp_path)
    assert ran.status == 2
    assert said in ran.err
    assert ran.out == ""
    assert files(tmp_path) == ["train.py"]


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    program = TRAIN + "    import resource\n    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
    write(tmp_path, "train.py", program)
    ran = gradscope("trace", "train.py", "--timeline", "out.json", cwd=tmp_path)
    assert ran.status == 2
    assert "no findings" in ran.err
    assert "the timeline cannot be written to out.json: File too large" in ran.err
    assert files(tmp_path) == ["train.py"]


def test_redacted(tmp_path: Path) -> None:
    for name in ("elsewhere", "here"):
        (tmp_path / name).mkdir()
    write(tmp_path / "elsewhere", "secret.py", TRAIN)
    words = ("trace", str(tmp_path / "elsewhere" / "secret.py"), "--redact", "--timeline", "out.json")
    assert gradscope(*words, cwd=tmp_path / "here").status == 0
    text = (tmp_path / "here" / "out.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert "loss." not in text
    assert "net(" not in text
    assert '"line":"<path>:10"' in text
