"""`gradscope gate --init`: the first [tool.gradscope.gate], from what the repository holds."""

from __future__ import annotations

import itertools
import json
import os
import tomllib
from collections.abc import Iterator, Sequence
from typing import Final

from gradscope.config import NAME, display_path
from gradscope.config_file import ConfigFile
from gradscope.destination import check_writable, replacing_bytes
from gradscope.errors import UsageError
from gradscope.gating.discovery.candidates import Candidate, Discovery, discover
from gradscope.gating.settings import TIME_LIMIT

MOST_TARGETS: Final = 20
_SHOWN: Final = 100
_FEW: Final = 5

_HEAD: Final = f"""\
[tool.gradscope.gate]
time-limit = {TIME_LIMIT:g}                # seconds that a target may take
# jobs = "auto"                 # how many run at a time; 1 without it
# What follows holds for all targets that it applies to; each may say otherwise.
# forbid = ["GS102", "GS4"]     # these rules fail a target even where they only warn
# fail-on = "warning"           # so does any warning
# max-norm-ratio = 1e6          # the largest gradient over the smallest, per element, between modules
# min-gradient-share = 0.9      # of the parameters, how many get a gradient that is not zero
# max-relative-error = 1e-4     # check: between a backward and the numerical derivative
# max-saved = "500 MiB"         # memory: what is kept for the backward
# max-peak = "2 GiB"            # memory: the most that is held at a time
# drift-tolerance = 0.05        # how far gradients may be from those of the baseline, relatively
# baseline = "gradscope-baseline.json"    # written by: gradscope gate --update-baseline
"""

_BY_HAND: Final = (
    "write it by hand, at the end of pyproject.toml:",
    '        [[tool.gradscope.gate.targets]]\n        trace = "train.py"\n        steps = 5',
)


def write_configuration(config_file: str | None = None) -> list[str]:
    """Appends a first gate to a configuration file, and returns lines that say what was written.

    Without a name the file is the nearest pyproject.toml, up to the folder of the repository, or a new one in
    the working directory. Nothing else in it is changed. Raises UsageError where it has a gate, where nothing
    is found that a gate could run, and where it cannot be read or written.
    """
    path = os.path.abspath(config_file) if config_file is not None else _place(os.getcwd())
    name = display_path(path)
    before = _bytes(path, name)
    check_writable("--config" if config_file else "--init", name, path, NAME)
    found = discover(os.path.dirname(path))
    if not found.candidates:
        raise _nothing(found, os.path.dirname(path))
    after = _appended(before, configuration_text(found))
    _check(after, name)
    with replacing_bytes(os.path.realpath(path)) as file:
        file.write(after)
    return _told(name, found)


def _told(name: str, found: Discovery) -> list[str]:
    shown = _chosen(found.candidates)
    ready = sum(1 for each in shown if not _missing(each))
    waiting, left = len(shown) - ready, len(found.candidates) - len(shown)
    lines = [f"{name} has a [tool.gradscope.gate] of {_targets(ready)} now; gradscope gate runs it"]
    if waiting:
        lines.append(f"{_targets(waiting)} commented out there: something is missing that only you know")
    if left:
        lines.append(f"{_targets(left)} found as well, and named in a comment at the end")
    return lines + _skipped(found)


def _skipped(found: Discovery) -> list[str]:
    lines = [f"not looked at: {each}" for each in found.skipped[:_FEW]]
    more = len(found.skipped) - _FEW
    return [*lines, f"not looked at: {more} more"] if more > 0 else lines


def configuration_text(found: Discovery) -> str:
    """The TOML of a gate that runs what was found: at most MOST_TARGETS, the rest named in a comment."""
    shown = _chosen(found.candidates)
    left = [each for each in found.candidates if each not in shown]
    blocks = [_HEAD, *(_entry(each) for each in shown)]
    if left:
        names = "".join(f"#   {each.command} = {_quoted(each.target)}\n" for each in left)
        blocks.append(f"# Found as well:\n{names}")
    return "\n".join(blocks)


def _chosen(candidates: Sequence[Candidate]) -> list[Candidate]:
    """As many as are shown, some of each command, in their own order; those that run as they are first."""
    ordered = sorted(candidates, key=lambda each: bool(_missing(each)))
    commands = {each.command: [one for one in ordered if one.command == each.command] for each in candidates}
    turns = itertools.chain.from_iterable(itertools.zip_longest(*commands.values()))
    kept = list(itertools.islice((each for each in turns if each is not None), MOST_TARGETS))
    return [each for each in candidates if each in kept]


def _entry(candidate: Candidate) -> str:
    lines = [f"# {_comment(candidate.why)}"]
    body = list(_lines(candidate))
    missing = _missing(candidate)
    if missing:
        lines += [f"# {each}" for each in missing]
        body = [f"# {line}" for line in body]
    return "\n".join([*lines, *body]) + "\n"


def _lines(candidate: Candidate) -> Iterator[str]:
    yield "[[tool.gradscope.gate.targets]]"
    yield f"{candidate.command} = {_quoted(candidate.target)}"
    if candidate.required:
        yield f"arguments = [{', '.join(_quoted(word) for word in _placeholders(candidate.required))}]"
    if candidate.steps is not None:
        yield f"steps = {candidate.steps}  # optimizer steps, after which it is ended"
    if candidate.search_path is not None:
        yield f"environment = {{ PYTHONPATH = {_quoted(candidate.search_path)} }}"


def _placeholders(required: Sequence[str]) -> Iterator[str]:
    for name in required:
        if name.startswith("-"):
            yield name
            yield "..."
        else:
            yield name.upper() if name.isidentifier() else "..."


def _missing(candidate: Candidate) -> list[str]:
    """Why it would not run as it stands, as comments."""
    missing = []
    if candidate.required:
        asked = ", ".join(candidate.required)
        missing.append(f"It does not run without {_comment(asked)}: fill them in.")
    if candidate.group:
        missing.append(f"It probably wants torchrun: {_comment(candidate.group)}.")
    return missing


def _comment(text: str) -> str:
    """Text that stays within one comment."""
    shown = "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."


def _quoted(text: str) -> str:
    """A TOML string. What JSON writes is one, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _targets(count: int) -> str:
    return f"{count} target{'s' if count != 1 else ''}"


# ---------------------------------------------------------------- the file


def _place(folder: str) -> str:
    """The pyproject.toml of a folder, or of one above it in the same repository; a new one where none is."""
    here = folder
    while True:
        if os.path.isfile(os.path.join(here, NAME)):
            return os.path.join(here, NAME)
        above = os.path.dirname(here)
        if os.path.exists(os.path.join(here, ".git")) or above == here:
            return os.path.join(folder, NAME)
        here = above


def _bytes(path: str, name: str) -> bytes:
    """What the file holds now, nothing where there is none; UsageError where it has a gate already."""
    if not os.path.exists(path):
        return b""
    file = ConfigFile.read(path, name)
    gate = ("tool", "gradscope", "gate")
    if file.place(gate) is not None:
        what = "it has a [tool.gradscope.gate] already"
        raise file.wrong(gate, what, "gradscope gate  runs it; delete it first to have it written anew")
    with open(path, "rb") as stream:
        return stream.read()


def _appended(before: bytes, text: str) -> bytes:
    """The file's own bytes as they are, and the text behind them, with line ends like theirs."""
    end = before.rfind(b"\n")
    is_crlf = end > 0 and before[end - 1 : end] == b"\r"
    newline = "\r\n" if is_crlf else "\n"
    lead = "" if not before else newline if before.endswith(b"\n") else newline * 2
    return before + (lead + text.replace("\n", newline)).encode()


def _check(content: bytes, name: str) -> None:
    """Raises UsageError where the text cannot follow what the file holds: an inline [tool.gradscope]."""
    try:
        tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise UsageError(
            f"{name}: a [tool.gradscope.gate] cannot be appended to it as tool.gradscope is written there",
            try_next="write [tool.gradscope] as a table with a header of its own",
        ) from None


def _nothing(found: Discovery, folder: str) -> UsageError:
    files = f"{found.looked_at:,} Python file{'s' if found.looked_at != 1 else ''}"
    what = f"nothing to run in {files} of {folder}: no script that trains, no custom gradient"
    return UsageError(what, where=_skipped(found), try_next=_BY_HAND)
