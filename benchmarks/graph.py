"""`gradscope.graph` beside torchviz and torchlens, in one run: time and memory, from 500 to 100,000 nodes.

    python benchmarks/graph.py                     every workload and tool (minutes)
    python benchmarks/graph.py --only gpt2         one workload
    python benchmarks/graph.py --write             into benchmarks/RESULTS.md

Each figure comes from a process of its own, which builds the graph, draws a small one first (imports) and
then measures: CPU seconds, the least of a few runs, and what the process needs at its peak beyond what it
held before. The tools do not give the same: torchviz names nodes and leaves; torchlens runs the model's
forward and backward again and takes down every op; gradscope takes nodes, shapes, dtypes, leaves and saved
memory from the tensor alone, and with lines, modules, gradients and times from one recorded step.

torchlens is taken where it is installed (`--torchlens FOLDER` adds a folder to sys.path).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

START, END = "<!-- graph: begin -->", "<!-- graph: end -->"
TOOLS = {
    "torchviz": "torchviz.make_dot(loss, params), its DOT",
    "torchlens": "torchlens.trace(model, inputs), log_backward(loss)",
    "picture": "gradscope.graph(loss), the DOT that fits on a page",
    "whole": "gradscope.graph(loss), the DOT of every node",
    "recorded": "a recorded forward and backward, and the DOT that fits on a page",
    "page": "the same, and the HTML page",
    "plain": "the forward and the backward alone",
}
LIMIT_SECONDS = 120
TOO_LONG = {("torchlens", workload) for workload in ("chain 25,000", "chain 50,000", "chain 100,000")}
"""Not tried: 12,500 nodes take a minute, and twice as many more than twice as long."""


class Chain(nn.Module):
    """Two ops a turn on one number, outside any submodule."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.turns = nodes // 2
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.turns):
            x = (x * self.weight).sin()
        return x


class Unrolled(nn.Module):
    """An LSTM cell, 2,000 steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.cell = nn.LSTMCell(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        state = (x, x)
        for _ in range(self.steps):
            state = self.cell(x, state)
        return state[0]


class Logits(nn.Module):
    """The logits of a model of transformers, which returns them with other things."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.inner(x).logits
        return logits


def gpt2() -> tuple[nn.Module, Tensor]:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_layer=12,
        n_embd=96,
        n_head=4,
        vocab_size=500,
        n_positions=32,
        use_cache=False,
        loss_type="ForCausalLM",
    )
    return Logits(GPT2LMHeadModel(config)), torch.randint(0, 500, (2, 16))


def resnet50() -> tuple[nn.Module, Tensor]:
    from transformers import ResNetConfig, ResNetForImageClassification

    return Logits(ResNetForImageClassification(ResNetConfig())), torch.randn(2, 3, 64, 64)


def transformer() -> tuple[nn.Module, Tensor]:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.TransformerEncoder(layer, 7, enable_nested_tensor=False), torch.randn(2, 5, 32)


WORKLOADS: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "transformer": transformer,
    "gpt2": gpt2,
    "resnet50": resnet50,
    "lstm 2,000": lambda: (Unrolled(2000), torch.randn(4, 8)),
    "chain 12,500": lambda: (Chain(12_500), torch.tensor(1.0)),
    "chain 25,000": lambda: (Chain(25_000), torch.tensor(1.0)),
    "chain 50,000": lambda: (Chain(50_000), torch.tensor(1.0)),
    "chain 100,000": lambda: (Chain(100_000), torch.tensor(1.0)),
}


def draw(tool: str, model: nn.Module, inputs: Tensor, loss: Tensor | None) -> int:
    """Runs a tool and returns how long its text is."""
    if tool == "plain":
        model(inputs).square().mean().backward()
        return 0
    if tool == "torchviz":
        import torchviz

        return len(torchviz.make_dot(loss, params=dict(model.named_parameters())).source)
    if tool == "torchlens":
        import torchlens

        trace = torchlens.trace(model, inputs)
        trace.log_backward(trace[trace.output_layers[0]].out.square().mean())
        return len(trace)
    import gradscope

    if tool in ("picture", "whole"):
        assert loss is not None
        graph = gradscope.graph(loss, names=model)
        return len(graph.viewed(depth="all" if tool == "whole" else None).render("dot"))
    graph = gradscope.graph(model, inputs, loss=lambda output: output.square().mean())
    return len(graph.render("html" if tool == "page" else "dot"))


# ---------------------------------------------------------------- in a process of its own


def measure(tool: str, workload: str) -> dict[str, Any]:
    """CPU seconds, MiB at the peak and the number of nodes, or why there is no picture."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    torch.set_num_threads(1)
    small, few = transformer()
    draw(tool, small, few, small(few).square().mean())  # imports, and what is made once
    model, inputs = WORKLOADS[workload]()
    model.train()
    loss = model(inputs).square().mean()
    nodes = _count(loss)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
    before = _memory("VmRSS")
    least = float("inf")
    for _ in range(7 if nodes < 3000 else 1):
        begun = time.process_time()
        draw(tool, model, inputs, loss)
        least = min(least, time.process_time() - begun)
    done = {"nodes": nodes, "seconds": least, "mib": (_memory("VmHWM") - before) / 1024}
    print(json.dumps(done), flush=True)
    os._exit(0)  # torch frees a deep graph that others have walked by recursion


def _count(loss: Tensor) -> int:
    from gradscope.recorder.graph import walk

    return len(walk([loss])[0])


def _memory(kind: str) -> float:
    """KiB: what is held now (VmRSS), or was at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


def in_a_process(tool: str, workload: str, folder: str | None) -> dict[str, Any]:
    """What `measure` says, or {"failed": why}."""
    if (tool, workload) in TOO_LONG:
        return {"failed": "not tried"}
    environment = dict(os.environ)
    if folder is not None and tool == "torchlens":
        environment["PYTHONPATH"] = folder
    command = [sys.executable, __file__, "--measure", tool, workload]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"> {LIMIT_SECONDS} s"}
    if done.returncode == 0:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found
    if done.returncode < 0:
        return {"failed": f"signal {-done.returncode}"}
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed"
    if "No module named 'torchlens'" in last:
        return {"failed": "not installed"}
    return {"failed": last.partition(":")[0].rpartition(".")[2]}


# ---------------------------------------------------------------- tables


def tables(workloads: Sequence[str], folder: str | None) -> str:
    times = [["workload", "nodes", *TOOLS]]
    memory = [["workload", *(tool for tool in TOOLS if tool != "plain")]]
    for workload in workloads:
        found = {tool: in_a_process(tool, workload, folder) for tool in TOOLS}
        nodes = next((each["nodes"] for each in found.values() if "nodes" in each), 0)
        viz = found["torchviz"].get("seconds")
        times.append([workload, f"{nodes:,}", *(_seconds(found[tool], viz) for tool in TOOLS)])
        memory.append([workload, *(_mib(found[tool]) for tool in TOOLS if tool != "plain")])
        print(_aligned(times[:1] + times[-1:]), flush=True)
    legend = "\n".join(f"- {tool}: {what}" for tool, what in TOOLS.items())
    return (
        f"{legend}\n\nCPU seconds, and the ratio to torchviz:\n\n{_aligned(times)}\n\n"
        f"MiB at the peak beyond what the process held:\n\n{_aligned(memory)}\n"
    )


def _seconds(found: dict[str, Any], viz: float | None) -> str:
    if "seconds" not in found:
        return str(found["failed"])
    seconds = found["seconds"]
    text = f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"
    return text if viz is None else f"{text} ({seconds / viz:.2f})"


def _mib(found: dict[str, Any]) -> str:
    return f"{found['mib']:,.1f}" if "mib" in found else str(found["failed"])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(WORKLOADS))
    parser.add_argument("--torchlens", metavar="FOLDER")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--measure", nargs=2, metavar=("TOOL", "WORKLOAD"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
    text = tables([options.only] if options.only else list(WORKLOADS), options.torchlens)
    print(text)
    if options.write:
        write(text)


def write(text: str) -> None:
    """Puts the tables into RESULTS.md, in the place of those that stand there."""
    results = Path(__file__).with_name("RESULTS.md")
    old = results.read_text(encoding="utf-8")
    head = (
        f"## graph, {datetime.date.today()}\n\n{platform.machine()}, {os.cpu_count()} cores, 1 torch thread; "
        f"torch {torch.__version__}, Python {platform.python_version()}\n\n"
    )
    section = f"{START}\n{head}{text}{END}\n"
    before, found, rest = old.partition(START)
    results.write_text(
        before + section + rest.partition(END)[2].lstrip("\n") if found else f"{old.rstrip()}\n\n{section}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
