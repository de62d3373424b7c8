"""What to do about a wrong gradient, in words that can be followed."""

from __future__ import annotations

from gradscope.facts.checks import Cause, CheckedFunction, Pattern, SubjectKind, WrongGradient

COMPILED = "only under torch.compile"
SCALED = ("times smaller", "times larger")
_LAYOUTS = ("contiguous", "channels_last", "storage", "stride", "expanded")


def gradient_fix(checked: CheckedFunction, wrong: WrongGradient) -> str:
    """What to write instead of a wrong gradient, as far as its condition and its pattern tell."""
    name = f"`{wrong.input_name}`"
    if wrong.way == "against":
        return f"correct what {wrong.against} returns for {name}"
    if wrong.way == "jvp":
        return f"correct the formula of jvp: backward is right for {name}"
    if wrong.cause is Cause.MISSING:
        if _is_in_a_list(checked, wrong):
            several = wrong.input_name.partition("[")[0]
            return f"pass the tensors in `{several}` as separate arguments: autograd sees none inside of it"
        return f"return the gradient of {name}, or detach {name} in forward if it has none"
    if wrong.way == "vmap":
        return "make vmap give the values and the gradients that a loop over the samples gives"
    if "grad_output" in wrong.condition:
        return "take grad_output with any strides: .contiguous() before its memory is read or written"
    if wrong.condition == COMPILED:
        return "let backward do the same where it is traced: no is_compiling(), no state of Python's own"
    if wrong.condition.endswith(SCALED):
        return f"correct the formula for {name}: it is right for the inputs as they were given"
    if wrong.condition.endswith("no rows"):
        return (
            f"return a finite gradient of {name} there: the mean of nothing is NaN, the sum of nothing is 0"
        )
    if any(word in wrong.condition for word in _LAYOUTS):
        return "make backward give the same gradients there as for contiguous tensors of the same values"
    if wrong.condition:
        return f"make the gradient of {name} right there too: it is right elsewhere"
    return f"{_by_pattern(wrong, name)}{_there(wrong)}"


def _is_in_a_list(checked: CheckedFunction, wrong: WrongGradient) -> bool:
    """Whether the tensor is part of a container: `apply` looks for tensors among its arguments alone."""
    first, bracket, _ = wrong.input_name.partition("[")
    return checked.kind is SubjectKind.FUNCTION and bool(bracket) and first != "args"


def _there(wrong: WrongGradient) -> str:
    """ ", only where x < 0": a pattern's place, which the fix holds for."""
    _, comma, place = wrong.pattern_text.partition(", only ")
    return f"{comma}{place}"


def _by_pattern(wrong: WrongGradient, name: str) -> str:
    match wrong.pattern:
        case Pattern.SIGN:
            return f"turn the sign of the gradient of {name}"
        case Pattern.REGION | Pattern.ROWS | Pattern.BOUNDARY:
            return f"correct the formula for {name}: it is wrong {wrong.pattern_text}"
        case Pattern.FACTOR if "the factor" in wrong.pattern_text:
            factor, _, how = wrong.pattern_text.partition("the factor ")[2].partition(" ")
            verb = "multiply" if how.startswith("is missing") else "do not multiply"
            again = "" if verb == "multiply" else " again"
            return f"{verb} the gradient of {name} by {factor.partition('=')[0]}{again}"
        case Pattern.FACTOR:
            return _scaled_back(name, wrong.pattern_text)
        case Pattern.TRANSPOSE:
            return f"transpose the gradient of {name}"
        case Pattern.MISSING_GRAD_OUTPUT:
            return f"multiply the gradient of {name} by grad_output"
        case Pattern.SWAPPED:
            return "return the gradients in the order of forward's arguments"
        case Pattern.MISSING_REDUCTION:
            return f"sum the gradient of {name} over all of the output, not over a part"
        case Pattern.ZERO:
            return f"compute the gradient of {name}: it is 0 in backward"
    return f"correct the formula for {name}, or declare it: `# gradscope: approximate[...]` above the class"


def _scaled_back(name: str, text: str) -> str:
    """What undoes "every element is 1.5 times too large and the sign is wrong"."""
    plain = text.removeprefix("every element is ").partition(", only ")[0]
    times, close, _ = plain.partition(" times what it should be")
    if close:
        return f"divide the gradient of {name} by {times}: probably a constant with too few digits"
    times, _, how = plain.partition(" times too ")
    verb = "divide" if how.startswith("large") else "multiply"
    sign = ", and turn its sign" if "the sign is wrong" in how else ""
    what = how.partition(f": {times} is ")[2]
    summed = "sum where it takes a mean" if verb == "multiply" else "take a mean where it sums"
    why = f", {what} (or {summed})" if what else ""
    return f"{verb} the gradient of {name} by {times}{why}{sign}"
