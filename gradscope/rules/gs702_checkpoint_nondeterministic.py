"""A checkpointed region computes something else when it is run again in the backward.

What it finds
    Under `torch.utils.checkpoint`, an op whose result in the recomputation differs from its result in the
    first run by more than rounding, where a gradient is computed from what differs: a counter, Python's or
    NumPy's random numbers, a generator of the program's own, `preserve_rng_state=False`, a switch to
    `eval()`, a weight that was stepped or a tensor that was written to before the backward.

Why it matters
    Nothing raises: torch compares only shapes and dtypes. The gradients are those of a function that was
    never run in the forward.

Example
    ```python
    import torch
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 4))
    calls = 0


    def block(x):
        global calls
        calls += 1
        return torch.tanh(x @ weight * calls)


    loss = checkpoint(block, torch.randn(8, 4), use_reentrant=False).sum()
    loss.backward()
    ```

Use instead
    ```python
    import torch
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 4))
    calls = 0


    def block(x, calls):
        return torch.tanh(x @ weight * calls)


    calls += 1
    loss = checkpoint(block, torch.randn(8, 4), calls, use_reentrant=False).sum()
    loss.backward()
    ```

Limits
    Runs are compared for the first three backwards, and then for each whose number is a power of two.
    What compiled code and custom Functions compute is seen where another op uses it. A difference that
    rounding could make, such as that of an atomic addition on a GPU, is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from gradscope import syntax
from gradscope.facts import Recomputed, RecomputedOp, Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._parts import operand, without_keyword
from gradscope.rules._source import replaced, snippet
from gradscope.rules._words import caught, counted, ended, keeps_failing, number, op_words, place

_finding = partial(Finding, "GS702", "checkpoint-nondeterministic")
_MODAL = frozenset(["batch", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha", "feature", "rrelu"])


@rule("GS702", "checkpoint-nondeterministic", Severity.ERROR)
def checkpoint_nondeterministic(recording: Recording) -> Iterator[Finding]:
    """One finding for each op that is recomputed with another result."""
    found: dict[object, list[RecomputedOp]] = {}
    for fact in recording.recomputed_ops:
        where = _branch(recording, fact) or _made_at(recording, fact) or fact.location
        found.setdefault((fact.cause, where.at if where else fact.op), []).append(fact)
    for facts in found.values():
        yield _finding_for(recording, facts)


def _finding_for(recording: Recording, facts: list[RecomputedOp]) -> Finding:
    fact = next((one for one in facts if one.raised), facts[0])
    branch, made = _branch(recording, fact), _made_at(recording, fact)
    location = branch or made or fact.location or fact.checkpoint
    certain = fact.cause is not Recomputed.UNKNOWN and not fact.drifted and made is None
    return _finding(
        severity=_severity(recording, fact),
        message=f"{fact.function} is recomputed otherwise than it ran: {_why(recording, fact)}",
        location=location,
        confidence=Confidence.CERTAIN if certain else Confidence.PROBABLE,
        label=_label(fact, branch, made),
        related=tuple(_related(fact, location)),
        notes=tuple(_notes(fact)),
        evidence={
            "op": fact.op,
            "cause": str(fact.cause),
            "ended_program": fact.ended_program,
            "leaf": fact.leaf,
            "difference": fact.difference,
            "first": fact.first,
            "again": fact.again,
            "differing": sum(one.differing for one in facts),
            "compared": sum(one.compared for one in facts),
        },
        fix=_fix(recording, fact),
        count=sum(one.differing for one in facts),
    )


def _severity(recording: Recording, fact: RecomputedOp) -> Severity:
    if not fact.raised:
        return Severity.ERROR
    return ended(fact.ended_program, keeps_failing=keeps_failing(recording, fact.backward))


def _branch(recording: Recording, fact: RecomputedOp) -> Location | None:
    """The test that sent the recomputation another way, where one lies between the two ops."""
    if fact.parted is None:
        return None
    one, other = fact.parted
    text = "\n".join(recording.sources.get(one.path, ()))
    span = syntax.deciding_test(text, _point(one), _point(other) if other is not None else None)
    if span is None:
        return None
    line, column, end_line, end_column = span
    return replace(one, line=line, column=column, end_line=end_line, end_column=end_column)


def _point(location: Location) -> tuple[int, int]:
    return location.line, location.column or 1


def _made_at(recording: Recording, fact: RecomputedOp) -> Location | None:
    """The line of the same function that gives the differing tensor its name, where torch shows no op."""
    name = _argument(recording, fact)
    if fact.cause is not Recomputed.INPUT or name is None or fact.location is None:
        return None
    text = "\n".join(recording.sources.get(fact.location.path, ()))
    line = syntax.line_assigning(text, name, fact.location.line)
    if line is None:
        return None
    return Location(fact.location.path, line, function=fact.location.function, module=fact.location.module)


def _argument(recording: Recording, fact: RecomputedOp) -> str | None:
    """What the program wrote for the tensor that differs."""
    if fact.given is None:
        return None
    return operand(snippet(recording, fact.location), op_words(fact.op), fact.given)


def _why(recording: Recording, fact: RecomputedOp) -> str:
    op = op_words(fact.op)
    match fact.cause:
        case Recomputed.SCALAR if _is_switched(fact):
            return f"{op} runs in {_mode(fact.again)} mode, in {_mode(fact.first)} mode in the first run"
        case Recomputed.SCALAR:
            return f"{op} is given another number"
        case Recomputed.RANDOM:
            return f"{op} draws other random numbers"
        case Recomputed.GENERATOR:
            return f"{op} draws from a generator that no checkpoint sets back"
        case Recomputed.DATA:
            return f"{op} brings other numbers from Python or NumPy"
        case Recomputed.WRITTEN:
            return f"{_subject(recording, fact)} was written to in between"
        case Recomputed.INPUT if fact.first:
            return f"{op} is given {fact.again}, in the first run {fact.first}"
        case Recomputed.INPUT:
            return f"{op} is given other values in {_subject(recording, fact)}"
        case Recomputed.PATH if not fact.first:
            return f"{op_words(fact.again)} runs, which did not run before"
        case Recomputed.PATH if not fact.again:
            return f"{op} does not run again"
        case Recomputed.PATH if fact.again == fact.op:
            return f"another {op} runs"
        case Recomputed.PATH:
            return f"{op_words(fact.again)} runs in place of {op}"
    return f"{op} gives another result"


def _subject(recording: Recording, fact: RecomputedOp) -> str:
    text = _argument(recording, fact)
    return fact.leaf or (f"`{text}`" if text else "a tensor from outside")


def _is_switched(fact: RecomputedOp) -> bool:
    """Whether what differs is the `training` that a module hands to an op."""
    return {fact.first, fact.again} == {"True", "False"} and fact.op.partition("_")[0] in _MODAL


def _mode(training: str) -> str:
    return "train" if training == "True" else "eval"


def _label(fact: RecomputedOp, branch: Location | None, made: Location | None) -> str:
    if fact.cause is Recomputed.PATH:
        return "this comes out otherwise in the backward" if branch else "the ways part here"
    if made is not None:
        return "this gives something else when it is recomputed"
    if fact.first:
        return f"{fact.first} in the first run, {fact.again} when it is recomputed"
    if fact.difference is not None:
        return f"recomputed, the result is off by {_share(fact.difference)} of its norm"
    return "recomputed, the result is another"


def _share(difference: float) -> str:
    return f"{difference:.0%}" if difference >= 0.01 else number(difference)


def _related(fact: RecomputedOp, location: Location | None) -> Iterator[Related]:
    known = {location.at} if location else set()
    first, again = op_words(fact.op), op_words(fact.again)
    parted = fact.cause is Recomputed.PATH
    described = (
        (fact.location, f"here {first if fact.first else again} runs in one of the runs only")
        if parted and fact.instead is None
        else (fact.location, f"the first run went on with {first}" if parted else f"{first} uses it here"),
        (fact.written_at, f"{op_words(fact.written_by)} writes to it here"),
        (fact.instead, f"the recomputation went on with {again}"),
        (fact.checkpoint, "what this checkpoint runs is run again in the backward"),
    )
    for where, message in described:
        if where is not None and where.at not in known:
            known.add(where.at)
            yield Related(where, message)


def _notes(fact: RecomputedOp) -> Iterator[Note]:
    if fact.raised:
        yield Note("torch raised", fact.raised)
        yield from caught(fact.ended_program)
    elif fact.of:
        saved = f"{fact.saved:,} of {counted(fact.of, 'tensor')}"
        yield Note("so", f"gradients are wrong: {saved} that the backward needs came out otherwise")
    else:
        yield Note(
            "so", "gradients are wrong: they are those of the second run, the loss is that of the first"
        )
    if fact.drifted:
        yield Note("but", "rounding errors differed before it: the difference may have grown from them")


def _fix(recording: Recording, fact: RecomputedOp) -> str:
    match fact.cause:
        case Recomputed.SCALAR if _is_switched(fact):
            return f"switch to {_mode(fact.again)} mode after the backward"
        case Recomputed.RANDOM if not fact.preserves_rng:
            call = without_keyword(snippet(recording, fact.checkpoint), "preserve_rng_state")
            return replaced(recording, fact.checkpoint, call) if call else "preserve_rng_state=True"
        case Recomputed.RANDOM | Recomputed.GENERATOR:
            return "draw before the checkpoint, and pass what was drawn to it as an argument"
        case Recomputed.WRITTEN:
            return _fix_of_write(recording, fact)
        case Recomputed.PATH:
            return "decide before the checkpoint, and pass the choice to it as an argument"
        case Recomputed.UNKNOWN:
            here = place(fact.location, fact.checkpoint)
            return f"leave {here} out of the checkpoint, or have it depend on its arguments only"
    return "compute it before the checkpoint, and pass it as an argument: arguments are the same in both runs"


def _fix_of_write(recording: Recording, fact: RecomputedOp) -> str:
    what = fact.leaf or _argument(recording, fact) or "the tensor"
    if fact.written_at is not None and fact.location is not None and fact.written_at.at == fact.location.at:
        return (
            f"leave {place(fact.location, fact.checkpoint)} out of the checkpoint: it changes its own state"
        )
    where, used = fact.written_at, fact.location
    if where is not None and used is not None and (where.path, where.function) == (used.path, used.function):
        return f"write to {what} outside the checkpoint ({place(where, used)}), after the backward"
    call = f" ({place(where, used)})" if where is not None else ""
    if fact.leaf:
        return f"change {what} after the backward{call}"
    return (
        f"write to {what} after the backward{call}, or pass {what}.clone() to the checkpoint as an argument"
    )
