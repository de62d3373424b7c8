"""A whole `nn.Module`: are the gradients of its parameters and inputs the derivatives of what it computes?

    checked = check_model(subject_of(module, "Net"), Sample((x,)), Deadline(20.0))

The module is copied in float64 and evaluated near its own parameters; it is left as it was.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from torch import nn

from gradscope.checker.models.calls import Call, ModelCalls
from gradscope.checker.models.fault import (
    checked_function,
    described,
    faulty_call,
    functions_in,
    is_wrong_function,
    last_wrong,
)
from gradscope.checker.models.float64_copy import INPUT, ModelCopy
from gradscope.checker.models.loss import Loss
from gradscope.checker.models.objective import Projection
from gradscope.checker.models.probe import ModelProbe
from gradscope.checker.models.slope import Slope, Verdict
from gradscope.checker.point import Deadline, Sample
from gradscope.checker.raised import raised
from gradscope.checker.subject import Subject
from gradscope.errors import UsageError
from gradscope.facts.checked_model import CheckedModel, FaultyModule, WrongParameter
from gradscope.facts.checks import Cause, CheckedFunction

_DIRECTIONS = 3
_REPEATS = 1e-9
_LOCATING = 10.0


def check_model(
    subject: Subject, sample: Sample, deadline: Deadline, loss: Loss | None = None
) -> CheckedModel:
    """Checks the gradients of all parameters that require one and of all floating-point inputs.

    `subject` is one of kind MODULE. Some directions are looked at even where `deadline` is over at once.
    `loss` makes the number that is differentiated from what the module returns; without it a random
    projection of everything that it returns is. Whatever the module's own code raises becomes `failure`;
    a UsageError, which a loss raises that does not fit the output, comes out.
    """
    began = time.perf_counter()
    module: nn.Module = subject.call  # type: ignore[assignment]  # the kind says that it is a module
    empty = CheckedModel(subject.name, type(module).__name__, subject.lines.whole)
    try:
        checked = _Check(module, sample, loss, deadline).facts(empty)
    except UsageError:
        raise
    except Exception as error:  # noqa: BLE001  the model's own forward or backward may raise anything
        checked = replace(empty, failure=_reason(error))
    return replace(checked, seconds=time.perf_counter() - began)


def _reason(error: Exception) -> str:
    if isinstance(error, _NothingToCheck):
        return str(error)
    kind, colon, said = raised(error).partition(": ")
    return f"{kind} while its copy in float64 was evaluated{colon}{said}"


class _NothingToCheck(Exception):
    """A model that can be evaluated, and has no gradient that could be checked."""


@dataclass(slots=True)
class _Fault:
    module: FaultyModule | None = None
    function: CheckedFunction | None = None
    is_deliberate: bool = False
    notes: list[str] = field(default_factory=list)


class _Check:
    def __init__(self, module: nn.Module, sample: Sample, loss: Loss | None, deadline: Deadline) -> None:
        self._deadline = deadline
        self._model = ModelCopy(module, sample, loss)
        self._projection = Projection(loss)
        self._said = loss.notes if loss is not None else {}
        self._slopes: dict[str, Slope] = {}
        self._notes: list[str] = []
        self._probe = self._probed()

    def facts(self, checked: CheckedModel) -> CheckedModel:
        """Everything there is to say, in the time there is."""
        together = self._directions()
        settled = [one.error for one in together if one.verdict in (Verdict.AGREES, Verdict.DIFFERS)]
        fault = None
        if any(one.verdict is Verdict.DIFFERS for one in together):
            self._bisect()
            fault = self._fault(self._differing()) if self._differing() else None
        self._one_by_one()
        wrong = self._differing()
        unreached = self._unreached(wrong)
        if fault is None:
            fault = self._fault(wrong) if wrong else _Fault()
        self._say(together)
        order = list(self._names())
        model = self._model
        return replace(
            checked,
            objective=self._projection.text,
            parameters=len(model.parameters),
            elements=sum(tensor.numel() for tensor in model.parameters.values()),
            inputs=tuple(name.removeprefix(INPUT) for name in model.inputs),
            directions=len(together),
            error=max(settled, default=None),
            looked_at=len(self._slopes),
            wrong=tuple(self._wrong(name) for name in sorted(wrong, key=order.index)),
            unreached=unreached,
            module=fault.module,
            function=fault.function,
            deliberate=fault.is_deliberate,
            low_precision=tuple(model.lifted.places),
            is_exact=model.lifted.is_exact,
            forwards=model.forwards,
            notes=(*self._said, *self._notes, *fault.notes),
        )

    def _probed(self) -> ModelProbe:
        """The probe near the module's parameters, or at them where the objective is not finite nearby."""
        probe = self._first()
        if not math.isfinite(probe.objective):
            self._model.stay()
            probe = ModelProbe(self._model, self._projection)
        if not math.isfinite(probe.objective):
            raise _NothingToCheck(f"what it returns is not finite ({probe.objective}) at this input")
        if not probe.base:
            raise _NothingToCheck("no parameter requires a gradient, and no input is a floating-point tensor")
        if abs(probe.value({}) - probe.objective) > _REPEATS * probe.magnitude:
            raise _NothingToCheck("forward returns another value at every call, under one seed")
        if not math.isfinite(probe.size):
            raise _NothingToCheck("its gradients are not finite at this input: gradscope trace says where")
        return probe

    def _first(self) -> ModelProbe:
        """A module may set requires_grad of its input: torch allows that for leaves, or where none does."""
        try:
            return ModelProbe(self._model, self._projection)
        except RuntimeError as error:
            if "requires_grad flags" not in str(error):
                raise
        self._model.gives_leaves = True
        try:
            return ModelProbe(self._model, self._projection)
        except RuntimeError:
            self._model.leave_inputs()
            self._notes.append("forward sets requires_grad of its inputs: they were not differentiated")
            return ModelProbe(self._model, self._projection)

    def _names(self) -> Sequence[str]:
        """Parameters and inputs in the order in which forward comes to them."""
        return [*self._model.inputs, *self._model.parameters]

    def _directions(self) -> list[Slope]:
        """All parameters together, a few times; the inputs once more, together with them."""
        found: list[Slope] = []
        parameters, inputs = list(self._model.parameters), list(self._model.inputs)
        if parameters:
            found += [self._probe.slope(parameters) for _ in range(_DIRECTIONS - 1)]
        if inputs:
            found.append(self._probe.slope([*parameters, *inputs]))
        return found

    def _bisect(self) -> None:
        """At least one that is wrong is found, the last in order, however little time there is."""
        names = self._names()

        def is_wrong(several: Sequence[str]) -> bool:
            found = self._probe.slope(several)
            if len(several) == 1:
                self._slopes[several[0]] = found
            return found.verdict is Verdict.DIFFERS

        index = last_wrong(names, is_wrong)
        if index is not None and names[index] not in self._slopes:
            self._slopes[names[index]] = self._probe.slope([names[index]])

    def _one_by_one(self) -> None:
        for name in reversed(self._names()):
            if self._deadline.is_over:
                return
            if name not in self._slopes:
                self._slopes[name] = self._probe.slope([name])

    def _differing(self) -> list[str]:
        return [name for name, one in self._slopes.items() if one.verdict is Verdict.DIFFERS]

    def _wrong(self, name: str) -> WrongParameter:
        one = self._slopes[name]
        given = None if self._probe.gradients[name] is None else one.analytical
        return WrongParameter(name.removeprefix(INPUT), given, one.numerical, one.uncertainty)

    def _unreached(self, wrong: Sequence[str]) -> tuple[WrongParameter, ...]:
        """Parameters without a gradient that the objective moves with once stops no longer hold."""
        stops = self._model.stops
        none = [name for name in self._model.parameters if self._probe.gradients[name] is None]
        if not stops.count or not none:
            return ()
        stops.is_holding = False
        found = []
        try:
            for name in none:
                if name in wrong or self._deadline.is_over:
                    continue
                one = self._probe.slope([name])
                if one.verdict is Verdict.DIFFERS:
                    found.append(WrongParameter(name, None, one.numerical, one.uncertainty))
        finally:
            stops.is_holding = True
        return tuple(found)

    def _fault(self, wrong: Sequence[str]) -> _Fault:
        fault = _Fault()
        try:
            calls = ModelCalls(self._model, self._projection)
            found = faulty_call(calls, wrong, Deadline(max(self._deadline.left(), _LOCATING)))
        except Exception as error:  # noqa: BLE001  a model that does not bear hooks keeps its other facts
            fault.notes.append(f"the module at fault was not found: {_reason(error)}")
            return fault
        finally:
            self._model.run({}, first=True)  # stops hold the values at the point itself again
        if found is None:
            fault.notes.append("the module at fault was not found in the time there was")
            return fault
        call, between = found
        fault.module = described(call, between)
        self._find_function(calls, call, between, fault)
        return fault

    def _find_function(self, calls: ModelCalls, call: Call, between: bool, fault: _Fault) -> None:
        """The first custom Function in the module that is wrong on its own."""
        for applied in functions_in(calls, call, between):
            checked = checked_function(applied, call.name or type(call.module).__name__)
            if checked is not None and is_wrong_function(checked):
                fault.function = checked
                fault.is_deliberate = checked.declared is not None or _is_surrogate(checked)
                return

    def _say(self, together: Sequence[Slope]) -> None:
        """Notes on what was taken for constant, and on what could not be told."""
        count = self._model.stops.count
        if count:
            values = "1 value" if count == 1 else f"{count} values"
            self._notes.append(
                f"{values} that forward takes out of the graph (detach, no_grad, item) were held constant"
            )
        verdicts = [one.verdict for one in [*together, *self._slopes.values()]]
        if Verdict.KINK in verdicts:
            self._notes.append("a kink lies exactly here: the derivative differs from side to side")
        unsettled = [name for name, one in self._slopes.items() if one.verdict is Verdict.UNSETTLED]
        if unsettled:
            names = ", ".join(name.removeprefix(INPUT) for name in unsettled[:3])
            more = f" and {len(unsettled) - 3} more" if len(unsettled) > 3 else ""
            self._notes.append(f"no step size gives a derivative in {names}{more}: it jumps there")
        left = len(self._names()) - len(self._slopes)
        if left:
            self._notes.append(f"no time was left to look at {left} of them one by one")


def _is_surrogate(checked: CheckedFunction) -> bool:
    wrong = checked.wrong_gradients
    return bool(wrong) and all(one.cause is Cause.SURROGATE for one in wrong) and not checked.wrong_returns
