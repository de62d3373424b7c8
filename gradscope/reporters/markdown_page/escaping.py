"""Text as Markdown shows it, letter for letter: no markup, links, mentions, HTML or images come of it.

GitHub and GitLab turn names, numbers of issues, commits, addresses, emoji and formulas into links and
pictures after the Markdown was read, whatever is escaped in it; only in code they let them be. So a word that
looks like one of those becomes code. All functions take printable text, and all but `fenced` a single line.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(r"(?:`[^`]+`|\S)+|\s+")
_QUOTED: Final = re.compile(r"([^`]*)`([^`]+)`([^`]*)")
_LINKING: Final = re.compile(
    r"[@$]"  # mentions and mail, formulas
    r"|://|www\."
    r"|#\d|GH-\d|(?<![^\W_])[!~%&^]\w"  # issues; what GitLab has beside them
    r"|(?<![^\W_])[0-9a-f]{7,40}(?![^\W_])"  # commits
    r"|:[\w+-]+:",  # emoji
    re.IGNORECASE,
)
_SPECIAL: Final = re.compile(
    r"[*\[<~`]"
    r"|\\(?=[!-/:-@\[-`{-~]|$)"  # where it would escape what follows
    r"|&(?=[#\w])"
    r"|(?<![^\W_])_|_(?![^\W_])"  # inside a word it means nothing
)
_OPENING: Final = re.compile(r"[#>+=-]|\d+[.)]")
_TICKS: Final = re.compile(r"`+")


def prose(text: str) -> str:
    """A sentence, with `code in backticks` as such; not for the beginning of a line."""
    return "".join(_word(token) for token in _TOKEN.findall(text))


def paragraph(text: str) -> str:
    """Prose that stands at the beginning of a line, where `#`, `-` and `1.` mean something."""
    shown = prose(text.strip())
    opening = _OPENING.match(shown)
    end = opening.end() - 1 if opening else 0
    return f"{shown[:end]}\\{shown[end:]}" if opening else shown


def _word(token: str) -> str:
    quoted = _QUOTED.fullmatch(token)
    before, inside, after = quoted.groups() if quoted else (token, "", "")
    if _LINKING.search(before) or _LINKING.search(after):
        return code(token)
    return f"{_escaped(before)}{code(inside) if inside else ''}{_escaped(after)}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def code(text: str) -> str:
    """A code span: its fence is longer than any backticks in it."""
    fence = "`" * _fence_length(text, 1)
    padding = " " if text.startswith("`") or text.endswith("`") or text.strip(" ") != text else ""
    return f"{fence}{padding}{text}{padding}{fence}" if text else ""


def cell(text: str) -> str:
    """Code in a cell of a table, which a bare bar would end."""
    return code(text).replace("|", "\\|")


def fenced(text: str, language: str = "text") -> str:
    """A fenced block of lines; its fence is longer than any backticks in it."""
    fence = "`" * _fence_length(text, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def _fence_length(text: str, least: int) -> int:
    runs = [len(run) for run in _TICKS.findall(text)]
    if least == 1:  # a code span ends at a run of just its length
        return next(length for length in range(1, len(runs) + 2) if length not in runs)
    return max([least - 1, *runs]) + 1
