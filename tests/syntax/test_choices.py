"""What a number is used for, by the names in the source."""

from textwrap import dedent

import pytest

from gradscope import syntax

LEAVES = "left = gate(x).item()"


def of(*lines: str) -> str:
    return "\n".join([LEAVES, *map(dedent, lines)])


@pytest.mark.parametrize(
    "lines",
    [
        "if left > 0:\n    y = a(x)",
        "if left > 0:\n    outs.append(a(x))",
        "while left > 0:\n    x = a(x)",
        "y = a(x) if left > 0 else b(x)",
        "k = int(left)\ny = experts[k](x)",
        "for _ in range(int(left)):\n    x = a(x)",
        "match left:\n    case 1:\n        y = a(x)",
        "head = getattr(self, f'head{left}')",
    ],
)
def test_it_decides(lines):
    assert syntax.chooses(of(lines), 1)


@pytest.mark.parametrize(
    "lines",
    [
        "print(left)",
        "if left != left:\n    raise ValueError",
        "if left > 9:\n    logger.warning('large')",
        "if left > 9:\n    continue",
        "assert left > 0",
        "log['gate'] = left",
        "if step > 9:\n    y = a(x)",
    ],
)
def test_it_is_only_told(lines):
    assert not syntax.chooses(of(lines), 1)


def test_a_test_on_the_line_itself():
    assert syntax.chooses("if gate(x).mean() > 0:\n    y = a(x)\nelse:\n    y = b(x)", 1)
    assert not syntax.chooses("if gate(x).isnan().any():\n    raise ValueError", 1)


def test_a_constructor_that_takes_numbers():
    assert syntax.fills_tensor(of("h = torch.FloatTensor([left, left])"), 1)
    assert syntax.fills_tensor("h = torch.Tensor(gate(x).tolist())", 1)
    assert not syntax.fills_tensor(of("h = list([left])"), 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return gate(x).item()", True),
        ("k = gate(x).item()\n    return k", True),
        ("return gate(x).item(), x", False),
        ("k = gate(x).item()\n    return x", False),
    ],
)
def test_what_a_function_gives_back(body, expected):
    assert syntax.returns(f"def route(x):\n    {body}\n", 2) is expected


def test_source_that_does_not_parse_says_nothing():
    assert not syntax.chooses("if (", 1)
    assert not syntax.fills_tensor("if (", 1)
    assert not syntax.returns("if (", 1)
