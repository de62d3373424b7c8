"""What of the findings counts in a unit test.

A test is no training program: it runs one backward of many, of a part of a model, or makes torch raise on
purpose. What only a whole program can do wrong is judged where a test trains, and what a test that passes has
seen itself is no finding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from gradscope.facts import Leaf, Recording
from gradscope.finding import Finding
from gradscope.reporters.paths import in_package

WHOLE_PROGRAM: Final = frozenset(
    ("GS103", "GS106", "GS107", "GS108", "GS302", "GS404", "GS405", "GS406", "GS501", "GS502", "GS503")
)
"""Rules about how a program trains: parameters that nothing uses, order of calls, depth profiles."""

SEEN_BY_THE_TEST: Final = frozenset(("GS101", "GS105", "GS201", "GS202", "GS204", "GS301"))
"""Rules that explain an exception of torch's, or a `.grad` of None: a test that passes has seen it."""

OF_PARAMETERS: Final = frozenset(("GS102",))
"""Rules that count for parameters alone: a tensor that the test made itself may well go two ways."""

OF_VALUES: Final = frozenset(("GS401", "GS402", "GS403"))
"""Rules about values that are not finite: tests of an op go to the edge of where it is defined."""

TRAINING_STEPS: Final = 2
"""From so many optimizer steps on a test is taken to train."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which findings of a test are shown. `root` is the absolute folder of the project.

    `chosen` are codes of rules that were asked for by name: they are judged in every test.
    """

    root: str
    chosen: frozenset[str] = frozenset()

    def of(self, recording: Recording, *, passed: bool) -> Callable[[Finding], bool]:
        """Whether a finding counts in the test of this recording, which passed or did not."""

        def counts(finding: Finding) -> bool:
            if passed and (finding.code in SEEN_BY_THE_TEST or _is_refused(finding, recording)):
                return False
            trains = recording.steps >= TRAINING_STEPS
            if finding.code in WHOLE_PROGRAM and not trains and finding.code not in self.chosen:
                return False
            if finding.code in OF_PARAMETERS and not _trained(finding.subjects, recording):
                return False
            return finding.location is None or self.is_own(finding.location.path)

        return counts

    def can_fail(self, finding: Finding, recording: Recording) -> bool:
        """Whether a finding can fail a test that passed: NaN in tensors of the test's own is shown only."""
        return finding.code not in OF_VALUES or any(_is_trained(leaf) for leaf in recording.leaves)

    def is_own(self, path: str) -> bool:
        """Whether a file is the project's and not that of a package it uses.

        The project's own package may be installed, as tox does it: it lies below the root too.
        """
        inside = in_package(path)
        if not inside:
            return True
        return any(os.path.isfile(os.path.join(self.root, source, inside)) for source in ("", "src", "lib"))


def _trained(names: Iterable[str], recording: Recording) -> bool:
    leaves = (recording.leaf(name) for name in names)
    return any(leaf is not None and _is_trained(leaf) for leaf in leaves)


def _is_trained(leaf: Leaf) -> bool:
    """Whether a module or an optimizer has it, and it is to be trained."""
    return leaf.requires_grad and (leaf.root is not None or leaf.is_parameter or bool(leaf.optimizers))


def _is_refused(finding: Finding, recording: Recording) -> bool:
    """Whether it explains why an optimizer refused a tensor, by an exception."""
    refused = {each.location for each in recording.rebindings if each.optimizer_at is not None}
    return finding.code == "GS104" and finding.location in refused
