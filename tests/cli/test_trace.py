"""`gradscope trace` on whole programs: what they see, what is reported, and the status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import environment, gradscope, write

TRAIN = """
    import sys
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        optimizer.zero_grad()
        net(torch.randn(8, 3)).pow(2).mean().backward()
        optimizer.step()
        print("step", step)
"""

SEVERED = """
    import torch
    from torch import nn

    torch.manual_seed(0)
    first, second = nn.Linear(3, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = second(first(torch.randn(8, 3)).detach()).pow(2).mean()
        loss.backward()
        optimizer.step()
"""


def test_a_healthy_script(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN)
    ran = gradscope("trace", "train.py", "--", "2", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == "step 0\nstep 1\n"
    assert ran.err.endswith("no findings · 2 steps · 2 backwards watched · not seen: nothing\n")
    assert max(map(len, ran.err.splitlines())) <= 80


def test_steps_end_it_cleanly(tmp_path: Path) -> None:
    write(tmp_path, "train.py", TRAIN + "    print('never reached')\n")
    ran = gradscope("trace", "train.py", "--steps", "2", "--", "50", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == "step 0\n"
    assert "stopped after 2 steps as asked" in ran.err


def test_a_bug_is_an_error_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "train.py", SEVERED)
    ran = gradscope("trace", "train.py", cwd=tmp_path)
    assert ran.status == 1
    assert ran.err.startswith("error[GS102] severed-gradient: ")
    assert "--> train.py:9:" in ran.err


def test_machine_formats_have_stdout_to_themselves(tmp_path: Path) -> None:
    write(
        tmp_path,
        "loud.py",
        SEVERED
        + """
    import os, subprocess, sys
    print("printed")
    os.write(1, b"written\\n")
    subprocess.run([sys.executable, "-c", "print('by a child')"])
    os.chdir("/")
    """,
    )
    ran = gradscope("trace", "loud.py", "--format", "json", cwd=tmp_path, fresh=True)
    assert ran.status == 1
    report = json.loads(ran.out)
    assert report["target"] == "loud.py"
    assert report["program"]["exit_status"] == 0
    assert [(f["code"], f["location"]["path"], f["location"]["line"]) for f in report["findings"]] == [
        ("GS102", "loud.py", 9)
    ]
    for said in ("printed\n", "written\n", "by a child\n"):
        assert said in ran.err
    assert ran.err.endswith("gradscope: 1 finding\n")


def test_options_of_the_report(tmp_path: Path) -> None:
    write(tmp_path, "train.py", SEVERED)
    words = ("trace", "train.py", "--format", "json", "--output", "out.json", "--ignore", "GS1", "--redact")
    ran = gradscope(*words, cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == ""
    assert ran.err == "gradscope: no findings (1 silenced); the report is in out.json\n"
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert report["findings"] == []
    assert [each["code"] for each in report["suppressed"]] == ["GS102"]
    assert str(tmp_path) not in (tmp_path / "out.json").read_text(encoding="utf-8")


def test_a_script_with_processes_threads_an_exit_function_and_a_status(tmp_path: Path) -> None:
    program = """
        import atexit, concurrent.futures, dataclasses, multiprocessing, sys, threading, time

        @dataclasses.dataclass
        class Item:
            number: int

        def child(queue):
            queue.put(Item(3))

        def later(weight):
            time.sleep(0.3)
            (weight * 2).sum().backward()
            print("thread done", flush=True)

        if __name__ == "__main__":
            import torch
            atexit.register(print, "exit function", flush=True)
            context = multiprocessing.get_context("spawn")
            queue = context.Queue()
            process = context.Process(target=child, args=(queue,))
            process.start()
            print(queue.get() == Item(3), flush=True)
            process.join()
            concurrent.futures.ThreadPoolExecutor(1).submit(print, "pool", flush=True).result()
            threading.Thread(target=later, args=(torch.ones(3, requires_grad=True),)).start()
            print("end of main", flush=True)
            sys.exit(3)
    """
    write(tmp_path, "program.py", program)
    ran = gradscope("trace", "program.py", cwd=tmp_path, fresh=True)
    assert ran.status == 3
    assert ran.out == "True\npool\nend of main\nthread done\nexit function\n"
    assert "1 backward watched" in ran.err
    assert "program's exit status 3" in ran.err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_ends_without_a_report(tmp_path: Path) -> None:
    program = """
        import os, sys, torch
        torch.ones(3, requires_grad=True).sum().backward()
        if os.fork() == 0:
            print("child", flush=True)
            raise ValueError("the child's")
        print("child ended with", os.waitstatus_to_exitcode(os.wait()[1]))
    """
    write(tmp_path, "program.py", program)
    ran = gradscope("trace", "program.py", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == "child\nchild ended with 1\n"
    assert ran.err.count("backward watched") == 1
    assert ran.err.count("ValueError: the child's") == 1


def test_an_exception_shows_the_programs_frames_and_what_was_recorded(tmp_path: Path) -> None:
    program = """
        import torch
        weight = torch.ones(3, requires_grad=True)
        (weight * 2).sum().backward()

        def combine(x):
            return x @ torch.zeros(7, 7)

        combine(weight.detach())
    """
    write(tmp_path, "program.py", program)
    ran = gradscope("trace", "program.py", cwd=tmp_path, fresh=True)
    assert ran.status == 3
    assert 'program.py", line 6, in combine' in ran.err
    assert "RuntimeError: " in ran.err
    assert "gradscope/" not in ran.err
    assert "torch/" not in ran.err
    assert "1 backward watched" in ran.err
    ran = gradscope("trace", "program.py", "--format", "json", cwd=tmp_path)
    assert ran.status == 3
    report = json.loads(ran.out)
    assert report["program"]["exit_status"] == 1
    assert report["program"]["error"]["type"] == "RuntimeError"
    assert 'program.py", line 6, in combine' in ran.err


def test_a_program_without_a_backward_was_not_checked(tmp_path: Path) -> None:
    write(tmp_path, "program.py", "import torch\nprint(torch.ones(3).sum().item())\n")
    ran = gradscope("trace", "program.py", cwd=tmp_path)
    assert ran.status == 2
    assert ran.out == "3.0\n"
    assert "no backward was run, so nothing was checked" in ran.err
    assert "gradscope trace program.py:FUNCTION" in ran.err
    assert "no findings" not in ran.err


MODEL = """
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(6, 6)
        def forward(self, x):
            return self.linear(x).relu()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([Block(), Block()])
        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return x
"""


def test_a_file_that_only_defines_a_module(tmp_path: Path) -> None:
    write(tmp_path, "model.py", MODEL)
    ran = gradscope("trace", "model.py", cwd=tmp_path)
    assert ran.status == 0
    assert ran.out == ""
    assert "model.py calls no backward itself; its module Net was traced instead" in " ".join(ran.err.split())
    assert "guessed from blocks.0.linear" in " ".join(ran.err.split())
    assert "1 backward watched" in ran.err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT between processes")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_reports_what_was_seen(tmp_path: Path) -> None:
    program = """
        import time, torch
        weight = torch.ones(3, requires_grad=True)
        (weight * 2).sum().backward()
        print("ready", flush=True)
        time.sleep(120)
    """
    write(tmp_path, "program.py", program)
    with subprocess.Popen(
        [sys.executable, "-m", "gradscope", "trace", "program.py"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 backward watched" in err
    assert "interrupted" in err
    assert "Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="needs resource")
def test_a_flood_of_output_passes_through_unkept(tmp_path: Path) -> None:
    program = """
        import resource, sys, torch
        torch.ones(1, requires_grad=True).sum().backward()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        block = "x" * (1 << 20)
        for _ in range(300):
            sys.stdout.write(block)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print("grew by", (after - before) >> (20 if sys.platform == "darwin" else 10), "MiB", file=sys.stderr)
    """
    write(tmp_path, "program.py", program)
    received = 0
    with (
        open(tmp_path / "err.txt", "wb") as err,
        subprocess.Popen(
            [sys.executable, "-m", "gradscope", "trace", "program.py"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=err,
        ) as process,
    ):
        assert process.stdout is not None
        while block := process.stdout.read(1 << 20):
            received += len(block)
    assert process.returncode == 0
    assert received == 300 << 20
    grown = (tmp_path / "err.txt").read_text(encoding="utf-8").partition("grew by ")[2].split()[0]
    assert int(grown) < 50
