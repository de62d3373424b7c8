"""Hand-made reports of `gradscope graph`: a lesson, a cut, a transformer, an unrolled cell, and none."""

from __future__ import annotations

from dataclasses import replace

from gradscope.autograd_graph.drawing import View
from gradscope.facts import Cut, CutKind, Recording, SeveredLeaf, Step
from gradscope.facts.graph import AutogradGraph, Constant, Edge, GraphNode, GraphPlace, NodeKind, SavedTensor
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report, Suppressed

from . import samples_graphs
from .samples import HOME

_FILE = f"{HOME}/train.py"


class Taken:
    """A graph that is put together node by node. `add` and `leaf` return the index of the new node."""

    def __init__(self) -> None:
        self.nodes: list[GraphNode] = []
        self.places: list[GraphPlace] = []
        self.modules: dict[str, str] = {}

    def leaf(self, name: str, *shape: int, norm: float | None, value: float | None = None) -> int:
        self.nodes.append(
            GraphNode(
                "AccumulateGrad",
                NodeKind.LEAF,
                (),
                shapes=(shape,),
                dtypes=("float32",),
                incoming=norm,
                value=value,
                leaf=name,
                is_parameter="." in name,
                seconds=2e-6,
            )
        )
        return len(self.nodes) - 1

    def add(
        self,
        name: str,
        *inputs: int | None,
        line: int,
        text: str,
        norm: float | None,
        shape: tuple[int, ...] = (),
        variable: str | None = None,
        module: str | None = None,
        function: str = "<module>",
        value: float | None = None,
        kept: int = 0,
        outgoing: tuple[float | None, ...] = (),
    ) -> int:
        place = GraphPlace(Location(_FILE, line, 5, line, 20, function), module, variable, text)
        if place not in self.places:
            self.places.append(place)
        edges: tuple[Edge, ...] = tuple((each, 0) if each is not None else None for each in inputs)
        self.nodes.append(
            GraphNode(
                name,
                NodeKind.OP,
                edges,
                self.places.index(place),
                len(self.nodes),
                (shape,),
                ("float32",),
                (SavedTensor("self", shape, "float32", kept),) if kept else (),
                norm,
                outgoing,
                2e-5,
                value,
            )
        )
        return len(self.nodes) - 1

    def linear(self, name: str, taken: int, size: int, norm: float, *, line: int, root: str = "model") -> int:
        """A layer with its weight and bias; `name` is below the root module's."""
        module = f"{root}.{name}"
        self.modules[module] = "Linear"
        weight = self.leaf(f"{name}.weight", size, size, norm=norm)
        turned = self.add(
            "TBackward0", weight, line=line, text="", norm=norm, shape=(size, size), module=module
        )
        bias = self.leaf(f"{name}.bias", size, norm=norm / 10)
        return self.add(
            "AddmmBackward0",
            bias,
            taken,
            turned,
            line=line,
            text=f"self.{name}(x)",
            norm=norm,
            shape=(8, size),
            module=module,
            kept=1024 * size,
        )

    def graph(self, **more: object) -> AutogradGraph:
        graph = AutogradGraph(
            tuple(self.nodes),
            tuple(self.places),
            roots=((len(self.nodes) - 1, 0),),
            modules=self.modules,
            backward=Location(_FILE, 41, 5, 41, 20, "<module>"),
            number=1,
        )
        return replace_graph(graph, **more)


def replace_graph(graph: AutogradGraph, **more: object) -> AutogradGraph:
    from msgspec.structs import replace as replaced

    return replaced(graph, **more)


def report(
    graph: AutogradGraph | None, *findings: Finding, view: View | None = None, **more: object
) -> Report:
    recording = Recording(graph=graph, backward_passes=1 if graph is not None else 0, **more)  # type: ignore[arg-type]
    return Report("graph", "train.py", findings, recording, view=view or View())


def graph_lesson() -> Report:
    """y = u * u with u = 3 * x + 2: a node that is used twice, and both passes' values."""
    taken = Taken()
    x = taken.leaf("x", norm=30.0, value=1.0)
    times = taken.add("MulBackward0", x, None, line=2, text="3 * x", norm=10.0, value=3.0)
    u = taken.add("AddBackward0", times, None, line=2, text="3 * x + 2", norm=10.0, value=5.0, variable="u")
    taken.add("MulBackward0", u, u, line=3, text="u * u", norm=1.0, value=25.0, variable="y", kept=4)
    return report(taken.graph(small=True, loss=25.0, backward=Location(_FILE, 4, 1)))


def graph_cut() -> Report:
    """An encoder whose gradient stops, a silenced finding, and a backward of another line."""
    taken = Taken()
    taken.modules = {"model": "Denoiser"}
    weight = taken.leaf("head.weight", 64, 32, norm=0.098)
    taken.modules["model.head"] = "Linear"
    turned = taken.add(
        "TBackward0", weight, line=29, text="self.head(h)", norm=0.098, shape=(32, 64), module="model.head"
    )
    head = taken.add(
        "AddmmBackward0",
        None,
        turned,
        line=29,
        text="self.head(h)",
        norm=0.016,
        shape=(128, 64),
        module="model.head",
        kept=16_384,
    )
    taken.add(
        "MseLossBackward0",
        head,
        None,
        line=39,
        text="mse_loss(model(noisy), clean)",
        norm=1.0,
        variable="loss",
    )
    graph = taken.graph(
        loss=0.50297,
        constants=(Constant(2, "h", (128, 32), "float32"), Constant(3, "clean", (128, 64), "float32")),
        other_passes=((Location(_FILE, 52, 9), 2),),
    )
    at = Location(_FILE, 28, 37, 28, 47, "Denoiser.forward")
    names = tuple(f"encoder.{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias"))
    finding = Finding(
        "GS102",
        "severed-gradient",
        Severity.ERROR,
        "encoder.* (4 parameters) gets no gradient: it stops at detach()",
        at,
        label="the gradient stops here",
        subjects=names,
    )
    cut = Cut(CutKind.DETACH, "detach", at)
    severed = tuple(
        SeveredLeaf(name, (cut,), (Step("detach", at, cut=True),), graph.backward) for name in names
    )
    whole = report(graph, finding, severed=severed)
    other = replace(finding, code="GS103", rule="unused-parameter", severity=Severity.WARNING)
    return replace(whole, suppressed=(Suppressed(other, "--ignore GS103"),))


def transformer(blocks: int, fall: float, view: View | None = None) -> Report:
    taken = Taken()
    taken.modules = {"model": "GPT", "model.wte": "Embedding", "model.h": "ModuleList"}
    weight = taken.leaf("wte.weight", 50, 16, norm=0.13)
    x = taken.add(
        "EmbeddingBackward0",
        weight,
        line=22,
        text="self.wte(i)",
        norm=0.13,
        shape=(8, 16),
        module="model.wte",
        variable="x",
    )
    for number in range(blocks):
        norm = 0.9 * fall**number
        name = f"h.{number}"
        taken.modules |= {f"model.{name}": "Block", f"model.{name}.mlp": "MLP"}
        inner = taken.linear(f"{name}.mlp.up", x, 16, norm, line=12)
        inner = taken.add(
            "GeluBackward0",
            inner,
            line=13,
            text="gelu(x)",
            norm=norm,
            shape=(8, 16),
            module=f"model.{name}.mlp",
            kept=4096,
        )
        inner = taken.linear(f"{name}.mlp.down", inner, 16, norm, line=14)
        x = taken.add(
            "AddBackward0",
            x,
            inner,
            line=18,
            text="x + self.mlp(x)",
            norm=norm,
            shape=(8, 16),
            module=f"model.{name}",
        )
    x = taken.linear("head", x, 16, 1.1, line=23)
    x = taken.add(
        "LogSoftmaxBackward0",
        x,
        line=25,
        text="cross_entropy(model(i), i)",
        norm=0.25,
        shape=(8, 16),
        kept=2048,
    )
    taken.add("NllLossBackward0", x, line=25, text="cross_entropy(model(i), i)", norm=1.0, variable="loss")
    return report(taken.graph(loss=4.1714), view=view)


def graph_transformer() -> Report:
    """Twelve blocks: a bar for each, and the inside of one of them."""
    return transformer(12, 0.88)


def graph_deep() -> Report:
    """Forty-eight blocks whose gradients vanish: the ends of the chain, on a log scale."""
    return transformer(48, 0.7)


def graph_depth() -> Report:
    """Two levels of modules, as asked for."""
    return transformer(12, 0.88, View(depth=2))


def graph_path() -> Report:
    """The way of one parameter through the last blocks to the loss."""
    return transformer(6, 0.88, View(path="h.4.mlp.down.weight"))


def graph_unrolled() -> Report:
    """A cell that a loop of a function calls 2,000 times, and a loop outside modules."""
    taken = Taken()
    taken.modules = {"cell": "RNNCell"}
    weight = taken.leaf("cell.weight_hh", 8, 8, norm=0.03)
    h: int | None = None
    for _ in range(2_000):
        h = taken.add(
            "MmBackward0", h, weight, line=7, text="cell(h)", norm=0.03, shape=(2, 8), module="cell", kept=64
        )
        h = taken.add(
            "TanhBackward0",
            h,
            line=7,
            text="cell(h)",
            norm=0.03,
            shape=(2, 8),
            module="cell",
            variable="h",
            kept=64,
        )
    for _ in range(300):
        h = taken.add(
            "MulBackward0",
            h,
            None,
            line=9,
            text="h * 0.99",
            norm=0.5,
            shape=(2, 8),
            variable="h",
            function="damped",
        )
        h = taken.add(
            "SinBackward0",
            h,
            line=10,
            text="h.sin()",
            norm=0.5,
            shape=(2, 8),
            variable="h",
            function="damped",
            kept=64,
        )
    taken.add("SumBackward0", h, line=12, text="h.sum()", norm=1.0, variable="loss")
    return report(taken.graph())


def graph_everything() -> Report:
    """A custom Function, a checkpoint, a frozen parameter, a second order, NaN, and other backwards."""
    return report(samples_graphs.network())


def graph_hostile() -> Report:
    """Names that no page may stumble over."""
    return report(samples_graphs.hostile(), view=View(path="Const.weight"))


def graph_none() -> Report:
    """A program that ran no backward."""
    return report(None)
