"""Arguments found by trial: likely ones are tried on forward until it returns finite numbers."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from gradscope.checker.point import Deadline, Sample
from gradscope.checker.samples.option import Option
from gradscope.checker.samples.roles import ANCHORS, Asked, Clues, anchors, options_of
from gradscope.checker.samples.told import wants_a_tensor, with_told_shape
from gradscope.checker.samples.trials import Candidate, Trial, Values, backward_error, try_forward
from gradscope.checker.subject import Subject
from gradscope.checker.subjects import sources
from gradscope.facts.checks import Origin, SubjectKind
from gradscope.loader.guess import guess_inputs
from gradscope.loader.inputs import from_expressions, required

_MOST_TRIALS = 300
_FEWEST_TRIALS = 40  # also where the first one, which may import and compile, has taken all the time
_SECONDS = 1.0  # for all trials, where the deadline leaves as much
_SLOW = 0.4  # seconds; after a forward that takes longer nothing else is tried
_SLACK = 1  # steps: how much less likely arguments may be for a backward that runs with them
_MOST_SAMPLES = 4
_TENSORS = ("float", "int", "bool", "list", "shares")
_REFUSALS = ("AssertionError", "ValueError")
_ABOUT_VALUES = ("domain", "positive", "negative", "range", "between", "probab", "singular")


def infer(subject: Subject, deadline: Deadline) -> tuple[list[Sample], str]:
    """At most four samples, the likeliest first, and why there are none.

    The others have another number of dimensions, or another flag or word that forward asks for.
    """
    if subject.signature is not None and not subject.signature.parameters:
        return [], "it takes no arguments"
    if subject.kind is SubjectKind.MODULE:
        guessed = _guessed(subject)
        if guessed is not None:
            return [guessed], ""
    search = _Search(subject, Deadline(min(_SECONDS, deadline.left() / 2)))
    found = search.run()
    if found is None:
        return [], search.reason()
    return [each.sample() for each in (found, *search.variants(found))][:_MOST_SAMPLES], ""


def _guessed(subject: Subject) -> Sample | None:
    """What the layers of a module tell of its input."""
    for guess in guess_inputs(subject.call):  # type: ignore[arg-type]  # of this kind `call` is the module
        given = from_expressions(guess.expressions)
        sample = Sample(
            given.args, dict(given.kwargs), f"inferred: {guess.options} from {guess.layer}", Origin.INFERRED
        )
        if try_forward(subject, sample).works:
            return sample
    return None


class _Search:
    """The trials of one subject, the likeliest arguments first."""

    def __init__(self, subject: Subject, deadline: Deadline) -> None:
        self._subject = subject
        self._deadline = deadline
        self._trials = 0
        self._slow = False
        self._first_failure = ""
        self._uses = sources.parameter_uses(subject)
        self._texts = sources.compared_texts(subject)

    def run(self) -> Candidate | None:
        """The likeliest arguments that forward takes; of about equal ones, some that backward takes too.

        A backward that gives a gradient for what was made up as a number, or one of another shape, tells
        what the argument is meant to be.
        """
        best: Candidate | None = None
        last: Candidate | None = None
        for candidate in self._candidates():
            if not any(option.what in ("float", "list") for option in candidate.options):
                continue
            if self._is_over(_MOST_TRIALS) or (best is not None and candidate.cost > best.cost + _SLACK):
                break
            working = self._working(candidate)
            if working is None:
                continue
            error = backward_error(self._subject, working.sample())
            if not error:
                return working
            told = with_told_shape(working, error)
            if told is not None and self._takes(told):
                return told
            if wants_a_tensor(working, error):
                last = last or working
            else:
                best = best or working
        return best or last

    def variants(self, found: Candidate) -> Iterator[Candidate]:
        """Other arguments worth a look: another word or flag, a tensor left out, other dimensions."""
        if self._slow:
            return
        table = self._options(found.parameters, found.anchor)
        for number, option in enumerate(found.options):
            default = found.parameters[number].default
            others = [each for each in table[number] if _is_counterpart(each, option, default)]
            telling = (found.with_option(number, other) for other in others)
            yield from islice(filter(self._takes, telling), 1)
        yield from islice(filter(self._takes, self._of_other_dimensions(found, table)), 1)

    def _of_other_dimensions(self, found: Candidate, table: list[list[Option]]) -> Iterator[Candidate]:
        """The same choices with a first tensor of more or fewer dimensions, more before fewer.

        Only where all tensors have one shape: others have dimensions with a meaning of their own, and a
        forward that takes more of them may still not be made for it.
        """
        if not all(option.shape == found.anchor for option in found.options if option.what in _TENSORS):
            return
        chosen = [options.index(option) for options, option in zip(table, found.options, strict=True)]
        size = len(found.anchor)
        for anchor in sorted((a for a in ANCHORS if a and len(a) != size), key=lambda a: len(a) < size):
            other = self._options(found.parameters, anchor)
            if all(index < len(options) for index, options in zip(chosen, other, strict=True)):
                picked = tuple(options[index] for index, options in zip(chosen, other, strict=True))
                if [each.what for each in picked] == [each.what for each in found.options]:
                    yield replace(found, anchor=anchor, options=picked, unusual=True)

    def reason(self) -> str:
        """Why nothing was found."""
        needed = required(self._subject.signature) if self._subject.signature is not None else ["x"]
        values = ", ".join(needed) + ("," if len(needed) == 1 else "")
        in_file = f'gradscope_inputs = {{"{self._subject.name}": ({values})}}'
        advice = " ".join(f"--input '{name}=...'" for name in needed) + f", or in the file {in_file}"
        if self._trials < _MOST_TRIALS and (self._deadline.is_over or self._slow):
            return f"no arguments were found in the time there was; give them: {advice}"
        first = f" (the first attempt: {self._first_failure})" if self._first_failure else ""
        return f"forward raises for all {self._trials} sets of arguments tried{first}; give them: {advice}"

    # ------------------------------------------------------------ trials

    def _is_over(self, most: int) -> bool:
        late = self._deadline.is_over and self._trials >= _FEWEST_TRIALS
        return late or self._slow or self._trials >= most

    def _working(self, candidate: Candidate) -> Candidate | None:
        """The candidate with elements for which forward returns finite numbers."""
        for values in Values:
            drawn = candidate.drawn_from(values)
            trial = self._try(drawn)
            if trial.works:
                return drawn
            if self._slow or (trial.error and not _is_about_values(trial.error)):
                return None
        return None

    def _takes(self, candidate: Candidate) -> bool:
        return self._try(candidate).works and not backward_error(self._subject, candidate.sample())

    def _try(self, candidate: Candidate) -> Trial:
        self._trials += 1
        trial = try_forward(self._subject, candidate.sample())
        self._slow = self._slow or (trial.seconds > _SLOW and self._trials > 1)
        if trial.error and not self._first_failure:
            self._first_failure = trial.error
        return trial

    # ------------------------------------------------------------ candidates

    def _candidates(self) -> Iterator[Candidate]:
        """All combinations, those with the fewest steps away from the likeliest first."""
        tables: list[tuple[tuple[Asked, ...], tuple[int, ...], list[list[Option]]]] = []
        waiting: list[tuple[int, int, tuple[int, ...], int]] = []
        for extra, parameters in enumerate(_arities(self._subject)):
            for rank, anchor in enumerate(anchors(frozenset(each.name for each in parameters[1:]))):
                options = self._options(parameters, anchor)
                if all(options):
                    tables.append((parameters, anchor, options))
                    start = (rank + extra, len(tables) - 1, (0,) * len(parameters), 0)
                    waiting.append(start)
        heapq.heapify(waiting)
        while waiting:
            cost, number, chosen, last = heapq.heappop(waiting)
            parameters, anchor, options = tables[number]
            picked = tuple(each[index] for each, index in zip(options, chosen, strict=True))
            yield Candidate(parameters, picked, anchor, cost)
            for place in range(last, len(chosen)):
                if chosen[place] + 1 < len(options[place]):
                    following = (*chosen[:place], chosen[place] + 1, *chosen[place + 1 :])
                    heapq.heappush(waiting, (cost + 1, number, following, place))

    def _options(self, parameters: Sequence[Asked], anchor: tuple[int, ...]) -> list[list[Option]]:
        names = frozenset(each.name for each in parameters)
        return [
            options_of(
                each,
                Clues(
                    anchor,
                    number == 0,
                    self._uses.get(each.name, frozenset()),
                    tuple(self._texts.get(each.name, ())),
                    names,
                ),
            )
            for number, each in enumerate(parameters)
        ]


def _is_counterpart(other: Option, option: Option, default: object) -> bool:
    """Whether a branch of forward may depend on which of the two it is given."""
    if other == option:
        return False
    if option.what == "value" and isinstance(option.value, str | bool):
        return other.what == "value" and type(other.value) is type(option.value)
    if option.what == "left out":
        return isinstance(default, bool) and isinstance(other.value, bool)
    return option.what == "float" and other.what == "left out"


def _arities(subject: Subject) -> Sequence[tuple[Asked, ...]]:
    """The parameters to give values to; several lists where their number is open."""
    if subject.signature is None:
        return [tuple(map(Asked, ("input", "other", "third")[:count])) for count in (1, 2, 3)]
    fixed: list[Asked] = []
    starred = ""
    for parameter in subject.signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = parameter.name
        elif parameter.kind is not parameter.VAR_KEYWORD:
            fixed.append(Asked.of(parameter))
    if not starred:
        return [tuple(fixed)]
    places, named = [a for a in fixed if not a.by_name], [a for a in fixed if a.by_name]
    more = [Asked(f"{starred}[{number}]") for number in range(3)]
    return [(*places, *more[:count], *named) for count in ((1, 0, 2) if places else (2, 1, 3))]


def _is_about_values(error: str) -> bool:
    """Whether an error may go away with other numbers in the same shapes."""
    return error.startswith(_REFUSALS) or any(word in error.lower() for word in _ABOUT_VALUES)
