"""`python -m gradscope` and the `gradscope` command."""

from __future__ import annotations

import sys

from gradscope.cli import run


def main() -> None:
    """Runs the command line and leaves the process with its exit status."""
    sys.exit(run())


if __name__ == "__main__":
    main()
