"""How long each storage of a step lives, by the choices of checkpointing.

A storage lives until the forward lets go of it, and longer as far as something keeps it: a node that saved
it in a call that is not checkpointed, a checkpoint that was given it, a selective one that need not make it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from gradscope.memory_use.agreed import BLOCK, SELECTIVE, Choices
from gradscope.memory_use.recomputation import Recomputation, recomputation
from gradscope.memory_use.traced import NEVER, Pack, StepTrace


class Lives:
    """The deaths of storages, as events of the traced step.

    `depending` are the storages whose life depends on choices, by the blocks that it depends on.
    """

    def __init__(self, trace: StepTrace) -> None:
        self._trace = trace
        self._packs: dict[int, list[Pack]] = defaultdict(list)
        self._packs_in: dict[int, list[Pack]] = defaultdict(list)
        for pack in trace.packs:
            self._packs[pack.storage].append(pack)
            for number in pack.calls:
                self._packs_in[number].append(pack)
        self._calls: dict[int, list[int]] = defaultdict(list)
        self._given_to: dict[int, list[int]] = defaultdict(list)
        self._product_of: dict[int, list[int]] = defaultdict(list)
        for number, call in enumerate(trace.calls):
            if number not in self._packs_in:
                continue  # it saves nothing: a checkpoint of it keeps and does nothing
            self._calls[call.block].append(number)
            for storage in call.inputs:
                self._given_to[storage].append(number)
            for storage in call.products:
                self._product_of[storage].append(number)
        self._recomputations: dict[tuple[int, bool], Recomputation] = {}
        self.depending = self._grouped()

    def _grouped(self) -> dict[tuple[int, ...], list[int]]:
        groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for storage in {*self._packs, *self._given_to, *self._product_of}:
            calls = {number for pack in self._packs[storage] for number in pack.calls}
            calls.update(self._given_to.get(storage, ()), self._product_of.get(storage, ()))
            blocks = {self._trace.calls[number].block for number in calls}
            if blocks and storage >= self._trace.held:
                groups[tuple(sorted(blocks))].append(storage)
        for block in self._calls:
            groups.setdefault((block,), [])
        return groups

    def spans(self) -> dict[int, tuple[int, int]]:
        """By block, the event of its first call and the one at which its backward is over."""
        found: dict[int, tuple[int, int]] = {}
        for block, numbers in self._calls.items():
            begins = (self._trace.births[self._trace.calls[number].begin] for number in numbers)
            overs = (self._recomputation(number, selective=False).over for number in numbers)
            found[block] = min(begins), max(overs)
        return found

    def chosen(self, block: int, choice: str) -> Iterator[tuple[int, Recomputation]]:
        """The calls of a block that a choice checkpoints, by number, and what their backward does."""
        selective = choice == SELECTIVE
        option = BLOCK if selective else choice
        for number in self._calls.get(block, ()):
            if self._trace.calls[number].option == option:
                yield number, self._recomputation(number, selective)

    def _recomputation(self, number: int, selective: bool) -> Recomputation:
        known = self._recomputations.get((number, selective))
        if known is None:
            call = self._trace.calls[number]
            kept = frozenset(call.products) if selective else frozenset()
            known = recomputation(self._trace, call, self._packs_in[number], kept)
            self._recomputations[number, selective] = known
        return known

    def _is_chosen(self, number: int, choices: Choices) -> bool:
        call = self._trace.calls[number]
        choice = choices[call.block]
        return choice == call.option or (choice == SELECTIVE and call.option == BLOCK)

    def death(self, storage: int, choices: Choices) -> int:
        """The event by which it is gone; the number of all events for one that stays."""
        trace = self._trace
        plain = trace.deaths[storage] if trace.deaths[storage] != NEVER else trace.events
        packs = self._packs.get(storage, [])
        kept = [pack for pack in packs if not any(self._is_chosen(each, choices) for each in pack.calls)]
        last = max((pack.released for pack in packs), default=NEVER)
        if any(pack.released == last for pack in kept):
            until = plain
        else:
            until = max((self._let_go(storage, plain), *(pack.released for pack in kept)))
        for number in self._given_to.get(storage, ()):
            if self._is_chosen(number, choices):
                until = max(until, self._recomputation(number, selective=False).over)
        for number in self._product_of.get(storage, ()):
            call = trace.calls[number]
            if choices[call.block] == SELECTIVE and call.option == BLOCK:
                until = max(until, self._until_taken(storage, number))
        return until

    def _let_go(self, storage: int, plain: int) -> int:
        """When the forward itself has no more need of it."""
        births = self._trace.let_go[storage] if storage < len(self._trace.let_go) else NEVER
        if births == NEVER:
            return plain
        return self._trace.births[births] if births < len(self._trace.let_go) else self._trace.turns

    def _until_taken(self, storage: int, number: int) -> int:
        """How long a selective checkpoint keeps what it need not make again."""
        call, found = self._trace.calls[number], self._recomputation(number, selective=True)
        if storage >= call.stop or found.at == NEVER:
            return found.over  # the recomputation ends before it would take it
        packs = (pack for pack in self._packs.get(storage, ()) if number in pack.calls)
        return max((found.at, *(pack.released for pack in packs)))
