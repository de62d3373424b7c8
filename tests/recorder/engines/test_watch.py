"""Engines of the program's own: their tables, their names, and what is said of wrong gradients."""

from __future__ import annotations

import numpy
import pytest

from gradscope import engine as judging
from gradscope.facts import Recording
from recorder.engines.running import LESSON, numbers, record

OWN_LINES = LESSON.count("\n")


def lines(recording: Recording) -> list[int]:
    return [row.location.line - OWN_LINES for row in recording.chains[-1].rows if row.location is not None]


def lesson(program: str) -> Recording:
    recording, _ = record(LESSON + program)
    assert not judging.judge(recording)[0]
    return recording


# ---------------------------------------------------------------- tables


def test_a_table_like_torchs() -> None:
    recording = lesson("x = Value(2.0)\na = x * 3\nb = a + 1\nc = b**2\nc.backward()\n")
    (table,) = recording.chains
    assert [numbers(row) for row in table.rows] == [
        ("c", 49, [14], 1, [14]),
        ("b", 7, [1], 14, [14]),
        ("a", 6, [3], 14, [42]),
        ("x", 2, 1, 42),
    ]
    assert (table.root, table.value, table.seed, table.scalar, table.times) == ("c", 49, None, True, 1)
    assert lines(recording) == [4, 3, 2]
    assert [row.node for row in table.rows] == ["**2", "+", "*", None]
    (backward,) = recording.backwards
    assert (backward.call, backward.count, backward.nodes, backward.leaves) == ("backward", 1, 3, 1)
    assert (backward.root, backward.loss, backward.location.line) == ("c", 49, 5 + OWN_LINES)
    assert recording.backward_passes == 1
    assert not recording.notes


@pytest.mark.parametrize(("text", "row"), [("x * x", [3, 3]), ("x + x", [1, 1])])
def test_a_set_of_operands_holds_one_that_stands_twice(text: str, row: list[float]) -> None:
    recording = lesson(f"x = Value(3.0)\ny = {text}\ny.backward()\n")
    (table,) = recording.chains
    assert [slope for _, slope in table.rows[0].local] == row
    assert (table.rows[1].paths, table.rows[1].outgoing) == (2, (("x", float(sum(row))),))


def test_what_an_op_is_made_of_inside_has_no_name() -> None:
    recording = lesson("x, z = Value(3.0), Value(2.0)\nd = x - z\ny = d * d\ny.backward()\n")
    (table,) = recording.chains
    assert [(row.name, row.expression) for row in table.rows] == [
        ("y", "d * d"),
        ("d", "x - z"),
        (None, None),
        ("z", None),
        ("x", None),
    ]
    assert table.rows[2].node == "*"
    assert [name for name, _ in table.rows[1].local] == ["x", "*"]


def test_loops_and_repeated_lines() -> None:
    recording = lesson(
        "x = y = Value(1.0)\nfor _ in range(3):\n    y = y - x\ny = sum([y, x], Value(0.5))\ny.backward()\n"
    )
    (table,) = recording.chains
    assert [row.name for row in table.rows if row.expression == "y - x"] == ["y"] * 3
    leaves = {row.name: row.outgoing[0][1] for row in table.rows if row.is_leaf}
    assert leaves == {"x": -1.0, "Value(0.5)": 1.0}


def test_leaves_are_named_by_what_holds_them() -> None:
    recording = lesson(
        "class Layer:\n"
        "    def __init__(self):\n"
        "        self.w = [Value(1.0), Value(2.0)]\n"
        "        self.b = {'bias': Value(0.5)}\n"
        "class Model:\n"
        "    def __init__(self):\n"
        "        self.layers = [Layer(), Layer()]\n"
        "model = Model()\n"
        "y = model.layers[1].w[0] * 3 + model.layers[0].b['bias']\n"
        "y.backward()\n"
    )
    names = {row.name for row in recording.chains[0].rows if row.is_leaf}
    assert names == {"model.layers[1].w[0]", "model.layers[0].b['bias']"}


def test_a_label_names_what_no_variable_holds() -> None:
    recording = lesson(
        "def leaf(number, label):\n"
        "    made = Value(number)\n"
        "    made.label = label\n"
        "    return made\n"
        "y = leaf(2.0, 'w') * leaf(3.0, '')\n"
        "y.backward()\n"
    )
    assert [row.name for row in recording.chains[0].rows] == ["y", "made", "made"]
    recording = lesson(
        "def leaf(number, label):\n"
        "    made = [Value(number)]\n"
        "    made[0].label = label\n"
        "    return made[0]\n"
        "y = leaf(2.0, 'w') * leaf(3.0, '')\n"
        "y.backward()\n"
    )
    assert {row.name for row in recording.chains[0].rows} == {"y", "w", "Value(number)"}


def test_one_table_a_line_and_shape_of_graph() -> None:
    recording = lesson(
        "x = Value(1.0)\nfor _ in range(5):\n    y = x * 2\n    x.grad = 0.0\n    y.backward()\n"
    )
    (table,) = recording.chains
    assert table.times == 5
    assert recording.backwards[0].count == 5


def test_a_large_graph_is_counted_and_has_no_table() -> None:
    recording = lesson("x = y = Value(1.0)\nfor _ in range(60):\n    y = y * x\ny.backward()\n")
    assert not recording.chains
    assert (recording.backwards[0].nodes, recording.backwards[0].leaves) == (60, 1)


def test_unknown_ops_have_only_what_the_engine_itself_gave() -> None:
    source = LESSON.replace('"tanh"', '"squash"')
    recording, _ = record(source + "x = Value(0.5)\ny = x.tanh()\nz = y * y\nz.backward()\n")
    (table,) = recording.chains
    _, squash, leaf = table.rows
    assert squash.node == "squash"
    assert squash.local[0][1] == pytest.approx(1 - squash.value**2)
    assert leaf.outgoing[0][1] == pytest.approx(squash.incoming * (1 - squash.value**2))
    assert not recording.notes
    shared, _ = record(source + "x = Value(0.5)\ny = x.tanh() + x.tanh()\ny.backward()\n")
    assert [row.local[0][1] for row in shared.chains[0].rows if row.node == "squash"] == [None, None]
    assert not shared.notes


def test_ops_that_are_members_of_an_enum_or_functions() -> None:
    source = LESSON.replace('(self, other), "+")', "(self, other), Op.PLUS)")
    source = source.replace('(self, other), "*")', "(self, other), operator.mul)")
    source = source.replace('(self,), "tanh")', "(self,), Op.TANH)")
    names = "import enum, operator\nclass Op(enum.Enum):\n    PLUS = '+'\n    TANH = 3\n"
    recording, _ = record(names + source + "x = Value(0.5)\ny = (x * 3 + x).tanh()\ny.backward()\n")
    (table,) = recording.chains
    assert [row.node for row in table.rows] == ["TANH", "+", "mul", None]
    assert [slope for _, slope in table.rows[2].local] == [3.0]
    assert not recording.notes


def test_a_seed() -> None:
    source = LESSON.replace("def backward(self):", "def backward(self, seed=1.0):").replace(
        "self.grad = 1.0", "self.grad = seed"
    )
    recording, _ = record(source + "x = Value(3.0)\ny = x**2\ny.backward(0.5)\n")
    (table,) = recording.chains
    assert (table.seed, table.rows[0].incoming, table.rows[-1].outgoing[0][1]) == ("0.5", 0.5, 3.0)
    assert not recording.notes


def test_a_backward_that_raises_is_the_programs_own() -> None:
    source = (
        LESSON
        + "x = Value(3.0)\ny = x**2\ny._backward = None\n"
        + "try:\n    y.backward()\nexcept TypeError:\n    pass\n"
    )
    recording, _ = record(source)
    assert not recording.chains
    assert (recording.backwards[0].count, recording.backwards[0].failed) == (1, 1)


def test_numpy_numbers_are_numbers_and_arrays_are_not_looked_at() -> None:
    program = "import numpy\nx = Value(numpy.{})\ny = x * x\ny.backward()\n"
    for text in ("float32(3.0)", "float64(3.0)", "array(3.0)", "int64(3)"):
        recording = lesson(program.format(text))
        assert recording.chains[0].rows[-1].outgoing[0][1] == 6.0
        assert not recording.not_seen
    recording = lesson(program.format("array([1.0, 2.0])"))
    assert not recording.chains
    assert recording.backward_passes == 1
    assert any("single numbers" in text for text in recording.not_seen)


# ---------------------------------------------------------------- notes


def notes_of(program: str, *changes: tuple[str, str]) -> tuple[str, ...]:
    source = LESSON
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    recording, _ = record(source + program)
    return recording.notes


HEALTHY = {
    "shared": "x = Value(3.0)\nh = x * x\ny = h * h + h\ny.backward()\n",
    "accumulated": "x = Value(3.0)\nfor k in range(4):\n    y = x * k + x\n    y.backward()\n",
    "zeroed": (
        "w, b = Value(3.0), Value(1.0)\n"
        "for _ in range(6):\n"
        "    y = (w * 2 + b) ** 2\n"
        "    w.grad = b.grad = 0.0\n"
        "    y.backward()\n"
        "    w.data -= 0.01 * w.grad\n"
        "    b.data -= 0.01 * b.grad\n"
    ),
    "samples held in values that nobody zeroes": (
        "w, x, t = Value(3.0), Value(0.0), Value(0.0)\n"
        "for a, b in ((1.0, 2.0), (2.0, -1.0), (0.5, 3.0), (3.0, 0.1)):\n"
        "    x.data, t.data = a, b\n"
        "    y = (w * x - t) ** 2\n"
        "    w.grad = 0.0\n"
        "    y.backward()\n"
        "    w.data -= 0.01 * w.grad\n"
    ),
    "at a kink": "x = Value(0.0)\ny = x.relu() + x\ny.backward()\n",
    "intermediates set back by hand": (
        "x = Value(3.0)\nh = x * 2\ny = h * h\ny.backward()\nh.grad = y.grad = 0.0\ny.backward()\n"
    ),
    "rounding": "x = Value(1e8)\ny = (x + 1e-8) * 1e-8 - x * 1e-8\ny.backward()\n",
    "overflow": "x = Value(1e200)\ny = x * x\ny.backward()\n",
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_is_said_of_a_healthy_program(name: str) -> None:
    assert notes_of(HEALTHY[name]) == ()


def test_nothing_is_said_of_an_engine_that_drops_the_gradients_of_what_was_computed() -> None:
    dropping = (
        "            value._backward()\n",
        "            value._backward()\n            if value._prev:\n                value.grad = 0.0\n",
    )
    assert notes_of(HEALTHY["shared"] + "y.backward()\n", dropping) == ()


def test_nothing_is_said_of_an_engine_that_sets_all_gradients_anew() -> None:
    anew = (
        "        self.grad = 1.0\n",
        "        for value in topo:\n            value.grad = 0.0\n        self.grad = 1.0\n",
    )
    assert notes_of(HEALTHY["shared"] + "y.backward()\n", anew) == ()


@pytest.mark.parametrize("number", ["float64", "float32", "float16"])
def test_nothing_is_said_of_rounding(number: str) -> None:
    program = (
        "import random, numpy\n"
        f"number = numpy.{number}\n"
        "source = random.Random(1)\n"
        "for _ in range(16):\n"
        "    x, w = (Value(number(source.uniform(-9, 9))) for _ in range(2))\n"
        "    h = (x * w).tanh()\n"
        "    y = (h * 300 + x).tanh() * 1000 + h * h - w * h\n"
        "    y.backward()\n"
    )
    changes = [("import math", "import numpy"), ("math.tanh", "numpy.tanh")]
    with numpy.errstate(all="ignore"):
        assert notes_of(program, *changes) == ()


def test_stale_intermediates() -> None:
    (note,) = notes_of("x = Value(1.0)\nu = 3 * x + 2\ny = u * u\ny.backward()\ny.backward()\n")
    assert "x.grad is 120.0 where 60.0 is right" in note
    assert f"u (line {OWN_LINES + 2}) and 3 * x (line {OWN_LINES + 2}) began" in note
    assert f"backward at line {OWN_LINES + 5}" in note


def test_a_part_of_two_losses() -> None:
    (note,) = notes_of("x = Value(1.0)\nh = x * 3\na = h * 2\nb = h * 5\na.backward()\nb.backward()\n")
    assert "x.grad is 27.0 where 21.0 is right: h (line" in note


@pytest.mark.parametrize("text", ["x + x", "x * 2.0 + x * 1.0"])
def test_a_gradient_that_is_overwritten(text: str) -> None:
    changes = [("self.grad += ", "self.grad = "), ("other.grad += ", "other.grad = ")]
    (note,) = notes_of(f"x = Value(3.0)\ny = {text}\ny.backward()\n", *changes)
    right = {"x + x": "x.grad is 1.0 where 2.0 is right", "x * 2.0 + x * 1.0": "where 3.0 is right"}
    assert right[text] in note
    assert "`=` leaves it where `+=` is meant" in note


def test_a_wrong_formula() -> None:
    (note,) = notes_of("x = Value(0.5)\ny = x.tanh()\ny.backward()\n", ("(1 - t**2)", "(1 - t)"))
    assert f"`tanh` (line {OWN_LINES + 2}) gives x 0.537883, and its derivative gives 0.786448" in note


def test_an_operand_that_is_forgotten() -> None:
    change = ("            other.grad += self.data * out.grad\n", "")
    (note,) = notes_of("a, b = Value(2.0), Value(5.0)\ny = a * b\ny.backward()\n", change)
    assert "`*`" in note
    assert "gives b 0.0, and its derivative gives 2.0" in note


def test_a_backward_without_a_seed() -> None:
    (note,) = notes_of("x = Value(3.0)\ny = x * x\ny.backward()\n", ("self.grad = 1.0", "pass"))
    assert "y.grad is 0.0, and a backward begins with 1" in note


def test_an_order_that_is_not_topological() -> None:
    """A breadth-first walk passes a gradient on before it is complete: no op can be blamed."""
    wrong = LESSON[: LESSON.index("    def backward")] + (
        "    def backward(self):\n"
        "        self.grad = 1.0\n"
        "        todo, seen = [self], {self}\n"
        "        while todo:\n"
        "            value = todo.pop(0)\n"
        "            value._backward()\n"
        "            for child in sorted(value._prev - seen, key=lambda each: -each.data):\n"
        "                seen.add(child)\n"
        "                todo.append(child)\n"
    )
    recording, _ = record(wrong + "x = Value(2.0)\nh = x * 5\ny = h + (h * 0.1 + 1) * 0.5\ny.backward()\n")
    (note,) = recording.notes
    assert "x.grad is" in note
    assert "5.25 is right" in note
    assert "derivative" not in note


def test_gradients_that_no_step_zeroes() -> None:
    program = HEALTHY["zeroed"].replace("    w.grad = b.grad = 0.0\n", "")
    (note,) = notes_of(program)
    assert note.startswith("b.grad still held 14.0, the gradient of an earlier step")
    assert "and so did w.grad" in note
    assert "set them to 0 before each backward" in note


def test_one_parameter_is_judged_by_two_steps() -> None:
    program = (
        "w = Value(3.0)\nfor _ in range({}):\n    y = w * w\n    y.backward()\n    w.data -= 0.01 * w.grad\n"
    )
    assert notes_of(program.format(2)) == ()
    (note,) = notes_of(program.format(3))
    assert "w.grad still held" in note


def test_one_note_a_line() -> None:
    program = "x = Value(1.0)\nu = 3 * x + 2\ny = u * u\nfor _ in range(9):\n    y.backward()\n"
    assert len(notes_of(program)) == 1
