"""Which files a pattern of `per-file-ignores` means, and how a path is written below a folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property

_WILD = re.compile(r"\*\*/?|\*|\?|\[!?[^\]/]+\]")


def below(path: str, folder: str) -> str | None:
    """The part of an absolute path below an absolute folder, with `/`; None where it lies elsewhere.

    A path and a folder that meet only when symbolic links are followed are taken to meet. Code that came
    from no file ("<string>") lies nowhere.
    """
    if not os.path.isabs(path):
        return None
    for form in (os.path.abspath, os.path.realpath):
        whole, base = form(path), form(folder).rstrip(os.sep) + os.sep
        if os.path.normcase(whole).startswith(os.path.normcase(base)):
            return whole[len(base) :].replace(os.sep, "/")
    return None


def trouble_with(pattern: str) -> str:
    """Why a pattern can never match, as the end of a sentence about it; nothing where it can."""
    text = pattern.replace("\\", "/").removeprefix("!")
    if not text.strip("/ "):
        return "is empty"
    if text.startswith("/") or re.match(r"[A-Za-z]:", text):
        return "is absolute: write it relative to the folder of this file"
    if ".." in text.split("/"):
        return (
            "leads out of the folder of this file; a pattern without .. and without / matches names anywhere"
        )
    if re.search(r"\{.*,.*\}", text):
        return "has braces, which mean nothing here: write one pattern for each"
    try:
        re.compile(_translated(text))
    except re.error as error:
        return f"is no pattern: {error.msg}"
    return ""


@dataclass(frozen=True)
class PathPattern:
    """A glob, read as in a .gitignore file that stands in `folder`.

    `*` and `?` stay within one name, `**` spans folders, `[ab]` is one of several characters. Without
    a `/` the pattern is for names, in any folder; with one it is for paths below `folder`. A folder
    that matches stands for all that is in it. A leading `!` turns the meaning around.
    """

    text: str
    folder: str

    def matches(self, path: str) -> bool:
        """Whether it means the file with this absolute path, or one of the folders that it is in."""
        inside = below(path, self.folder)
        # a leading slash is kept, so that a file elsewhere matches only names and what begins with **/
        written = path.replace(os.sep, "/") if inside is None else inside
        negated = self.text.startswith("!")
        return negated != any(self._regex.fullmatch(part) for part in self._parts(written))

    def _parts(self, path: str) -> list[str]:
        """What is compared: each name of the path, or the path and the folders that it is in."""
        names = path.split("/")
        if "/" not in self._written:
            return names
        return ["/".join(names[:count]) for count in range(1, len(names) + 1)]

    @property
    def _written(self) -> str:
        return self.text.removeprefix("!").replace("\\", "/").rstrip("/")

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        flags = re.IGNORECASE if os.name == "nt" else 0
        return re.compile(_translated(self._written.removeprefix("./")), flags | re.DOTALL)


def _translated(glob: str) -> str:
    pieces = []
    last = 0
    for found in _WILD.finditer(glob):
        pieces += [re.escape(glob[last : found.start()]), _wild(found.group())]
        last = found.end()
    return "".join([*pieces, re.escape(glob[last:])])


def _wild(text: str) -> str:
    if text.startswith("["):
        negated = text.startswith("[!")
        members = re.sub(r"([\\\[^&~|])", r"\\\1", text[2 if negated else 1 : -1])
        return f"(?!/)[{'^' if negated else ''}{members}]"
    return {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}[text]
