"""GS601 for a whole model: which module's backward gives wrong gradients, and parameters that get none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gradscope.facts import CheckedModel, Recording, WrongParameter
from gradscope.finding import Confidence, Finding, Note, Related, Severity
from gradscope.rules._words import quoted

_finding = partial(Finding, "GS601", "wrong-gradient")
_MOST_NAMES = 3
_MEANT = frozenset(["teacher", "target", "ema", "momentum", "frozen", "reference", "ref", "old"])
"""Words in a parameter's name that say that it is not meant to learn."""


def model_findings(recording: Recording) -> Iterator[Finding]:
    """One finding for each model whose gradients are wrong, and one for parameters that get none."""
    for model in recording.checked_models:
        if model.wrong and not model.deliberate and not _is_known(model, recording):
            yield _wrong(model)
        unreached = [one for one in model.unreached if _MEANT.isdisjoint(_parts(one.name))]
        if unreached:
            yield _without(model, unreached)


def _is_known(model: CheckedModel, recording: Recording) -> bool:
    """Whether the Function at fault was checked, and found wrong, on its own as well."""
    return model.function is not None and any(
        one.name == model.function.name and one.backward == model.function.backward and one.wrong_gradients
        for one in recording.checked
    )


def _wrong(model: CheckedModel) -> Finding:
    module, function = model.module, model.function
    count = model.parameters + len(model.inputs)
    nearest = model.wrong[-1]
    related = []
    if function is not None:
        location, at_fault = function.backward, f"the backward of {function.name}"
        if module is not None and module.location is not None:
            related.append(Related(module.location, f"{_module(model)} calls it here"))
    elif module is not None:
        at_fault = f"the forward of {_module(model)}" if module.between else f"{_module(model)}"
        location = module.location
    else:
        location, at_fault = None, ""
    culprit = f": {at_fault} is at fault" if at_fault else ""
    return _finding(
        severity=Severity.ERROR,
        message=f"{len(model.wrong)} of {count} gradients of {model.name} are wrong{culprit}",
        location=location or model.location,
        label="what comes after it is right, what comes before is not" if at_fault else "",
        subjects=tuple(one.name for one in model.wrong),
        related=tuple(related),
        notes=(Note("gradient", _numbers(nearest)), *_element(model)),
        evidence={
            "model": model.name,
            "module": module.name if module is not None else None,
            "function": function.name if function is not None else None,
            "analytical": nearest.analytical,
            "numerical": nearest.numerical,
            "uncertainty": nearest.uncertainty,
            "wrong": len(model.wrong),
            "checked": model.looked_at,
        },
        fix=_fix(model),
    )


def _module(model: CheckedModel) -> str:
    module = model.module
    if module is None or not module.name:
        return model.type_name
    return f"{quoted(module.name, 'the module')} ({module.type_name})"


def _numbers(one: WrongParameter) -> str:
    numerical = f"numerical {one.numerical:.6g} ± {one.uncertainty:.0e}"
    if one.analytical is None:
        return f"{one.name} gets none; along one direction {numerical}"
    ratio = f", ratio {one.ratio:.4g}" if one.ratio is not None else ""
    return f"{one.name}, along one direction: analytical {one.analytical:.6g}, {numerical}{ratio}"


def _element(model: CheckedModel) -> Iterator[Note]:
    """The worst element of the Function at fault, on the arguments of the model's own call."""
    if model.function is None or not model.function.wrong_gradients:
        return
    worst = model.function.wrong_gradients[0]
    given = "none" if worst.analytical is None else f"{worst.analytical:.6g}"
    where = f"{worst.input_name}[{', '.join(map(str, worst.element))}]" if worst.element else worst.input_name
    pattern = f"; {worst.pattern_text}" if worst.pattern_text else ""
    yield Note("function", f"{where}: analytical {given}, numerical {worst.numerical:.6g}{pattern}")


def _fix(model: CheckedModel) -> str:
    function = model.function
    if function is not None and function.location is not None:
        return f"gradscope check {function.location.path}:{function.name} shows the element and the pattern"
    if function is not None:
        return f"a check of {function.name} on its own shows the element and the pattern"
    if model.module is not None and model.module.between:
        return "look at the code of this forward that is not in a module of its own, and at hooks on it"
    return "look at the backward of what this module calls, and at hooks that change gradients"


def _without(model: CheckedModel, unreached: Sequence[WrongParameter]) -> Finding:
    names = ", ".join(quoted(one.name, "a parameter") for one in unreached[:_MOST_NAMES])
    more = f" and {len(unreached) - _MOST_NAMES} more" if len(unreached) > _MOST_NAMES else ""
    get = "gets" if len(unreached) == 1 else "get"
    return _finding(
        severity=Severity.WARNING,
        confidence=Confidence.PROBABLE,
        message=f"{names}{more} of {model.name} {get} no gradient, and what it returns depends on them",
        location=model.location,
        label="something in it takes values out of the graph",
        subjects=tuple(one.name for one in unreached),
        notes=(Note("gradient", _numbers(unreached[0])),),
        evidence={"model": model.name, "unreached": len(unreached)},
        fix="gradscope trace names the line that stops them (detach, .data, .item(), no_grad); "
        "where it is meant, requires_grad_(False) says so",
    )


def _parts(name: str) -> set[str]:
    return {word for part in name.lower().split(".") for word in part.split("_")}
