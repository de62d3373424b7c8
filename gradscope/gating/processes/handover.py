"""The folder that a target's processes share with the gate: what is to be done, and what came of it.

No torch here.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from gradscope.facts import Recording
from gradscope.gating.settings import GateTarget
from gradscope.outcomes import Trouble


@dataclass(frozen=True, slots=True)
class Job:
    """One target, the absolute folder to run it in, and the bytes that all its processes may take together.

    `memory_limit` None is no limit.
    """

    target: GateTarget
    folder: str
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class Handed:
    """What a target's process hands over: a recording, or why there is none; both where memory ran out."""

    recording: Recording | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one target, in a folder of their own."""

    folder: str

    @classmethod
    def made_for(cls, job: Job) -> Self:
        """A new folder with the job in it."""
        place = cls(tempfile.mkdtemp(prefix="gradscope-gate-"))
        place._put("job", job)
        return place

    @property
    def words(self) -> str:
        """The file into which `faulthandler` writes where the process was; it begins with `MAIN`."""
        return os.path.join(self.folder, "words.txt")

    @property
    def stage(self) -> str:
        """The file with what is done now, for what is done in stages: "checking 2 of 3: Softmax"."""
        return os.path.join(self.folder, "stage.txt")

    def job(self) -> Job:
        """What is to be done."""
        with open(os.path.join(self.folder, "job"), "rb") as file:
            job: Job = pickle.load(file)
        return job

    def hand_over(self, handed: Handed) -> None:
        """Writes down what came of it: all of it, or nothing."""
        self._put("handed", handed)

    def handed(self) -> Handed | None:
        """What came of it; None where nothing was handed over. Raises whatever pickle does for a bad file."""
        try:
            with open(os.path.join(self.folder, "handed"), "rb") as file:
                handed: Handed = pickle.load(file)
        except FileNotFoundError:
            return None
        return handed

    def text(self, path: str) -> str:
        """What one of the files holds; "" where there is none."""
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
        return ""

    def remove(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _put(self, name: str, value: object) -> None:
        path = os.path.join(self.folder, name)
        with open(f"{path}.part", "wb") as file:
            pickle.dump(value, file)
        os.replace(f"{path}.part", path)
