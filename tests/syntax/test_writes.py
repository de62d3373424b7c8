"""Which lines write into an array."""

from textwrap import dedent

import pytest

from gradscope import syntax


@pytest.mark.parametrize(
    "statement",
    [
        "a[:] = x",
        "a[0] += 1",
        "np.copyto(a, x)",
        "a.fill(0)",
        "rng.shuffle(a)",
        "rng.random(out=a)",
        "b = np.add(a, x, out=a)",
        "np.add.at(a, i, 1)",
        "a += x",
    ],
)
def test_a_write_is_known(statement):
    assert syntax.element_writes(f"b = f(a)\n{statement}\n", 1, 2) == [2]


@pytest.mark.parametrize("statement", ["a = x + 1", "print(a)", "b = np.add(a, x)", "a: int = 3"])
def test_other_statements_write_nothing(statement):
    assert syntax.element_writes(f"{statement}\n", 1, 1) == []


SOURCE = dedent(
    """
    def step(self):
        self.t += 1
        self.state[:] = f(self.state)

    env.step()
    """
)


def test_a_counter_comes_after_what_can_only_be_an_array():
    assert syntax.element_writes(SOURCE, 6, 6) == [4, 3]
    assert syntax.element_writes(SOURCE, 2, 4) == [4, 3]
