"""What each backward did: its line, its loss, and below it the module tree or the chain-rule table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from rich.text import Text

from gradscope.facts import Backward, ChainTable, Recording
from gradscope.finding import Location
from gradscope.reporters.screen.chain_table import chain_lines
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.tree import tree_lines
from gradscope.reporters.screen.words import clip, clip_end, number, plural, wrap

_MOST_BACKWARDS: Final = 6
_MOST_TABLES: Final = 4
_MOST_TABLE_ROWS: Final = 36
_LONGEST_SEED: Final = 30
_SHORTEST_SOURCE: Final = 20
_VERBS: Final = {"backward": "backward", "grad": "autograd.grad"}


def backward_lines(recording: Recording, page: Page, *, values: bool = True) -> list[Text]:
    """Everything about the backward passes; empty where none ran.

    Programs with modules show the module tree, small graphs the chain rule at work.
    """
    if not recording.backwards:
        return []
    if recording.modules or not recording.chains:
        blocks = list(_tree_blocks(recording, page, values=values))
    else:
        blocks = list(_table_blocks(recording, page))
    if hidden := len(recording.chains) - len(_shown_tables(recording)):
        more = plural(hidden, "more backward")
        blocks.append([Text(f"{more} with a chain-rule table: see the JSON report", STYLES["faint"])])
    return [line for i, block in enumerate(blocks) for line in ([Text()] if i else []) + block]


def _tree_blocks(recording: Recording, page: Page, *, values: bool) -> Iterator[list[Text]]:
    """All backwards and the tree they share, then a table for each small graph."""
    failed = recording.program.error is not None and not any(leaf.gradient for leaf in recording.leaves)
    tree = [] if failed else tree_lines(recording, page, values=values)
    yield [*_headers(recording.backwards, page), *tree]
    for table in _shown_tables(recording):
        yield [*_table_header(table, None, recording, page), *chain_lines(table, page)]


def _table_blocks(recording: Recording, page: Page) -> Iterator[list[Text]]:
    """The backwards without a table, then each table under the backward it belongs to."""
    tabled = {table.backward for table in recording.chains}
    known = {backward.location: backward for backward in recording.backwards}
    if others := [backward for backward in recording.backwards if backward.location not in tabled]:
        yield list(_headers(others, page))
    for table in _shown_tables(recording):
        header = _table_header(table, known.get(table.backward), recording, page)
        yield [*header, *chain_lines(table, page)]


def _shown_tables(recording: Recording) -> list[ChainTable]:
    """The first table, and the next ones as long as they are few and short."""
    rows = list(accumulate(len(table.rows) for table in recording.chains[:_MOST_TABLES]))
    fitting = [
        table for table, total in zip(recording.chains, rows, strict=False) if total <= _MOST_TABLE_ROWS
    ]
    return fitting or list(recording.chains[:1])


def _headers(backwards: Sequence[Backward], page: Page) -> Iterator[Text]:
    for backward in backwards[:_MOST_BACKWARDS]:
        yield from _header(verb_at(backward, backward.location, page), backward_items(backward, page), page)
    if len(backwards) > _MOST_BACKWARDS:
        hidden = plural(len(backwards) - _MOST_BACKWARDS, "more line")
        yield Text(f"and {hidden} that ran a backward", STYLES["faint"])


def _table_header(
    table: ChainTable, backward: Backward | None, recording: Recording, page: Page
) -> Iterator[Text]:
    """The head of a chain-rule table; without `backward`, the pass itself has been told above."""
    head = verb_at(backward, table.backward, page) if backward else chain_rule_of(table, page)
    source = page.text(recording.line(table.backward).strip())
    items = []
    if table.value is not None and table.scalar:
        items.append(f"{page.text(table.root or 'result')} = {number(table.value)}")
    if table.seed is not None:
        items.append(f"seed {clip(page.text(table.seed), _LONGEST_SEED)}")
    if table.times > 1:
        items.append(f"seen {table.times:,} times")
    is_only = [other.backward for other in recording.chains].count(table.backward) == 1
    if backward is not None and is_only:
        items += _size(backward)
    if source:
        head = f"{head}: {clip_end(source, max(_SHORTEST_SOURCE, page.width - cells(head) - 2))}"
    return _header(head, items, page)


def chain_rule_of(table: ChainTable, page: Page) -> str:
    """`chain rule of train.py:5`."""
    return f"chain rule of {page.near(table.backward)}" if table.backward else "chain rule"


def verb_at(backward: Backward, location: Location | None, page: Page) -> str:
    """`backward at train.py:98`, `autograd.grad at ...`."""
    verb = _VERBS.get(backward.call, backward.call)
    return f"{verb} at {page.near(location)}" if location else verb


def backward_items(backward: Backward, page: Page) -> list[str]:
    """`seen 3 times`, `loss 2.3 -> 1.1`, `40 nodes`: what is told of a backward beside its place."""
    items = [f"seen {backward.count:,} times"] if backward.count > 1 else []
    if backward.loss is not None:
        name = backward.root if backward.root and backward.root.isidentifier() else "loss"
        moved = backward.count > 1 and backward.last_loss is not None
        last = f" -> {number(backward.last_loss)}" if moved and backward.last_loss is not None else ""
        items.append(f"{page.text(name)} {number(backward.loss)}{last}")
    if backward.seed is not None:
        items.append(f"seed {clip(page.text(backward.seed), _LONGEST_SEED)}")
    return items + _size(backward)


def _size(backward: Backward) -> list[str]:
    items = [plural(backward.nodes, "node"), plural(backward.leaves, "leaf", "leaves")]
    return [*items, "create_graph"] if backward.create_graph else items


def _header(head: str, items: list[str], page: Page) -> Iterator[Text]:
    """The head and its items on one line, or the items below it."""
    line = "  ".join([head, *items])
    if cells(line) <= page.width:
        yield Text.assemble((head, "bold"), line[len(head) :])
        return
    yield from (Text(part, "bold") for part in wrap(head, page.width))
    below = Text(" ")
    for item in items:
        if cells(item) + 1 > page.width - below.cell_len and below.plain.strip():
            yield below
            below = Text(" ")
        below.append(" " * (2 if below.plain.strip() else 1) + item)
    yield below
