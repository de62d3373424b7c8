"""The Python interface: `gradscope.graph(loss)` and `gradscope.graph(model, batch)`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gradscope.autograd_graph.drawing import WHOLE, Colour, View
from gradscope.destination import Destination
from gradscope.environment import environment
from gradscope.errors import OutputError, UsageError
from gradscope.facts import AutogradGraph, GraphNode, Recording
from gradscope.graphing import picture
from gradscope.judging import judged
from gradscope.recorder import Recorder
from gradscope.recorder.graph import walk
from gradscope.recorder.graphs.live import graph_of
from gradscope.recorder.sources import collect_sources
from gradscope.report import Report
from gradscope.reported import Reported
from gradscope.reporters import pictures


class Graph(Reported):
    """The autograd graph of one backward: its data, and pictures of it.

    `print` of it shows a tree; a notebook shows the picture, where Graphviz's `dot` is installed.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    @property
    def report(self) -> Report:
        """Findings and recording together, as the reporters take them."""
        return self._report

    @property
    def data(self) -> AutogradGraph:
        """Everything that is known of the graph: a frozen fact, without any live tensor."""
        graph = self._report.recording.graph
        assert graph is not None
        return graph

    @property
    def nodes(self) -> tuple[GraphNode, ...]:
        """The nodes in forward order: what a node leads to stands before it."""
        return self.data.nodes

    @property
    def leaves(self) -> tuple[GraphNode, ...]:
        """The nodes whose `.grad` is written."""
        return self.data.leaves

    @property
    def edges(self) -> list[tuple[int, int, int]]:
        """(node, next node, output_nr) for every edge along which a gradient flows, by indices of `nodes`."""
        return [
            (index, *edge) for index, node in enumerate(self.nodes) for edge in node.next if edge is not None
        ]

    def viewed(
        self,
        *,
        depth: int | str | None = None,
        path: str | None = None,
        around: int | tuple[str, int] | None = None,
        reach: int = 3,
        fold: bool = True,
        colour: str = "gradient",
    ) -> Graph:
        """The same graph, seen in part: what of it is shown, saved or printed.

        `depth` is a number of module levels, "all", or None for what fits on a page; `path` names a leaf,
        `around` a line, or a file and a line, of which nodes up to `reach` steps away are kept. `colour` is
        "gradient", "time", "bytes" or "none". ValueError for anything else.
        """
        if depth is not None and depth != "all" and (not isinstance(depth, int) or depth < 0):
            raise ValueError(f"depth must be a number of levels, 'all' or None, not {depth!r}")
        levels = WHOLE if depth == "all" else depth
        place = (None, around) if isinstance(around, int) else around
        assert not isinstance(levels, str)
        view = View(levels, path, place, reach, fold, Colour(colour))
        return Graph(replace(self._report, view=view))

    def render(self, format_name: str) -> bytes:
        """The picture in one of the formats "dot", "svg", "png", "pdf", "mermaid", "html", ...

        Raises UsageError for no such format or where the view names what the graph does not have, and
        PictureError where it cannot be drawn on this machine.
        """
        return self._parts(format_name)[0].content

    def _parts(self, format_name: str) -> tuple[pictures.Part, ...]:
        if format_name == "json":
            return (pictures.Part(self.json().encode()),)
        if format_name == "text":
            return (pictures.Part(f"{self}\n".encode()),)
        if format_name not in pictures.names():
            known = ", ".join(sorted((*pictures.names(), "json", "text")))
            raise UsageError(f"no format {format_name}", try_next=f"one of {known}")
        return picture(self._report, format_name)

    def save(self, path: str | os.PathLike[str], format_name: str | None = None) -> list[str]:
        """Writes the picture to a file, in the format that its name's ending means, and returns the paths.

        Raises OutputError where it cannot be written, and what `render` raises.
        """
        name = os.fspath(path)
        ending = os.path.splitext(name)[1].casefold()
        own = {".json": "json", ".txt": "text"}.get(ending) or pictures.format_for(name)
        chosen = format_name or own
        if chosen is None:
            raise OutputError(f"{name}: its ending names no format", try_next="graph.svg")
        return Destination(name, machine=True, to_stderr=False).write_parts(self._parts(chosen))

    def _repr_mimebundle_(self, **_kinds: Any) -> dict[str, str]:
        from gradscope.errors import PictureError

        bundle = {"text/plain": str(self)}
        try:
            bundle["image/svg+xml"] = self.render("svg").decode()
        except PictureError as reason:
            bundle["text/plain"] += f"\n{reason.what}"
        return bundle

    def __repr__(self) -> str:
        leaves = len(self.leaves)
        return f"<gradscope.graph: {len(self.nodes)} nodes, {leaves} leaves>"


def graph(
    subject: Tensor | Sequence[Tensor] | nn.Module | Callable[..., Any],
    /,
    *inputs: Any,
    names: nn.Module | Mapping[str, Tensor] | None = None,
    loss: Callable[[Any], Tensor] | None = None,
    **named_inputs: Any,
) -> Graph:
    """The autograd graph of tensors, or of a call.

        print(gradscope.graph(loss, names=model))
        gradscope.graph(model, batch).save("model.html")

    Of tensors, the graph as it stands: nothing is run, and the tensors stay as they are. `names` gives the
    leaves their names, an nn.Module or a mapping from names to tensors; others are called as the variables
    that hold them. Lines are known where it was made inside `gradscope.trace()` or under anomaly mode.

    A module or a function is called with the inputs and differentiated once: its graph has lines, modules,
    gradient norms and times as well. `loss` turns what it returns into a tensor; without it a scalar output
    or the mean is taken. No `.grad` is written.

    Raises UsageError for what has no graph, and where the call's output gives no tensor to differentiate.
    """
    if isinstance(subject, Tensor) or (isinstance(subject, (list, tuple)) and subject):
        roots = [subject] if isinstance(subject, Tensor) else list(subject)
        if inputs or named_inputs or loss is not None:
            raise UsageError("a tensor has its graph already; it is not called with inputs")
        if not all(isinstance(root, Tensor) and root.requires_grad for root in roots):
            raise UsageError(
                "this has no graph: it does not require grad",
                try_next="gradscope.graph(model, inputs)  runs a model and shows the graph of its output",
            )
        return Graph(_report("gradscope.graph", Recording(graph=graph_of(roots, names))))
    if not callable(subject):
        raise UsageError(f"a {type(subject).__name__} has no graph: give tensors, a module or a function")
    name = getattr(subject, "__name__", None) or type(subject).__name__
    recorder = Recorder(graph_of=1)
    with recorder:
        output = subject(*inputs, **named_inputs)
        root = _root(loss(output) if loss is not None else output, name)
        _differentiate(root, name)
    return Graph(_report(f"gradscope.graph({name})", recorder.recording()))


def _differentiate(root: Tensor, name: str) -> None:
    try:
        torch.autograd.grad(root, list(walk([root])[1].values()), allow_unused=True)
    except RuntimeError as error:
        if "use_reentrant=True" not in str(error):
            raise
        raise UsageError(
            f"{name} uses a reentrant checkpoint, which backward() alone can differentiate",
            try_next=("checkpoint(..., use_reentrant=False)", "gradscope graph train.py   a whole program"),
        ) from None


def _root(output: Any, name: str) -> Tensor:
    """The scalar to differentiate: the output, its `.loss`, or the mean of its first tensor."""
    found = getattr(output, "loss", None)
    found = output if not isinstance(found, Tensor) else found
    if isinstance(found, Mapping):
        found = next((one for one in found.values() if isinstance(one, Tensor)), None)
    if isinstance(found, (tuple, list)):
        found = next((one for one in found if isinstance(one, Tensor)), None)
    if not isinstance(found, Tensor) or not found.requires_grad:
        raise UsageError(
            f"{name} returned {type(output).__name__}, in which no tensor requires grad",
            try_next="gradscope.graph(model, batch, loss=lambda output: output.logits.mean())",
        )
    return found if found.dim() == 0 else found.mean()


def _report(target: str, recording: Recording) -> Report:
    sourced = replace(recording, sources=collect_sources(recording))
    return judged("graph", target, sourced, environment())
