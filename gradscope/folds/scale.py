"""The weights' gradients in a bounded number of backwards, and the growth of the whole from step to step."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gradscope.facts import GradientGrowth, GradientProfile, LayerGradient
from gradscope.folds.places import Place

_FIRST_ROWS = 16
_LOOKS = 4
_MOST_LAYERS = 4096
_DIP = 30.0
_MOST_RECORDS = 64
_SOON = 3  # backwards between the last growth and the overflow that it led to


@dataclass(frozen=True, slots=True)
class Layer:
    """Where one weight lies in a graph; fields as in `LayerGradient`, of this backward alone."""

    depth: int
    op: str
    place: Place | None
    arriving: tuple[float, ...]
    recurrent: bool = False


@dataclass(slots=True)
class ProfileFold:
    """The weights of one line's backwards by number, their place in the graph, their gradients' norms."""

    layers: dict[int, Layer] = field(default_factory=dict)
    nodes: tuple[tuple[str, int], ...] = ()
    count: int = 0
    _looks: dict[int, list[tuple[float, ...]]] = field(default_factory=dict)
    _rows: list[tuple[int, Mapping[int, float]]] = field(default_factory=list)

    def look(self, layers: Mapping[int, Layer]) -> None:
        """Notes the layers of a graph that was walked; of what arrived, only what was finite throughout."""
        finite = all(math.isfinite(norm) for layer in layers.values() for norm in layer.arriving)
        for key, layer in layers.items():
            if key not in self.layers and len(self.layers) >= _MOST_LAYERS:
                continue
            self.layers[key] = layer
            if finite and layer.arriving:
                looks = self._looks.setdefault(key, [])
                del looks[_LOOKS - 1 :]
                looks.append(layer.arriving)

    def counted(self) -> bool:
        """Counts a backward, and says whether its gradients are kept: of the first, then powers of two."""
        self.count = count = self.count + 1
        return count <= _FIRST_ROWS or not count & (count - 1)

    def keep(self, number: int, norms: Iterable[tuple[int, float]]) -> None:
        """Keeps, of the norms of all gradients of backward `number`, those of the known weights."""
        self._rows.append((number, {key: norm for key, norm in norms if key in self.layers}))

    def fact(self, place: Place, describe: Callable[[int], tuple[str, int]]) -> GradientProfile:
        """What was kept; `describe` gives a weight's name and its number of elements."""
        ordered = sorted(self.layers.items(), key=lambda item: -item[1].depth)
        return GradientProfile(
            place.location(),
            self.count,
            tuple(number for number, _ in self._rows),
            tuple(self._layer(key, layer, *describe(key)) for key, layer in ordered),
            self.nodes,
        )

    def _layer(self, key: int, layer: Layer, name: str, numel: int) -> LayerGradient:
        rms = tuple(row.get(key, math.nan) / math.sqrt(max(numel, 1)) for _, row in self._rows)
        place = layer.place.location() if layer.place is not None else None
        arriving = _typical(self._looks.get(key, []))
        return LayerGradient(name, layer.depth, layer.op, place, rms, arriving, layer.recurrent)


def _typical(looks: list[tuple[float, ...]]) -> tuple[float, ...]:
    """The medians over the looks that saw as many uses as the latest."""
    alike = [look for look in looks if len(look) == len(looks[-1])] if looks else []
    return tuple(statistics.median(column) for column in zip(*alike, strict=True))


@dataclass(frozen=True, slots=True)
class _Record:
    number: int
    count: int  # of the line
    norm: float
    loss: float | None
    highest_loss: float | None  # up to here


@dataclass(slots=True)
class GrowthFold:
    """The backwards of one line whose gradient was the largest since the smallest: a handful of records."""

    count: int = 0
    _highest: float | None = None
    _last: float | None = None
    _run: list[_Record] = field(default_factory=list)
    _best: tuple[_Record, ...] = ()
    _overflow: int | None = None

    def add(self, number: int, norm: float, loss: float | None) -> None:
        """The 2-norm of all gradients of backward `number`."""
        self.count += 1
        run, count = self._run, self.count
        if loss is not None and math.isfinite(loss):
            self._last = loss
            self._highest = max(abs(loss), self._highest or 0.0)
        record = _Record(number, count, norm, loss, self._highest)
        if self._overflow is not None:
            return
        if not math.isfinite(norm) or (loss is not None and not math.isfinite(loss)):
            self._close()
            self._run = []
            if self._best and count - self._best[-1].count <= _SOON:
                self._overflow = number
        elif not run or norm <= run[0].norm or norm * _DIP < run[-1].norm:
            self._close()
            self._run = [record] if norm > 0 else []
        elif norm > run[-1].norm:
            run.append(record)
            if len(run) > _MOST_RECORDS:
                del run[1:-1:2]

    def _close(self) -> None:
        if len(self._run) > 1 and _ratio(self._run) > _ratio(self._best):
            self._best = tuple(self._run)

    def fact(self, place: Place) -> GradientGrowth | None:
        """The largest growth of the run, the one that overflowed before all others."""
        if self._overflow is None:
            self._close()
        if not self._best:
            return None
        return GradientGrowth(
            place.location(),
            tuple(record.number for record in self._best),
            tuple(record.norm for record in self._best),
            tuple(record.loss for record in self._best),
            self._overflow,
            self._best[0].highest_loss,
            self.count - self._best[-1].count,
            self._last,
        )


def _ratio(records: list[_Record] | tuple[_Record, ...]) -> float:
    return records[-1].norm / records[0].norm if records else 1.0
