"""What is drawn of a trace: gradient norms by parameter, and by depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gradscope.facts import GradientProfile, Recording
from gradscope.reporters.report_page.shapes import Curve, Plot
from gradscope.reporters.report_page.texts import drawn, place_text
from gradscope.reporters.screen.page import Page

_FEWEST: Final = 4  # parameters, or layers, below which there is nothing to be seen in a plot
_ZERO: Final = "Zero, NaN and infinity have no place on the axis: they are marks at its ends."


def plots_of(recording: Recording, page: Page) -> list[Plot]:
    """The norms by parameter, then a profile for each line that ran a backward through many weights."""
    profiles = (_profile(each, page) for each in recording.gradient_profiles if len(each.layers) >= _FEWEST)
    return [*_norms(recording, page), *profiles]


def _norms(recording: Recording, page: Page) -> Iterator[Plot]:
    leaves = [leaf for leaf in recording.leaves if leaf.requires_grad]
    stats = [leaf.gradient if leaf.gradient and leaf.gradient.backwards else None for leaf in leaves]
    if sum(each is not None for each in stats) < _FEWEST:
        return
    first = Curve(label="first backward", y=[drawn(each.norm) if each else None for each in stats])
    moved = any(each is not None and each.backwards > 1 for each in stats)
    last = Curve(label="last backward", y=[drawn(each.last_norm) if each else None for each in stats])
    yield Plot(
        title="Gradient norm by parameter",
        x_label="parameters, as they are registered",
        y_label="2-norm of the gradient",
        curves=[first, last] if moved else [first],
        names=[page.text(leaf.name) for leaf in leaves],
        log_y=True,
        missing="no gradient",
        note=_ZERO,
    )


def _profile(profile: GradientProfile, page: Page) -> Plot:
    layers = profile.layers
    kept = profile.kept
    curves = [_curve(f"in backward {kept[0]:,}", [each.rms[0] for each in layers])]
    if len(kept) > 1:
        curves.append(_curve(f"in backward {kept[-1]:,}", [each.rms[-1] for each in layers]))
    at = place_text(profile.backward, page)
    return Plot(
        title="Gradient per element by depth" + (f", backward at {at}" if at else ""),
        x_label="weights, the loss is on the right",
        y_label="root mean square per element",
        curves=curves,
        names=[page.text(f"{each.leaf}, {each.op}, depth {each.depth:,}") for each in layers],
        log_y=True,
        note=_ZERO,
    )


def _curve(label: str, values: Sequence[float]) -> Curve:
    return Curve(label=label, y=[drawn(value) for value in values])
