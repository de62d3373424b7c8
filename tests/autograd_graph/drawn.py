"""Graphs to draw: hand-made ones, and those of small programs that are run and judged."""

from __future__ import annotations

import linecache
import textwrap
import warnings
from pathlib import Path
from typing import Any

from gradscope.autograd_graph.drawing import Arrow, Box, Drawing, Subject, View
from gradscope.autograd_graph.view import drawing_of
from gradscope.engine import judge
from gradscope.facts import ProgramEnd
from gradscope.facts.graph import UNKNOWN, AutogradGraph, Edge, GraphNode, GraphPlace, NodeKind
from gradscope.finding import Location
from gradscope.recorder import Recorder

HOME = "/home/me/lab"


def subject_of(source: str, folder: Path, number: int = 1) -> Subject:
    """The graph of the `number`-th backward of a program, with the findings about it."""
    path = folder / "train.py"
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    linecache.checkcache()
    recorder = Recorder(graph_of=number)
    program = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    space: dict[str, Any] = {"__name__": "__main__", "_recorder": recorder, "_program": program}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the program, not ours
        # left where the program's variables are in sight, as at the end of a script
        exec("with _recorder:\n    exec(_program, globals())", space)
    recording = recorder.recording(ProgramEnd())
    assert recording.graph is not None
    findings, _ = judge(recording)
    return Subject(recording.graph, findings, "train.py", str(folder), recording.severed)


def drawn(source: str, folder: Path, number: int = 1, **view: Any) -> Drawing:
    """What is drawn of a program."""
    return drawing_of(subject_of(source, folder, number), View(**view))


def titles(drawing: Drawing) -> list[str]:
    """The titles of the boxes, in their order."""
    return [box.title for box in drawing.boxes]


def box(drawing: Drawing, title: str) -> Box:
    """The only box of that title."""
    (found,) = [one for one in drawing.boxes if one.title == title]
    return found


def frames(drawing: Drawing) -> list[str]:
    """The titles of the clusters, outer ones first."""
    return [cluster.title for cluster in drawing.clusters]


def between(drawing: Drawing, tail: str, head: str) -> Arrow:
    """The only arrow between two boxes, by their titles."""
    names = {one.id: one.title for one in drawing.boxes}
    (found,) = [one for one in drawing.arrows if (names[one.tail], names[one.head]) == (tail, head)]
    return found


def place(line: int, module: str | None = None, variable: str | None = None, **more: Any) -> GraphPlace:
    """A place in train.py."""
    function = more.pop("function", "forward" if module else "<module>")
    file = more.pop("file", f"{HOME}/train.py")
    where = Location(file, line, more.pop("column", 1), line, more.pop("end_column", 20), function)
    return GraphPlace(where, module, variable, more.pop("expression", None))


def op(name: str, *next_nodes: int | Edge, place: int = UNKNOWN, **more: Any) -> GraphNode:
    """A node of an op; edges without a number lead to output 0."""
    edges = tuple((each, 0) if isinstance(each, int) else each for each in next_nodes)
    more.setdefault("shapes", ((2, 2),))
    return GraphNode(f"{name}Backward0", NodeKind.OP, edges, place=place, **more)


def leaf(
    name: str, norm: float | None = None, *, shape: tuple[int, ...] = (2, 2), parameter: bool = True
) -> GraphNode:
    """A leaf."""
    return GraphNode(
        "AccumulateGrad", NodeKind.LEAF, (), shapes=(shape,), leaf=name, is_parameter=parameter, incoming=norm
    )


def graph(*nodes: GraphNode, places: tuple[GraphPlace, ...] = (), **more: Any) -> AutogradGraph:
    """A graph whose last node is its root."""
    more.setdefault("roots", ((len(nodes) - 1, 0),) if nodes else ())
    return AutogradGraph(tuple(nodes), places, **more)


def picture(of: AutogradGraph, **view: Any) -> Drawing:
    """What is drawn of a hand-made graph."""
    return drawing_of(Subject(of, (), "train.py", HOME), View(**view))
