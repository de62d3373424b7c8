"""Gradients, times or bytes of a graph as an overlay: a number at each node, its colour by magnitude."""

from __future__ import annotations

import math
from typing import Final

from gradscope.autograd_graph.drawing import Colour
from gradscope.autograd_graph.heat import Heat, measure
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.pictures._explorer.shapes import NodeData, NodeValue

_STEPS: Final = (
    "#eff6ff",
    "#dbeafe",
    "#bfdbfe",
    "#93c5fd",
    "#60a5fa",
    "#3b82f6",
    "#2563eb",
    "#1d4ed8",
    "#1e3a8a",
)
_ZERO: Final = "#d1d5db"
_NOT_FINITE: Final = "#d0148c"
_NAMES: Final = {
    Colour.GRADIENT: "gradient norm",
    Colour.TIME: "seconds of the backward",
    Colour.BYTES: "bytes saved",
}
_MEANINGLESS: Final = ("sum", "avg")  # of norms: as would be the shares that layers have of their sum


def overlay(graph: AutogradGraph, colour: Colour) -> NodeData:
    """What each node is coloured by: the 2-norm of the gradient that arrived, in a small graph the gradient
    itself; the seconds; the bytes.

    Colours are those of nine equal steps of its logarithm. Zeros are grey, what is not finite is red.
    """
    values = [measure(node, colour) for node in graph.nodes]
    heat = Heat(values, colour)
    results = {
        str(index): NodeValue(_value(value), _colour(value, heat.of(value) or 0.0))
        for index, value in enumerate(values)
        if value is not None
    }
    is_gradient = colour is Colour.GRADIENT
    name = "gradient" if is_gradient and graph.small else _NAMES[colour]
    return NodeData(name, results, _MEANINGLESS if is_gradient else (), is_gradient)


def _colour(value: float, heat: float) -> str:
    if not math.isfinite(value):
        return _NOT_FINITE
    return _STEPS[min(int(heat * len(_STEPS)), len(_STEPS) - 1)] if value else _ZERO


def _value(value: float) -> float | str:
    """The number in the digits that a column of the page has room for, or its word."""
    if math.isfinite(value):
        return float(f"{value:.5g}")
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
