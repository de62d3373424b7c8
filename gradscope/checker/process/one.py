"""One function or model, with the best samples there are: what it takes from a subject to a fact."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType

import torch

from gradscope.checker.models.checking import check_model
from gradscope.checker.models.loss import Loss
from gradscope.checker.point import Deadline, Sample
from gradscope.checker.process.extras import Extras
from gradscope.checker.process.messages import CheckedAny
from gradscope.checker.raised import raised, raised_at
from gradscope.checker.run import Limits, check_function, described, import_late
from gradscope.checker.samples.arguments import samples_for
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.discovery import subject_of
from gradscope.checker.watched import Watched
from gradscope.errors import GradscopeError, TargetError
from gradscope.facts import CheckedModel, SubjectKind
from gradscope.finding import Location
from gradscope.loader.inputs import Inputs


@dataclass(frozen=True, slots=True)
class Terms:
    """How the functions of one module are checked. `seconds` is the time for each, None for no limit; `loss`
    is that of an nn.Module.
    """

    module: ModuleType | None
    given: Inputs | None
    seconds: float | None
    device: torch.device
    extras: Extras = field(default_factory=Extras)
    loss: Loss | None = None

    def check(
        self,
        subject: Subject,
        captured: Sequence[Sample] = (),
        watched: Watched = Watched(),  # noqa: B008  frozen
    ) -> CheckedAny:
        """Checks one subject. InputError where the inputs that were given do not fit it."""
        import_late(subject)
        limits = Limits(self.seconds)
        deadline = Deadline(limits.deadline().left() / 2)
        samples, why = samples_for(subject, self.module, self.given, captured, deadline)
        if not samples:
            return failed(subject, why)
        if subject.kind is SubjectKind.MODULE:
            return check_model(subject, samples[0], limits.deadline(), self.loss)
        checked = check_function(subject, samples, limits, watched, self.device)
        if not checked.is_checked:
            return checked
        return self.extras.added(checked, subject, samples, self.seconds)

    def guarded(self, subject: Subject, captured: Sequence[Sample], watched: Watched) -> CheckedAny:
        """The same, whatever the subject's code does to us short of ending the process."""
        try:
            return self.check(subject, captured, watched)
        except GradscopeError:
            raise
        except SystemExit as leaving:
            return failed(subject, f"it calls sys.exit({leaving.code!r})", raised_at(leaving))
        except KeyboardInterrupt as error:
            return failed(subject, "it raises KeyboardInterrupt", raised_at(error))
        except Exception as error:  # noqa: BLE001  one function's fault must not cost the others
            traceback.print_exception(error)
            return failed(subject, f"a fault of gradscope's own: {raised(error)}")


def check_value(value: object, name: str, terms: Terms) -> CheckedAny:
    """Checks a value in this process. TargetError for what cannot be checked, InputError for inputs that do
    not fit.
    """
    subject = subject_of(value, name, terms.module)
    if subject is None:
        raise not_checkable(value, name)
    return terms.check(subject)


def not_checkable(value: object, name: str) -> TargetError:
    """The error for a value that has no gradient to check."""
    kind = "a class" if isinstance(value, type) else f"of type {type(value).__name__}"
    return TargetError(
        f"{name} is {kind}; what is checked is a torch.autograd.Function, a custom op, a function or an "
        "nn.Module"
    )


def described_any(subject: Subject) -> CheckedAny:
    """A subject's name and lines, nothing measured yet."""
    if subject.kind is SubjectKind.MODULE:
        return CheckedModel(subject.name, type(subject.call).__name__, subject.lines.whole)
    return described(subject)


def failed(subject: Subject, why: str, place: Location | None = None) -> CheckedAny:
    """A subject that could not be checked, and where its code failed."""
    known = described_any(subject)
    if isinstance(known, CheckedModel):
        return replace(known, failure=why)
    return replace(known, failure=why, failed_at=place)
