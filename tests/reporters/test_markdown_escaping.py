"""Text in Markdown is shown letter for letter, whatever stands in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from gradscope.reporters.markdown_page import escaping

from .markdown_reading import BECOMES_A_LINK, OURS, READERS, read

PIECES = (
    *("`", "``", "```", "\\", "|", "*", "**", "_", "__", "~", "~~", "~~~", "[", "]", "(", ")", "![", "](u)"),
    *("<", "</b>", ">", "<img src=x>", "<a href=x>", "<!--", "-->", "&", "&amp;", "&#64;", "[x](y)", "[^1]"),
    *("#", "##", "#1", "1.", "1)", "-", "+", "=", "---", "===", "    ", " ", "  ", ":", "::", "'", '"', "!"),
    *("@all", "a@b.c", "http://x.y", "www.x.y", ":smile:", "$x$", "$", "deadbeef1", "GH-1", "!1", "~b", "%1"),
    *("a", "b c", "é", "損失", "{{7*7}}", "\\|", "|\\", "[ ]", "x_y"),
)
CONTEXTS: dict[str, tuple[str, Callable[[str], str], str]] = {
    "code": ("{}", escaping.code, ""),
    "paragraph": ("{}", escaping.paragraph, ""),
    "prose": ("- **x**: {}", escaping.prose, "x:"),
    "fenced": ("{}", escaping.fenced, ""),
    "cell": ("| a |\n| --- |\n| {} |", escaping.cell, "a"),
}


CRAFTED = (
    "a&amp;b",
    "a&copy",
    "x\\",
    "\\*a*",
    "*a*",
    "_a_",
    "a_b_c",
    "~~a~~",
    "a\\|b",
    "||",
    "`` a ``",
    "` `",
    "`a`b`",
    "x\\`a`",
)


def texts() -> Iterator[str]:
    yield from CRAFTED
    chance = random.Random(7)
    for _ in range(400):
        yield "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 9)))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_any_text_is_shown_letter_for_letter(context: str, reader: str) -> None:
    template, escaped, lead = CONTEXTS[context]
    for text in texts():
        page = read(template.format(escaped(text)), reader)
        wanted, got = (lead + text).split(), page.text.split()
        if escaped in (escaping.prose, escaping.paragraph):  # `x` is code there, without its backticks
            wanted, got = ([word.replace("`", "") for word in words] for words in (wanted, got))
        assert "".join(got) == "".join(wanted), (text, escaped(text))
        assert page.tags <= OURS, (text, escaped(text))
        assert not BECOMES_A_LINK.search(page.prose), (text, escaped(text))


@pytest.mark.parametrize("reader", READERS)
def test_nothing_in_a_block_ends_it(reader: str) -> None:
    text = "a\n```\n# no heading\n````\n~~~~~\n</code></pre>\n\n    b\n`````text"
    page = read(f"{escaping.fenced(text)}\n\nafter", reader)
    assert page.code == [f"{text}\n"]
    assert page.prose.strip() == "after"


def test_ordinary_sentences_are_left_as_they_are() -> None:
    for text in (
        "x.grad is None, and 3 of 4 parameters have no gradient (see encoder.0.weight)",
        "`att` was changed after softmax saved it for backward",
        "stay in torch: smooth() -> conv1d, 12% of 1e-3 & more",
        "my_module.linear_1 gets `x @ y`, not `y`",
    ):
        assert escaping.prose(text) == text
    assert escaping.code(" a ") == "`  a  `"  # a reader takes one blank off either end
    assert escaping.paragraph("- 1. # x") == "\\- 1. # x"
    assert escaping.paragraph("12) x") == "12\\) x"
    assert escaping.paragraph("### x") == "\\### x"
