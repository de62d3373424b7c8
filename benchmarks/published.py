"""Published training programs that nobody here wrote: silent when healthy, bugs found where planted.

    python benchmarks/published.py                      clone from GitHub, every program
    python benchmarks/published.py --from DIR           DIR/<owner>+<name>/repo holds the git directories
    python benchmarks/published.py --only VAE --steps 8
    python benchmarks/published.py --write              adds a section to benchmarks/RESULTS.md

Each program runs unmodified, plain and under `gradscope trace`, on random data of the shapes it expects;
packages that would download something are stood in for (`stand_ins/`). It must be silent and print the
same. Then bugs of different rules are planted in it one by one, and each must be found at its line.
Programs that have a bug as they were published are kept apart: it must be found too.
"""

from __future__ import annotations

import argparse
import datetime
import io
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from published_bugs import BUGS, Bug
from published_programs import PROGRAMS, Program

import gradscope

STAND_INS = Path(__file__).resolve().parent / "stand_ins"


@dataclass(frozen=True)
class Ran:
    """One run: what it printed, and, where it was traced, the report."""

    stdout: str
    stderr: str
    status: int
    report: dict[str, Any] | None = None

    @property
    def findings(self) -> list[tuple[str, str, int]]:
        """Warnings and errors as (code, file, line); no file and 0 where there is no line."""
        found = self.report["findings"] if self.report else []
        return [
            (f["code"], f["location"]["path"], f["location"]["line"]) if f["location"] else (f["code"], "", 0)
            for f in found
            if f["severity"] != "info"
        ]


@dataclass(frozen=True)
class Row:
    """One line of the table: a program as it was published, or with one bug."""

    program: str
    what: str
    wanted: str
    got: str
    right: bool


def git_directory(source: tuple[str, str], mirrors: Path | None, into: Path) -> Path:
    """Where the repository lies, fetched at its commit into `into` unless `mirrors` holds it."""
    repository, commit = source
    name = repository.replace("/", "+")
    if mirrors is not None:
        return mirrors / name / "repo"
    found = into / name
    if not found.exists():
        git(found, "init", "--quiet", "--bare", str(found))
        git(found, "fetch", "--quiet", "--depth", "1", f"https://github.com/{repository}", commit)
    return found


def git(directory: Path, *arguments: str) -> bytes:
    command = ["git", f"--git-dir={directory}", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def check_out(program: Program, directory: Path, into: Path) -> Path:
    """Puts the Python files of the program's folder, as at its commit, below `into`; gives back where."""
    files = f":(glob){program.folder}/**/*.py" if program.folder else ":(glob)**/*.py"
    packed = git(directory, "archive", program.source[1], files)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")
    folder = into / program.folder
    program.prepare(folder)
    return folder


def plant(bug: Bug, folder: Path) -> int:
    """Makes the bug's edits and says at which line it must be found."""
    path = folder / bug.file
    text = path.read_text(encoding="utf-8")
    for old, new in bug.edits:
        assert text.count(old) == 1, f"{bug.name}: {text.count(old)} places hold {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    assert text.count(bug.line) == 1, f"{bug.name}: {text.count(bug.line)} places hold {bug.line!r}"
    return text[: text.index(bug.line)].count("\n") + 1


def run(program: Program, folder: Path, steps: int, *, traced: bool) -> Ran:
    """Runs the program in its folder; a traced run leaves its report in `report.json`."""
    report = folder / "report.json"
    arguments = shlex.split(program.arguments.format(steps=steps))
    trace = ["-m", "gradscope", "trace", "--format", "json", "--output", str(report), "--fail-on", "never"]
    split = ["--"] if traced else []
    command = [sys.executable, *(trace if traced else []), program.script, *split, *arguments]
    environment = {
        **os.environ,
        **program.environment,
        "EXAMPLES": str(program.examples * steps),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(STAND_INS), str(folder), os.environ.get("PYTHONPATH", "")]),
    }
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    found = json.loads(report.read_text(encoding="utf-8")) if report.exists() else None
    return Ran(ended.stdout, ended.stderr, ended.returncode, found)


def published(name: str, directory: Path, steps: int) -> Row:
    """The program as it is: must be silent and do what it does alone."""
    program = PROGRAMS[name]
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        plain = run(program, check_out(program, directory, Path(one)), steps, traced=False)
        traced = run(program, check_out(program, directory, Path(other)), steps, traced=True)
    if plain.status:
        return Row(name, "as published", "silence", "it failed by itself: " + plain.stderr[-300:], False)
    if traced.report is None:
        return Row(name, "as published", "silence", "no report: " + traced.stderr[-300:], False)
    same = steady(program, plain.stdout) == steady(program, traced.stdout)
    passes = sum(backward["count"] for backward in traced.report["backwards"])
    told = described(traced.findings) or f"silence in {passes} backwards"
    right = same and passes > 0 and not traced.findings and not traced.status
    return Row(name, "as published", "silence", told + ("" if same else "; it printed something else"), right)


def steady(program: Program, printed: str) -> str:
    """What a program printed, without the times."""
    return re.sub(program.changing, "", printed)


def buggy(name: str, bug: Bug, directory: Path, steps: int) -> Row:
    """The program with one bug: it must be found at its line."""
    program = PROGRAMS[name]
    with tempfile.TemporaryDirectory() as one:
        folder = check_out(program, directory, Path(one))
        line = plant(bug, folder)
        traced = run(program, folder, steps, traced=True)
    wanted = (bug.code, bug.file, line)
    got = described(traced.findings) if traced.report else "no report: " + traced.stderr[-300:]
    return Row(name, bug.name, described([wanted]), got or "silence", wanted in traced.findings)


def described(findings: list[tuple[str, str, int]]) -> str:
    return ", ".join(f"{code} {path}:{line}" if line else code for code, path, line in findings)


def rows(names: list[str], mirrors: Path | None, steps: int, jobs: int) -> Iterator[Row]:
    """Every row of the programs named, in order; `jobs` of them run at once."""
    with tempfile.TemporaryDirectory() as clones, ThreadPoolExecutor(jobs) as pool:
        found = {name: git_directory(PROGRAMS[name].source, mirrors, Path(clones)) for name in names}
        waiting = []
        for name in names:
            if PROGRAMS[name].healthy:
                waiting.append(pool.submit(published, name, found[name], steps))
            waiting += [pool.submit(buggy, name, bug, found[name], steps) for bug in BUGS[name]]
        try:
            for future in waiting:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def table(found: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| program | bug | wanted | found | |", "|---|---|---|---|---|"]
    lines += [f"| {r.program} | {r.what} | {r.wanted} | {r.got} | {'' if r.right else 'NO'} |" for r in found]
    return "\n".join(lines)


def summary(found: list[Row]) -> str:
    healthy = [row for row in found if row.wanted == "silence"]
    planted = [row for row in found if row.wanted != "silence"]
    own = sum(PROGRAMS[row.program].healthy is False for row in planted)
    return (
        f"{sum(row.right for row in healthy)} of {len(healthy)} published programs silent and unchanged, "
        f"{sum(row.right for row in planted)} of {len(planted)} bugs found at their line"
        f" ({len(planted) - own} planted, {own} in the program as published)."
    )


def sources(names: list[str]) -> str:
    """The repositories and commits that were used, as Markdown."""
    used = dict.fromkeys(PROGRAMS[name].source for name in names)
    return "\n".join(f"- https://github.com/{repository} at {commit[:12]}" for repository, commit in used)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--from", dest="mirrors", type=Path, help="a folder of git directories")
    parser.add_argument("--only", action="append", choices=[*PROGRAMS], help="a program; may be repeated")
    parser.add_argument("--steps", type=int, default=6, help="training steps of each run (default 6)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once (default 1)")
    parser.add_argument("--write", action="store_true", help="add a section to benchmarks/RESULTS.md")
    options = parser.parse_args()
    names = options.only or [*PROGRAMS]
    found = []
    for row in rows(names, options.mirrors, options.steps, options.jobs):
        found.append(row)
        mark = "ok" if row.right else "NO"
        print(f"{mark}  {row.program}: {row.what}: wanted {row.wanted}, found {row.got}", flush=True)
    print(f"\n{summary(found)}")
    if options.write:
        today = datetime.datetime.now(tz=datetime.UTC).date()
        python = platform.python_version()
        versions = f"gradscope {gradscope.__version__}, torch {torch.__version__}, Python {python}"
        parts = [f"## published programs, {today}", versions, sources(names), table(found), summary(found)]
        with Path(__file__).with_name("RESULTS.md").open("a", encoding="utf-8") as file:
            file.write("\n\n".join(parts) + "\n\n")
    return 0 if all(row.right for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
