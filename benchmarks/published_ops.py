"""Custom Functions of published packages that nobody here wrote: every check of `gradscope check` on each.

    python benchmarks/published_ops.py                     installs the packages into a folder of its own
    python benchmarks/published_ops.py --packages DIR      they are there already (pip install --target DIR)
    python benchmarks/published_ops.py --only entmax
    python benchmarks/published_ops.py --write             replaces the section of benchmarks/RESULTS.md

Warnings and errors are compared with what reading the code says is true (`published_functions.py`). What
is found and not true is a fault of gradscope, and so is what is true and not found.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from published_functions import FUNCTIONS, PACKAGES, Package, Published

import gradscope
from gradscope.checker.point import Sample
from gradscope.checker.run import Limits, check_function
from gradscope.checker.subjects.discovery import subject_of
from gradscope.engine import judge
from gradscope.facts import CheckedFunction, Recording
from gradscope.finding import Finding, Severity

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
BEGIN, END = "<!-- published ops -->", "<!-- end of published ops -->"
SECONDS = 7.0


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    function: Published
    checked: CheckedFunction | None
    found: tuple[str, ...]
    seconds: float = 0.0
    failure: str = ""

    @property
    def is_right(self) -> bool:
        """Whether what was found is what is true."""
        return not self.failure and set(self.found) == set(self.function.wanted)


def installed(packages: Sequence[Package], folder: Path) -> Path:
    """Each package at its version, without its dependencies but for the ones that are named."""
    names = [f"{package.name}=={package.version}" for package in packages]
    names += [need for package in packages for need in package.needs]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    for name in names:
        subprocess.run([*command, name], check=True)
    return folder


def the_class(where: str, folder: Path) -> tuple[Any, str]:
    """A class by "module:Class" or "path/in/package.py:Class", with its own name."""
    module, _, name = where.rpartition(":")
    if module.endswith(".py"):
        title = module.removesuffix(".py").replace("/", "_")
        spec = importlib.util.spec_from_file_location(title, folder / module)
        if spec is None or spec.loader is None:
            raise ImportError(f"{module} is not in {folder}")
        found: Any = importlib.util.module_from_spec(spec)
        sys.modules[title] = found
        spec.loader.exec_module(found)
    else:
        found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found, name.rpartition(".")[2]


def row_of(function: Published, folder: Path) -> Row:
    """Checks one Function."""
    try:
        cls, name = the_class(function.where, folder)
        subject = subject_of(cls, name)
        sample = Sample(function.inputs())
    except Exception as error:  # noqa: BLE001  another package's import may raise anything
        return Row(function, None, (), failure=f"{type(error).__name__}: {error}")
    if subject is None:
        return Row(function, None, (), failure="no Function")
    checked = check_function(subject, [sample], Limits(SECONDS))
    findings, _ = judge(Recording(checked=(checked,)))
    codes = tuple(sorted({code for finding in findings for code in _codes(finding)}))
    return Row(function, checked, codes, checked.seconds, checked.failure)


def _codes(finding: Finding) -> Iterator[str]:
    if finding.severity is not Severity.INFO:
        yield finding.code
    for consequence in finding.consequences:
        yield from _codes(consequence)


def table(rows: Sequence[Row]) -> str:
    """The section of RESULTS.md."""
    right = sum(row.is_right for row in rows)
    packages = len({row.function.package for row in rows})
    silent = sum(row.is_right and not row.found for row in rows)
    lines = [
        BEGIN,
        f"## published ops, {datetime.date.today()}",
        "",
        f"gradscope {gradscope.__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{torch.get_num_threads()} thread",
        "",
        f"`python benchmarks/published_ops.py`: {len(rows)} Functions of {packages} packages from the "
        f"registry, {SECONDS:g} s each at most. {right} of {len(rows)} as reading their code says, {silent} "
        "of them silent.",
        "",
        "| package | function | wanted | found | why | agrees to | s |",
        "|---|---|---|---|---|---|---|",
    ]
    versions = {package.name: package.version for package in PACKAGES}
    for row in rows:
        function = row.function
        agreement = row.checked.agreement if row.checked is not None else None
        cells = (
            f"{function.package} {versions[function.package]}",
            function.where.rpartition(":")[2],
            ", ".join(function.wanted) or "silence",
            (row.failure or ", ".join(row.found) or "silence") + ("" if row.is_right else " **differs**"),
            function.why,
            "" if agreement is None else f"{agreement:.0e}",
            f"{row.seconds:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", END, ""])


def write(text: str) -> None:
    """Puts the section into RESULTS.md, in place of the one before."""
    before = RESULTS.read_text()
    if BEGIN in before:
        head, _, rest = before.partition(BEGIN)
        before = head + rest.partition(END)[2].lstrip("\n")
    RESULTS.write_text(f"{before.rstrip()}\n\n{text}")


def main() -> int:
    """Runs all that is asked for; the exit status is 1 where anything differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.packages or installed(PACKAGES, Path(temporary))
        sys.path.append(str(folder))
        chosen = [one for one in FUNCTIONS if options.only in f"{one.package} {one.where}"]
        rows = []
        for function in chosen:
            row = row_of(function, folder)
            rows.append(row)
            found = row.failure or ", ".join(row.found) or "silence"
            mark = "ok     " if row.is_right else "DIFFERS"
            print(f"{mark} {function.package:22} {function.where.rpartition(':')[2]:34} {found}", flush=True)
    text = table(rows)
    if options.json is not None:
        options.json.write_text(
            json.dumps([[r.function.where, r.found, r.failure, r.is_right] for r in rows])
        )
    if options.write:
        write(text)
    return 0 if all(row.is_right for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
