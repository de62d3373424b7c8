"""Hand-made reports of `gradscope memory`: a plan, a script, CUDA, a floor, fake tensors, a sweep ..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from gradscope.facts import (
    AllocatorUse,
    Block,
    Gradients,
    LineMemory,
    MemoryKind,
    MemoryPeak,
    MemoryPhase,
    MemoryUse,
    ModuleMemory,
    Moment,
    Plan,
    ProgramEnd,
    ProgramError,
    Recording,
    SavedAt,
    Strategy,
    StrategyKind,
    Sweep,
    SweepKind,
    SweepPoint,
    UnusedGraph,
)
from gradscope.finding import Finding, Location, Related, Severity
from gradscope.report import Report

from .samples import HOME, Source, sources

KIB, MIB, GIB = 2**10, 2**20, 2**30
MATMULS = "selective"

MODEL = Source(
    "model.py",
    """
class Attention(nn.Module):
    def forward(self, x):
        q, k, v = self.qkv(x).split(self.width, dim=2)
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_width)
        att = scores.masked_fill(self.future, float("-inf")).softmax(dim=-1)
        return self.proj(self.drop(att) @ v)

class MLP(nn.Module):
    def forward(self, x):
        return self.down(F.gelu(self.up(x)))

class Block(nn.Module):
    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))

class GPT(nn.Module):
    def forward(self, ids, targets):
        x = self.drop(self.wte(ids) + self.wpe(self.positions))
        for block in self.h:
            x = block(x)
        logits = self.head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
""",
    first_line=41,
)

TRAIN = Source(
    "train.py",
    """
for step, (images, labels) in enumerate(loader):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        predicted = model(held_out).argmax(1)
        history.append(loss)
""",
    first_line=28,
)


def report(
    memory: MemoryUse | None, *findings: Finding, target: str = "model.py:GPT", **more: object
) -> Report:
    values: dict[str, object] = {"torch_version": "2.13.0", "backward_passes": 1, **more}
    recording = Recording(memory=memory, **values)  # type: ignore[arg-type]
    return Report("memory", target, findings, recording)


def kinds(**sizes: float) -> dict[MemoryKind, int]:
    """Bytes by kind, given in MiB by the names of `MemoryKind`."""
    return {MemoryKind[name.upper()]: int(size * MIB) for name, size in sizes.items()}


def peak(phase: MemoryPhase, sizes: Mapping[MemoryKind, int], **more: object) -> MemoryPeak:
    return MemoryPeak(sum(sizes.values()), phase, sizes, **more)  # type: ignore[arg-type]


def curve(
    steps: int, parts: int, top: MemoryPeak, fixed: Mapping[MemoryKind, int], grown: int
) -> Iterator[Moment]:
    """Steps whose saved tensors pile up in the forward and go in the backward, while gradients grow to
    `grown`; `top` is reached in each of them.
    """
    saved, at = top.kinds[MemoryKind.SAVED], 0.0
    for step in range(steps):
        for phase, stride in ((MemoryPhase.FORWARD, 0.004), (MemoryPhase.BACKWARD, 0.009)):
            is_forward = phase is MemoryPhase.FORWARD
            for part in range(parts):
                share = (part + 1) / parts
                held = dict(fixed)
                held[MemoryKind.SAVED] = int(saved * (share if is_forward else 1 - share))
                held[MemoryKind.OTHER] = saved // 50 * (1 + part % 3)
                if not is_forward or step:
                    held[MemoryKind.GRADIENT] = grown if step else int(grown * share)
                is_top = phase is top.phase and part == (parts - 1 if is_forward else 0)
                yield Moment(at, phase, top.kinds if is_top else held)
                at += stride
        if MemoryKind.OPTIMIZER_STATE in fixed:
            yield Moment(at, MemoryPhase.OPTIMIZER, {**fixed, MemoryKind.GRADIENT: grown})
            at += 0.02


def blocks(count: int, class_name: str = "Block", each: int = 953 * MIB) -> tuple[Block, ...]:
    return tuple(
        Block(f"h.{number}", class_name, each, 0.041, 1, ("none", "selective", "block", "attn"))
        for number in range(count)
    )


def strategies(count: int, *measured: tuple[float, float, float, float]) -> tuple[Strategy, ...]:
    """None, every block, every second and selective: peak and saved in GiB, time ratio, recomputed."""
    second = tuple("block" if number % 2 == 0 else "none" for number in range(count))
    chosen = (("none",) * count, ("block",) * count, second, (MATMULS,) * count)
    found = zip(StrategyKind, chosen, measured, strict=False)
    return tuple(
        Strategy(
            kind,
            choices,
            int(figures[0] * GIB),
            MemoryPhase.FORWARD if kind is StrategyKind.NONE else MemoryPhase.BACKWARD,
            int(figures[1] * GIB),
            figures[2],
            figures[3],
            Gradients.REFERENCE if kind is StrategyKind.NONE else Gradients.IDENTICAL,
        )
        for kind, choices, figures in found
    )


def gpt_modules() -> tuple[ModuleMemory, ...]:
    """A GPT of twelve equal blocks."""
    found = [ModuleMemory("model", "GPT", 12_190 * MIB, 790 * MIB)]
    found += [
        ModuleMemory("model.wte", "Embedding", 64 * KIB, 64 * KIB),
        ModuleMemory("model.drop", "Dropout", 6 * MIB, 6 * MIB),
        ModuleMemory("model.h", "ModuleList", 11_352 * MIB, 0),
    ]
    for number in range(12):
        block = f"model.h.{number}"
        found += [
            ModuleMemory(block, "Block", 946 * MIB, 0),
            ModuleMemory(f"{block}.ln_1", "LayerNorm", 24 * MIB, 24 * MIB),
            ModuleMemory(f"{block}.attn", "Attention", 730 * MIB, 706 * MIB),
            ModuleMemory(f"{block}.attn.qkv", "Linear", 24 * MIB, 24 * MIB),
            ModuleMemory(f"{block}.ln_2", "LayerNorm", 24 * MIB, 24 * MIB),
            ModuleMemory(f"{block}.mlp", "MLP", 168 * MIB, 96 * MIB),
            ModuleMemory(f"{block}.mlp.up", "Linear", 24 * MIB, 24 * MIB),
            ModuleMemory(f"{block}.mlp.down", "Linear", 48 * MIB, 48 * MIB),
        ]
    found += [
        ModuleMemory("model.ln_f", "LayerNorm", 24 * MIB, 24 * MIB),
        ModuleMemory("model.head", "Linear", 18 * MIB, 18 * MIB),
    ]
    return tuple(found)


def gpt_lines() -> tuple[LineMemory, ...]:
    def line(piece: str, saved: int, tensors: int, *ops: str, within: str = "") -> LineMemory:
        place = MODEL.at(piece, "forward", "h.0.attn", within=within)
        return LineMemory(place, saved * MIB, tensors, ops)

    return (
        line(
            'scores.masked_fill(self.future, float("-inf")).softmax(dim=-1)',
            4_752,
            36,
            "SoftmaxBackward0",
            "MaskedFillBackward0",
        ),
        line(
            "self.drop(att) @ v", 3_840, 48, "UnsafeViewBackward0", "BmmBackward0", "NativeDropoutBackward0"
        ),
        line("self.down(F.gelu(self.up(x)))", 2_016, 36, "GeluBackward0", "AddmmBackward0"),
        line(
            "F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))",
            786,
            2,
            "LogSoftmaxBackward0",
        ),
        line("self.attn(self.ln_1(x))", 288, 36, "NativeLayerNormBackward0"),
        line("self.mlp(self.ln_2(x))", 288, 36, "NativeLayerNormBackward0"),
        line("self.qkv(x)", 288, 24, "AddmmBackward0"),
        line("self.head(self.ln_f(x))", 42, 4, "MmBackward0"),
        line("self.drop(self.wte(ids) + self.wpe(self.positions))", 6, 3, "NativeDropoutBackward0"),
    )


def gpt_largest() -> tuple[SavedAt, ...]:
    attention = tuple(f"model.h.{number}.attn" for number in range(12))
    mlps = tuple(f"model.h.{number}.mlp" for number in range(12))
    softmax = MODEL.at(".softmax(dim=-1)", "Attention.forward")
    return (
        SavedAt(
            "SoftmaxBackward0",
            "result",
            (8, 12, 1024, 1024),
            "float32",
            4_608 * MIB,
            12,
            softmax,
            attention,
            "F.scaled_dot_product_attention(q, k, v, is_causal=True) keeps no matrix of scores",
            8_900 * MIB,
        ),
        SavedAt(
            "BmmBackward0",
            "self",
            (96, 1024, 1024),
            "float32",
            4_608 * MIB,
            12,
            MODEL.at("self.drop(att) @ v", "Attention.forward"),
            attention,
        ),
        SavedAt(
            "GeluBackward0",
            "self",
            (8, 1024, 3072),
            "float32",
            1_152 * MIB,
            12,
            MODEL.at("F.gelu(self.up(x))", "MLP.forward"),
            mlps,
        ),
        SavedAt(
            "LogSoftmaxBackward0",
            "result",
            (8192, 25_152),
            "float32",
            786 * MIB,
            1,
            MODEL.at("F.cross_entropy", "GPT.forward"),
            ("model",),
            "a fused linear and cross entropy keeps no logits",
        ),
        SavedAt("AddmmBackward0", "mat1", (8192, 768), "float32", 288 * MIB, 12, None, mlps),
    )


PLANNED = ("block",) * 7 + (MATMULS,) * 3 + ("none",) * 2

CODE = """\
from functools import partial
from torch.utils.checkpoint import checkpoint

for number in range(0, 7):
    block = model.h[number]
    block.forward = partial(checkpoint, block.forward, use_reentrant=False)
"""


def gpt_memory(**more: object) -> MemoryUse:
    at_peak = kinds(saved=12_190, other=1_620, parameter=475, gradient=786, buffer=1.5, input=0.125)
    fixed = kinds(parameter=475, buffer=1.5, input=0.125)
    where = MODEL.at("F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))", "GPT.forward", "")
    highest = peak(
        MemoryPhase.BACKWARD, at_peak, location=where, module="model", op="aten::_log_softmax_backward_data"
    )
    whole = strategies(
        12,
        (14.72, 11.90, 1.0, 0.0),
        (4.09, 1.21, 1.38, 1.0),
        (9.2, 6.5, 1.19, 0.5),
        (8.81, 5.93, 1.11, 0.31),
    )
    planned = Strategy(
        StrategyKind.PLAN,
        PLANNED,
        int(5.94 * GIB),
        MemoryPhase.BACKWARD,
        int(3.02 * GIB),
        1.21,
        0.58,
        Gradients.IDENTICAL,
        predicted_peak=int(5.91 * GIB),
        predicted_time_ratio=1.2,
    )
    values: dict[str, object] = {
        "device": "cpu",
        "peaks": (
            peak(MemoryPhase.FORWARD, kinds(saved=12_190, other=820, parameter=475)),
            highest,
        ),
        "parameters": 475 * MIB,
        "buffers": int(1.5 * MIB),
        "inputs": 128 * KIB,
        "gradients": 475 * MIB,
        "saved": 12_190 * MIB,
        "modules": gpt_modules(),
        "lines": gpt_lines(),
        "largest": gpt_largest(),
        "curve": tuple(curve(1, 48, highest, fixed, 475 * MIB)),
        "step_seconds": 4.31,
        "blocks": blocks(12),
        "strategies": (*whole, planned),
        "plan": Plan(
            6 * GIB,
            planned,
            int(4.02 * GIB),
            kinds(saved=1_240, gradient=475, parameter=475, other=1_900),
            ("every step is like this one", "the time of a recomputation is that of the forward"),
        ),
        "code": CODE,
        "recommended": StrategyKind.PLAN,
        **more,
    }
    return MemoryUse(**values)  # type: ignore[arg-type]


def memory_gpt() -> Report:
    """A GPT on the CPU, and a plan for a budget."""
    return report(gpt_memory(), sources=sources(MODEL))


def memory_script() -> Report:
    """A script with Adam, a graph that is never used, and nothing compared."""
    where = TRAIN.at("model(images)", "<module>", None)
    fixed = kinds(parameter=42.7, buffer=0.1, input=18.4, optimizer_state=85.3)
    unused = UnusedGraph(TRAIN.at("model(held_out)", "<module>"), "model(held_out)", 310 * MIB, 214, 3)
    kept = UnusedGraph(
        Location(f"{HOME}/metrics.py", 61, 12, 61, 30, "score"), "self.net(x)", 12 * MIB, 40, 1
    )
    highest = peak(
        MemoryPhase.FORWARD,
        kinds(saved=612, other=96, parameter=42.7, gradient=42.7, optimizer_state=85.3, input=18.4),
        location=where,
        module="ResNet.layer1.0.conv2",
        op="aten::convolution",
        step=10,
    )
    memory = MemoryUse(
        "cpu",
        (
            peak(MemoryPhase.OUTSIDE, kinds(parameter=42.7, input=77)),
            highest,
            peak(MemoryPhase.BACKWARD, kinds(saved=590, other=60, parameter=42.7, gradient=42.7, input=18.4)),
            peak(MemoryPhase.OPTIMIZER, kinds(parameter=42.7, gradient=42.7, optimizer_state=85.3, other=43)),
        ),
        parameters=int(42.7 * MIB),
        buffers=int(0.1 * MIB),
        inputs=int(18.4 * MIB),
        gradients=int(42.7 * MIB),
        optimizer_state=int(85.3 * MIB),
        optimizer="Adam",
        saved=612 * MIB,
        python_kept=3_400 * KIB,
        modules=(
            ModuleMemory("model", "ResNet", 612 * MIB, 0),
            ModuleMemory("model.conv1", "Conv2d", 18 * MIB, 18 * MIB),
            ModuleMemory("model.bn1", "BatchNorm2d", 98 * MIB, 98 * MIB),
            ModuleMemory("model.relu", "ReLU", 98 * MIB, 98 * MIB),
            ModuleMemory("model.layer1", "Sequential", 248 * MIB, 0),
            ModuleMemory("model.layer1.0", "BasicBlock", 124 * MIB, 0),
            ModuleMemory("model.layer1.1", "BasicBlock", 124 * MIB, 0),
            ModuleMemory("model.layer2", "Sequential", 110 * MIB, 0),
            ModuleMemory("model.layer3", "Sequential", 40 * MIB, 0),
        ),
        lines=(LineMemory(where, 612 * MIB, 122, ("ConvolutionBackward0", "NativeBatchNormBackward0")),),
        largest=(
            SavedAt(
                "NativeBatchNormBackward0",
                "input",
                (64, 64, 56, 56),
                "float32",
                196 * MIB,
                4,
                where,
                ("model.bn1", "model.layer1.0.bn1", "model.layer1.0.bn2", "model.layer1.1.bn1"),
            ),
            SavedAt(
                "ReluBackward0",
                "result",
                (64, 64, 112, 112),
                "float32",
                98 * MIB,
                1,
                where,
                ("model.relu",),
                "nn.ReLU(inplace=True) writes over its input, which nothing else keeps",
            ),
        ),
        unused=(unused, kept),
        curve=tuple(curve(4, 12, highest, fixed, int(42.7 * MIB))),
        step_seconds=0.412,
        not_compared="a script is run once as it is; name its model, as train.py:build",
    )
    return report(memory, target="train.py", steps=40, backward_passes=40, sources=sources(TRAIN))


def memory_cuda() -> Report:
    """A model on an accelerator, every block recommended, gradients of one strategy that differ."""
    whole = strategies(12, (14.72, 11.90, 1.0, 0.0), (4.09, 1.21, 1.31, 1.0), (9.2, 6.5, 1.16, 0.5))
    differs = replace(
        whole[2],
        gradients=Gradients.DIFFERENT,
        different=tuple(f"h.{number}.attn.qkv.weight" for number in range(12)),
        largest_difference=3.2e-4,
    )
    whole = tuple(
        replace(each, reserved=None if each.peak is None else int(each.peak * 1.09))
        for each in (*whole[:2], differs)
    )
    memory = gpt_memory(
        device="cuda:0",
        strategies=whole,
        plan=None,
        recommended=StrategyKind.EVERY_BLOCK,
        allocator=AllocatorUse(int(14.72 * GIB), int(17.4 * GIB), int(14.6 * GIB), 2),
        step_seconds=0.083,
        code=CODE.replace("range(0, 7)", "range(12)"),
    )
    return report(memory, device="cuda:0", sources=sources(MODEL))


def memory_floor() -> Report:
    """A budget below what any checkpointing reaches."""
    memory = gpt_memory()
    plan = Plan(
        2 * GIB,
        None,
        int(4.018 * GIB),
        kinds(other=1_924, saved=1_240, gradient=475, parameter=475),
        ("every step is like this one",),
    )
    memory = replace(
        memory,
        plan=plan,
        strategies=memory.strategies[:4],
        code=None,
        recommended=None,
        lines=memory.lines[:2],
    )
    return report(memory, sources=sources(MODEL))


def memory_fake() -> Report:
    """A model of 70B parameters, planned on fake tensors."""
    fixed = kinds(parameter=131_000, gradient=131_000)
    whole = strategies(
        80,
        (491.3, 235.0, 1.0, 0.0),
        (262.4, 6.1, 1.33, 1.0),
        (370.2, 113.0, 1.17, 0.5),
        (402.0, 145.0, 1.08, 0.2),
    )
    whole = tuple(replace(each, gradients=Gradients.NOT_COMPARED) for each in whole)
    planned = replace(
        whole[1],
        kind=StrategyKind.PLAN,
        choices=("block",) * 61 + ("none",) * 19,
        peak=int(319.5 * GIB),
        saved=int(63.0 * GIB),
        time_ratio=1.25,
        recomputed=0.76,
        predicted_peak=int(319.5 * GIB),
        predicted_time_ratio=1.25,
    )
    layers = [ModuleMemory("model", "LlamaForCausalLM", 240_640 * MIB, 0)]
    layers.append(ModuleMemory("model.model", "LlamaModel", 240_000 * MIB, 0))
    layers.append(ModuleMemory("model.model.layers", "ModuleList", 239_600 * MIB, 0))
    for number in range(80):
        layer = f"model.model.layers.{number}"
        layers.append(ModuleMemory(layer, "LlamaDecoderLayer", 2_995 * MIB, 128 * MIB))
        layers.append(ModuleMemory(f"{layer}.self_attn", "LlamaAttention", 1_063 * MIB, 500 * MIB))
        layers.append(ModuleMemory(f"{layer}.mlp", "LlamaMLP", 1_804 * MIB, 1_804 * MIB))
    memory = MemoryUse(
        "cpu",
        (
            peak(MemoryPhase.FORWARD, {**fixed, **kinds(saved=235_000)}),
            peak(
                MemoryPhase.BACKWARD, {**fixed, **kinds(saved=235_000, other=6_100)}, module="model.lm_head"
            ),
        ),
        parameters=131_000 * MIB,
        gradients=131_000 * MIB,
        inputs=64 * KIB,
        saved=240_640 * MIB,
        modules=tuple(layers),
        is_fake=True,
        blocks=tuple(
            Block(
                f"model.layers.{number}",
                "LlamaDecoderLayer",
                2_995 * MIB,
                None,
                1,
                ("none", "block", "selective"),
            )
            for number in range(80)
        ),
        strategies=(*whole, planned),
        plan=Plan(
            320 * GIB, planned, int(258.8 * GIB), fixed, ("time is counted in floating-point operations",)
        ),
        code="for layer in model.model.layers[:61]:\n    layer.forward = recomputed(layer.forward)\n",
        recommended=StrategyKind.PLAN,
    )
    return report(memory, target="llama.py:llama_70b", device="cpu", backward_passes=1)


def sweep(kind: SweepKind = SweepKind.SEQ, *, fails: bool = True) -> Sweep:
    values = (128, 256, 512, 1024, 2048, 4096)
    points = [
        SweepPoint(
            value,
            int((0.5 + value / 700 + (value / 900) ** 2) * GIB),
            int((0.5 + value / 2_400) * GIB),
            int((value / 800 + (value / 900) ** 2) * GIB),
            int(value / 4_000 * GIB),
        )
        for value in values
    ]
    if fails:
        points[-1] = replace(
            points[-1], plain=None, plain_saved=None, failure="out of memory: 21.0 GiB asked for"
        )
    return Sweep(kind, tuple(points), 1024, on_fake=not fails)


def memory_sweep() -> Report:
    """Peaks over the length of the sequence, the last of which does not fit."""
    memory = gpt_memory(plan=None, strategies=(), code=None, recommended=None, lines=(), largest=())
    memory = replace(memory, sweep=sweep(), modules=memory.modules[:4])
    return report(memory, sources=sources(MODEL))


def memory_failures() -> Report:
    """One strategy runs out of memory, blocks that have reasons, two plain steps that differ."""
    memory = gpt_memory()
    changed = [replace(each, gradients=Gradients.NOT_REPRODUCIBLE) for each in memory.strategies[:4]]
    changed[0] = replace(
        changed[0],
        gradients=Gradients.REFERENCE,
        peak=None,
        saved=None,
        peak_phase=None,
        time_ratio=None,
        recomputed=None,
        failure="out of memory: 14.7 GiB were needed, and 12.0 GiB are there (CUDA_VISIBLE_DEVICES=1)",
    )
    reasons = (
        replace(
            memory.blocks[3], reason="its forward changes a tensor of its own: self.cache", options=("none",)
        ),
        replace(
            memory.blocks[4], reason="its forward changes a tensor of its own: self.cache", options=("none",)
        ),
        replace(
            memory.blocks[9],
            reason="it is called twice, and shares its parameters with h.8",
            options=("none",),
        ),
    )
    kept = tuple(
        next((each for each in reasons if each.path == block.path), block) for block in memory.blocks
    )
    memory = replace(
        memory,
        strategies=tuple(changed),
        blocks=kept,
        plan=None,
        code=CODE,
        recommended=StrategyKind.EVERY_BLOCK,
        python_kept=96 * MIB,
    )
    return report(memory, sources=sources(MODEL))


HOSTILE = "<img src=x onerror=alert(1)>[/red]\x1b[31m</script>"


def memory_hostile() -> Report:
    """Names that no page may stumble over."""
    place = Location(f"{HOME}/{HOSTILE}.py", 3, 1, 3, 9, f"{HOSTILE}.forward", HOSTILE)
    planned = Strategy(
        StrategyKind.PLAN,
        ("none", HOSTILE),
        3 * MIB,
        gradients=Gradients.DIFFERENT,
        different=(HOSTILE,),
        largest_difference=float("nan"),
    )
    memory = MemoryUse(
        HOSTILE,
        (peak(MemoryPhase.FORWARD, kinds(saved=3, parameter=1), location=place, module=HOSTILE, op=HOSTILE),),
        parameters=MIB,
        saved=3 * MIB,
        optimizer=HOSTILE,
        optimizer_state=MIB,
        modules=(
            ModuleMemory("model", HOSTILE, 3 * MIB, 0),
            ModuleMemory(f"model.{HOSTILE}", "\u202eevil", 3 * MIB, 3 * MIB),
        ),
        lines=(LineMemory(place, 3 * MIB, 1, (HOSTILE,)),),
        largest=(SavedAt(HOSTILE, HOSTILE, (1,), HOSTILE, 3 * MIB, 1, place, (HOSTILE,), HOSTILE),),
        unused=(UnusedGraph(place, HOSTILE, MIB, 1, 1),),
        curve=(
            Moment(0.0, MemoryPhase.FORWARD, kinds(saved=1)),
            Moment(1.0, MemoryPhase.FORWARD, kinds(saved=3)),
        ),
        blocks=(Block(HOSTILE, HOSTILE, MIB, None, reason=HOSTILE), Block("層.\u0300", "Ünïcode", MIB, 0.1)),
        strategies=(
            Strategy(
                StrategyKind.NONE, ("none", "none"), 4 * MIB, None, 3 * MIB, 1.0, 0.0, Gradients.REFERENCE
            ),
            Strategy(StrategyKind.EVERY_BLOCK, ("none", HOSTILE), failure=HOSTILE),
            planned,
        ),
        plan=Plan(3 * MIB, planned, 2 * MIB, {}, (HOSTILE,)),
        sweep=Sweep(SweepKind.BATCH, (SweepPoint(1, MIB, MIB), SweepPoint(2, failure=HOSTILE)), 1),
        code=f"# {HOSTILE}\nmodel = 1",
        recommended=StrategyKind.PLAN,
        not_compared=HOSTILE,
    )
    text = f'x = "{HOSTILE}"'
    return report(memory, target=HOSTILE, sources={place.path: ("", "", text)}, not_seen=(HOSTILE,))


def memory_empty() -> Report:
    """Nothing was alive: a program that made no tensor."""
    return report(MemoryUse("cpu", ()), target="train.py", backward_passes=0)


def memory_crash() -> Report:
    """A program that ended before anything was measured, and the finding that explains it."""
    at = MODEL.at("x + self.attn(self.ln_1(x))", "Block.forward", "h.0")
    saved = MODEL.at(".softmax(dim=-1)", "Attention.forward", "h.0.attn")
    finding = Finding(
        "GS201",
        "inplace-saved",
        Severity.ERROR,
        "`att` was changed after softmax saved it for backward",
        at,
        label="changed here (version 1)",
        related=(Related(saved, "SoftmaxBackward0 saved its result here (version 0)"),),
        evidence={"ended_program": True},
        fix="att = att * 0.5",
    )
    error = ProgramError(
        "RuntimeError",
        "one of the variables needed for gradient computation has been modified",
        (at,),
        "Traceback (most recent call last):\nRuntimeError: one of the variables\n",
    )
    return report(
        None, finding, sources=sources(MODEL), program=ProgramEnd(1, error), backward_passes=1, device="cpu"
    )
