"""The line on a terminal that says what is done now."""

from __future__ import annotations

import sys
import threading

import click


class StageLine:
    """It is redrawn in its place; what is said only after some seconds, while a program may print of its
    own, is a line that stays.
    """

    def __init__(self) -> None:
        self._later: threading.Timer | None = None
        self._out = sys.stderr  # the one that the terminal shows, also while what is run prints nowhere

    def __enter__(self) -> StageLine:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._forget()
        click.echo("\r\x1b[2K", nl=False, file=self._out)

    def show(self, text: str, after: float = 0.0) -> None:
        """Shows `text`; where `after` is given, in that many seconds, if nothing else was shown by then."""
        self._forget()
        if after:
            self._later = threading.Timer(after, click.echo, (f"gradscope: {text}",), {"file": self._out})
            self._later.daemon = True
            self._later.start()
        else:
            click.echo(f"\r\x1b[2Kgradscope: {text}", nl=False, file=self._out)

    def _forget(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
