"""The expression at a place: what it is assigned to, and its text."""

from __future__ import annotations

import pytest

from gradscope.syntax import expression_at


@pytest.mark.parametrize(
    ("statement", "assigned"),
    [
        ("c = a * b", (None, None)),
        ("l *= a", ("l", "l * a")),
        ("l -= 0.5*a.sum()", ("l", "l - (0.5*a.sum())")),
        ("self.total += f(a)", ("self.total", "self.total + f(a)")),
        ("h @= w if deep else v", ("h", "h @ (w if deep else v)")),
        ("n >>= 2", ("n", "n >> 2")),
        ("b[:, 0] += a", (None, "b[:, 0] += a")),
    ],
)
def test_what_an_augmented_assignment_assigns_is_written_out(
    statement: str, assigned: tuple[str | None, str | None]
) -> None:
    assert expression_at(f"x = 1\n{statement}\n", 2, 1, 2, len(statement) + 1) == assigned


def test_the_right_side_of_an_assignment_has_its_variable() -> None:
    assert expression_at("total: float = a + b\n", 1, 16, 1, 21) == ("total", "a + b")
    assert expression_at("total = f(a + b)\n", 1, 11, 1, 16) == (None, "a + b")
