"""Hand-made reports of programs with modules: healthy ones, and ones whose tree has something to show."""

from __future__ import annotations

from dataclasses import replace

from gradscope.facts import Backward, Leaf, ModuleFact, OptimizerFact, Recording
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report, Suppressed

from .samples import HOME, modules, parameter, report, stats

_BACKWARD = Location(f"{HOME}/train.py", 98, 5, 98, 20, "main")


def gpt(blocks: int = 12, fall: float = 0.88) -> Report:
    """A healthy GPT-2: everything got a gradient, the blocks' norms fall slowly with depth."""
    leaves = [
        parameter("transformer.wte.weight", (50_257, 768), stats(0.40, zero=0.971), root="GPT"),
        parameter("transformer.wpe.weight", (1_024, 768), stats(0.11, zero=0.75), root="GPT"),
    ]
    facts = [
        ModuleFact("GPT", "", "GPT", 20),
        ModuleFact("GPT", "transformer", "Transformer", 20),
        ModuleFact("GPT", "transformer.wte", "Embedding", 20),
        ModuleFact("GPT", "transformer.h", "ModuleList"),
    ]
    for number in range(blocks):
        block = f"transformer.h.{number}"
        leaves += _block(block, 0.91 * fall**number)
        facts += [ModuleFact("GPT", block, "Block", 20), ModuleFact("GPT", f"{block}.attn", "Attention", 20)]
        facts += [
            ModuleFact("GPT", f"{block}.mlp", "MLP", 20),
            ModuleFact("GPT", f"{block}.ln_1", "LayerNorm", 20),
        ]
    leaves += _norm("transformer.ln_f", 0.032)
    recording = Recording(
        torch_version="2.13.0",
        ops=41_000,
        steps=20,
        backward_passes=20,
        backwards=(Backward(_BACKWARD, "backward", 20, 2_214, len(leaves), 10.9127, 9.4381, root="loss"),),
        modules=tuple(facts),
        leaves=tuple(leaves),
        optimizers=(OptimizerFact("AdamW", None, tuple(leaf.name for leaf in leaves), steps=20),),
    )
    return report(recording)


def deep_gpt() -> Report:
    """Forty-eight blocks whose gradients vanish: the bars are a sample, on a log scale."""
    return gpt(48, 0.7)


def _block(name: str, norm: float) -> list[Leaf]:
    shapes = {
        "attn.c_attn": (768, 2_304),
        "attn.c_proj": (768, 768),
        "mlp.c_fc": (768, 3_072),
        "mlp.c_proj": (3_072, 768),
    }
    found = [*_norm(f"{name}.ln_1", norm / 40), *_norm(f"{name}.ln_2", norm / 40)]
    for part, shape in shapes.items():
        found.append(parameter(f"{name}.{part}.weight", shape, stats(norm / 2, backwards=20), root="GPT"))
        found.append(parameter(f"{name}.{part}.bias", shape[1:], stats(norm / 20, backwards=20), root="GPT"))
    return found


def _norm(name: str, norm: float) -> list[Leaf]:
    given = stats(norm, backwards=20)
    return [
        parameter(f"{name}.weight", (768,), given, root="GPT", module_class="LayerNorm"),
        parameter(f"{name}.bias", (768,), given, root="GPT", module_class="LayerNorm"),
    ]


def frozen_encoder() -> Report:
    """A frozen encoder, an unused layer, a dead layer, a silenced finding, and a part that was not seen."""
    root = "Classifier"
    leaves = []
    for number in range(6):
        for kind, shape in (("weight", (64, 64, 3, 3)), ("bias", (64,))):
            name = f"encoder.{number}.{kind}"
            leaves.append(parameter(name, shape, None, root=root, module_class="Conv2d", trains=False))
    leaves += [
        parameter("head.weight", (10, 64), stats(0.8), root=root),
        parameter("head.bias", (10,), stats(0.2), root=root),
        parameter("auxiliary.weight", (10, 64), None, root=root, called=False),
        parameter("auxiliary.bias", (10,), None, root=root, called=False),
        replace(parameter("gate.weight", (1, 64), None, root=root), gradient=_zero(64)),
        replace(parameter("gate.bias", (1,), None, root=root), gradient=_zero(1)),
    ]
    paths = {f"encoder.{number}": "Conv2d" for number in range(6)}
    unused = Finding(
        "GS103",
        "unused-parameter",
        Severity.WARNING,
        "auxiliary.* (2 parameters) never gets a gradient: no forward of the run calls `auxiliary`",
        Location(f"{HOME}/model.py", 22, 9, 22, 44, "Classifier.__init__"),
        subjects=("auxiliary.weight", "auxiliary.bias"),
    )
    recording = Recording(
        torch_version="2.13.0",
        device="cuda:0",
        steps=5,
        backward_passes=5,
        backwards=(Backward(_BACKWARD, "backward", 5, 11, 4, 2.3026, 2.1, root="loss"),),
        modules=modules(
            root, root, {"encoder": "Sequential", **paths, "head": "Linear", "auxiliary": "Linear"}
        ),
        leaves=tuple(leaves),
        notes=("GradScaler is on the CPU here, so nothing is scaled and autocast runs in float32",),
        not_seen=(
            "inside torch.compile (model.py:31): its ops are one node, CompiledFunctionBackward",
            "4 DataLoader workers: what they compute stays in their processes",
        ),
    )
    silenced = (Suppressed(unused, "# gradscope: ignore[GS103] on line 22"),)
    return report(recording, suppressed=silenced)


def _zero(elements: int) -> object:
    return replace(stats(0.0, zero=1.0, backwards=5), zero_backwards=5)


def gan() -> Report:
    """Two networks, two losses, three backwards on two lines, and one region that was not seen."""
    leaves = []
    for root, norm in (("generator", 0.5), ("discriminator", 2.5)):
        for number in (0, 2, 4):
            leaves.append(
                parameter(f"{root}.{number}.weight", (128, 128), stats(norm / (number + 1)), root=root)
            )
            leaves.append(parameter(f"{root}.{number}.bias", (128,), stats(norm / 9), root=root))
        leaves[-6:] = [replace(leaf, module=leaf.name.split(".")[1]) for leaf in leaves[-6:]]
    at = Location(f"{HOME}/gan.py", 40, 9)
    recording = Recording(
        torch_version="2.13.0",
        steps=200,
        backward_passes=300,
        backwards=(
            Backward(at, "backward", 200, 44, 6, 0.6931, 0.5127, root="loss_d"),
            Backward(replace(at, line=52), "backward", 100, 71, 12, 0.6931, 1.2041, root="loss_g"),
        ),
        modules=(
            *modules("generator", "Sequential", dict.fromkeys("024", "Linear")),
            *modules("discriminator", "Sequential", dict.fromkeys("024", "Linear")),
        ),
        leaves=tuple(leaves),
        not_seen=("1 compiled region",),
    )
    return report(recording, target="gan.py")
