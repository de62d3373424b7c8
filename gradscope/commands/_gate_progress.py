"""What a gate tells while it runs: a line that moves on a terminal, a line for each target in a log."""

from __future__ import annotations

import contextlib
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from gradscope.commands._stage_line import StageLine
from gradscope.errors import printable

if TYPE_CHECKING:
    from gradscope.gating.settings import GateTarget
    from gradscope.outcomes import Outcome


def say(line: str) -> None:
    """Writes a line to stderr. Where nobody reads it any more, the targets are judged all the same."""
    with contextlib.suppress(OSError):  # a closed pipe, a full disk
        click.echo(line, err=True)


class GateProgress:
    """Told of every target that starts, and of every outcome; on stderr."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0
        self._running: list[str] = []
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._line = StageLine() if is_terminal else None

    def __enter__(self) -> Self:
        if self._line is not None:
            self._line.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._line is not None:
            self._line.__exit__(kind, error, traceback)

    def started(self, target: GateTarget) -> None:
        """A target begins to run."""
        self._running.append(target.name)
        self._show()

    def ended(self, outcome: Outcome) -> None:
        """A target was judged."""
        self._ended += 1
        if outcome.name in self._running:
            self._running.remove(outcome.name)
        if self._line is not None:
            self._show()
            return
        from gradscope.reporters.screen.gate.targets import verdict_word

        words = (f"{self._ended}/{self._total}", verdict_word(outcome), outcome.command)
        name = printable(outcome.name)
        say(f"gradscope: {' '.join(words)} {name} ({outcome.seconds:.1f} s)")

    def _show(self) -> None:
        if self._line is not None and self._running:
            names = printable(", ".join(self._running))
            self._line.show(f"{self._ended} of {self._total} done, now {names}"[:_WIDEST])


_WIDEST = 70
