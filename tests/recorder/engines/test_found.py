"""Which classes are engines, and that nothing of the program's is changed or kept."""

from __future__ import annotations

import builtins
import dataclasses
import gc
import inspect
import sys
import weakref
from types import FunctionType
from typing import Any

import pytest

from gradscope.recorder import Recorder
from gradscope.recorder.engines.classes import is_engine
from gradscope.recorder.engines.doors import ClassStatement
from recorder.engines.running import LESSON, engine, execute, numbers, record

PROGRAM = "x = Value(3.0)\ny = x * x + 1\ny.backward()\n"
TABLE = [("y", 10, [1], 1, [1]), ("x * x", 9, [3, 3], 1, [3, 3]), ("x", 3, 2, 6)]


def tables(source: str, **names: Any) -> list[list[tuple[Any, ...]]]:
    recording, _ = record(source, **names)
    assert not recording.notes
    return [[numbers(row) for row in table.rows] for table in recording.chains]


def test_a_class_of_the_program() -> None:
    assert tables(LESSON + PROGRAM) == [TABLE]


def test_a_class_that_exists_already() -> None:
    value = execute(LESSON)["Value"]
    init, backward = vars(value)["__init__"], vars(value)["backward"]
    assert tables(PROGRAM, Value=value) == [TABLE]
    assert vars(value)["__init__"] is init
    assert vars(value)["backward"] is backward


def test_a_class_defined_again() -> None:
    assert tables(LESSON + PROGRAM + LESSON + PROGRAM) == [TABLE, TABLE]


def test_a_class_inside_a_function() -> None:
    body = "".join(
        f"    {line}" if line.strip() else line for line in (LESSON + PROGRAM).splitlines(keepends=True)
    )
    assert tables(f"def main():\n{body}\nmain()\n") == [TABLE]


OTHERS = {
    "slots": """
class Value:
    __slots__ = ("data", "grad", "_prev", "_op", "_slopes")
    def __init__(self, data, prev=(), op="", slopes=()):
        self.data, self.grad, self._prev, self._op, self._slopes = data, 0.0, prev, op, slopes
""",
    "a dataclass": """
from dataclasses import dataclass
@dataclass(eq=False)
class Value:
    data: float
    _prev: tuple = ()
    _op: str = ""
    _slopes: tuple = ()
    grad: float = 0.0
""",
    "a dataclass with slots": """
from dataclasses import dataclass
@dataclass(eq=False, slots=True, weakref_slot=True)
class Value:
    data: float
    _prev: list = ()
    _op: str = ""
    _slopes: tuple = ()
    grad: float = 0.0
""",
    "a subclass": """
class Base:
    def __init__(self, data, prev=(), op="", slopes=()):
        self.data, self.grad, self._prev, self._op, self._slopes = data, 0, list(prev), op, slopes
    def backward(self):
        raise NotImplementedError
class Value(Base):
    def __init__(self, *args):
        super().__init__(*args)
""",
    "other names": """
class Value:
    def __init__(self, data, parents=(), op="", slopes=()):
        self.data, self.grad, self.parents, self._op, self._slopes = data, 0.0, parents, op, slopes
    @property
    def _prev(self):
        return iter(self.parents)
""",
    "gradients that are None at first": """
class Value:
    grad = None
    def __init__(self, data, prev=(), op="", slopes=()):
        self.data, self._prev, self._op, self._slopes = data, prev, op, slopes
""",
    "properties": """
class Value:
    def __init__(self, data, prev=(), op="", slopes=()):
        self._data, self.grad, self._prev, self._op, self._slopes = data, 0.0, prev, op, slopes
    @property
    def data(self):
        return self._data
""",
}
METHODS = """
    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), "__add__", (1.0, 1.0))
    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), "mul", (other.data, self.data))
    def backward(self, gradient=1.0):
        self.grad = (self.grad or 0) + gradient
        for child, slope in zip(self._prev, self._slopes):
            child.backward(gradient * slope)

"""


@pytest.mark.parametrize("name", OTHERS)
def test_other_ways_to_write_an_engine(name: str) -> None:
    assert tables(OTHERS[name] + METHODS + PROGRAM) == [TABLE]


def test_a_recursive_backward_is_one_backward_and_as_deep_as_it_was() -> None:
    source = (
        OTHERS["slots"]
        + METHODS
        + (
            "import sys\n"
            "x = y = Value(1.0)\n"
            "for _ in range(300):\n"
            "    y = y + x\n"
            "depths = []\n"
            "sys.setprofile(lambda frame, what, _: depths.append(depth(frame)) if what == 'call' else None)\n"
            "y.backward()\n"
            "sys.setprofile(None)\n"
        )
    )
    depth = "def depth(frame):\n    n = 0\n    while frame:\n        n, frame = n + 1, frame.f_back\n"
    depth += "    return n\n"
    plain = execute(depth + source)
    recording, recorded = record(depth + source)
    assert recording.backwards[0].count == 1
    own = recorded["depths"]
    assert max(own) - max(plain["depths"]) <= 8


def test_numbers_in_closures_are_operands() -> None:
    source = """
class Value:
    def __init__(self, data, prev=(), op=""):
        self.data, self.grad, self._prev, self._op = data, 0.0, set(prev), op
        self._backward = lambda: None
    def __add__(self, other):
        out = Value(self.data + other, (self,), "+")
        def _backward():
            self.grad += out.grad
        out._backward = _backward
        return out
    def __rsub__(self, other):
        out = Value(other - self.data, (self,), "-")
        def _backward():
            assert other
            self.grad -= out.grad
        out._backward = _backward
        return out
    def backward(self):
        self.grad = 1.0
        value = self
        while value._prev:
            value._backward()
            (value,) = value._prev

x = Value(3.0)
y = 5 - (x + 3)
y.backward()
"""
    ((minus, plus, leaf),) = tables(source)
    assert (minus[2], leaf[3]) == ([-1.0], -1.0)
    # x + 3 is x + x as far as a set can tell: nothing is said of its derivative but what the engine gave
    assert plus[2] == [1.0]


@pytest.mark.parametrize(
    "source",
    [
        "class Node:\n    def __init__(self):\n        self.data = self.grad = self._prev = None\n",
        "class T:\n    def __init__(self):\n        self.data = self.grad = 0\n    def backward(self): 1\n",
        "import torch\nclass F(torch.autograd.Function):\n    def backward(ctx, gradient): pass\n",
        "class Odd:\n    _prev = data = grad = 1\n    backward = 3\n",
    ],
)
def test_what_is_no_engine(source: str) -> None:
    classes = [value for value in execute(source).values() if isinstance(value, type)]
    assert classes
    assert not any(map(is_engine, classes))


# ---------------------------------------------------------------- nothing is changed


def test_everything_is_taken_out() -> None:
    value = engine().Value
    before = dict(vars(value))
    build_class, process_class = builtins.__build_class__, dataclasses._process_class  # type: ignore[attr-defined]  # private
    with Recorder():
        assert isinstance(builtins.__build_class__, ClassStatement)
        assert callable(builtins.__build_class__)
        made = execute(LESSON)["Value"]
    assert dict(vars(value)) == before
    assert builtins.__build_class__ is build_class
    assert dataclasses._process_class is process_class  # type: ignore[attr-defined]
    assert type(vars(made)["__init__"]) is FunctionType
    assert type(vars(made)["backward"]) is FunctionType


def test_an_inherited_method_is_not_left_behind() -> None:
    source = "class Runs:\n    def backward(self):\n        self.grad = 1.0\n" + OTHERS["slots"].replace(
        "class Value:", "class Value(Runs):"
    )
    with Recorder() as recorder:
        value = execute(source + "Value(2.0).backward()\n")["Value"]
    assert recorder.recording().backward_passes == 1
    assert "backward" not in vars(value)


def test_what_the_program_puts_in_their_place_stays() -> None:
    source = (
        LESSON
        + "def backward(self):\n    self.grad = 7.0\nValue.backward = backward\n"
        + "x = Value(1.0)\nx.backward()\n"
    )
    with Recorder():
        variables = execute(source)
    assert variables["Value"].backward is variables["backward"]
    assert variables["x"].grad == 7.0


def test_a_class_gives_its_own_functions() -> None:
    source = LESSON + (
        "import inspect\n"
        "found = inspect.signature(Value), inspect.getsource(Value.backward)\n"
        "found += Value.__init__, Value.backward\n"
        "bound = Value(1.0).backward\n"
        "told = bound.__name__, bound.__qualname__, bound.__func__.__code__.co_name, callable(bound)\n"
    )
    with Recorder():
        variables = execute(source)
    signature, text, init, backward = variables["found"]
    assert signature == inspect.signature(variables["Value"])
    assert text.lstrip().startswith("def backward(self):")
    assert init is vars(variables["Value"])["__init__"]
    assert backward is vars(variables["Value"])["backward"]
    assert variables["told"][:2] == ("backward", "Value.backward")


def test_a_metaclass_finds_the_frame_of_its_class_statement() -> None:
    source = (
        "import sys\n"
        "class Meta(type):\n"
        "    def __new__(meta, name, bases, namespace, **words):\n"
        "        made = super().__new__(meta, name, bases, namespace)\n"
        "        made.outer, made.words = sys._getframe(1).f_code.co_name, words\n"
        "        return made\n"
        "    def __init__(cls, *args, **words): pass\n"
        "def here():\n"
        "    class Model(metaclass=Meta, flag=1):\n"
        "        def __init__(self): pass\n"
        "        body = sys._getframe(1).f_code.co_name\n"
        "    return Model\n"
        "model = here()\n"
    )
    with Recorder():
        model = execute(source)["model"]
    assert (model.outer, model.body, model.words) == ("here", "here", {"flag": 1})


def test_an_error_in_a_class_statement_is_the_programs_own() -> None:
    with Recorder(), pytest.raises(ZeroDivisionError) as raised:
        execute("class Broken:\n    x = 1 / 0\n")
    frames = [frame.name for frame in raised.traceback]
    assert frames[-2:] == ["<module>", "Broken"]


def test_the_program_computes_what_it_computes_alone() -> None:
    source = (
        LESSON
        + PROGRAM
        + "u = Value(0.3).tanh() * x + 2 * x\nu.backward()\nprint(x.grad, u.data, vars(x).keys())\n"
    )
    plain = execute(source)["printed"]
    _, recorded = record(source)
    assert recorded["printed"] == plain


def test_no_value_is_kept() -> None:
    recorder = Recorder()
    with recorder:
        variables = execute(LESSON + PROGRAM)
        references = [weakref.ref(variables[name]) for name in "xy"]
        for name in "xy":
            del variables[name]
        gc.collect()
        assert [reference() for reference in references] == [None, None]
        value = weakref.ref(variables.pop("Value"))
        variables.clear()
        gc.collect()
        assert value() is None
    assert recorder.recording().chains


def test_values_that_cannot_be_read_are_no_fault_of_the_program() -> None:
    source = LESSON + (
        "class Odd(Value):\n"
        "    @property\n"
        "    def _prev(self):\n"
        "        raise RuntimeError('not now')\n"
        "    @_prev.setter\n"
        "    def _prev(self, value): pass\n"
        "    def backward(self):\n"
        "        self.grad = 1.0\n"
        "x = Odd(1.0)\nx.backward()\n"
    )
    with Recorder() as recorder:
        variables = execute(source)
    assert variables["x"].grad == 1.0
    recording = recorder.recording()
    assert recording.backward_passes == 1
    assert not recording.chains
    (unseen,) = recording.not_seen
    assert unseen.startswith("the values of Odd")


def test_a_recording_inside_another() -> None:
    value = execute(LESSON)["Value"]
    before = dict(vars(value))
    with Recorder() as outer:
        execute(PROGRAM, Value=value)
        with Recorder() as inner:
            execute(PROGRAM, Value=value)
        execute(PROGRAM, Value=value)
    assert dict(vars(value)) == before
    assert inner.recording().backward_passes == 1
    assert outer.recording().backward_passes == 3
    for recorder, programs in ((inner, 1), (outer, 3)):  # each in a file of its own
        tables = recorder.recording().chains
        assert [[numbers(row) for row in table.rows] for table in tables] == [TABLE] * programs


def test_threads() -> None:
    source = LESSON + (
        "import threading\n"
        "def work():\n"
        "    for _ in range(5):\n"
        "        x = Value(3.0)\n"
        "        y = x * x + 1\n"
        "        y.backward()\n"
        "        assert x.grad == 6.0\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    recording, _ = record(source)
    assert recording.backward_passes == 20
    assert not recording.notes


def test_python_is_as_it_was() -> None:
    assert sys.getprofile() is None
    assert builtins.__build_class__.__class__.__name__ == "builtin_function_or_method"


@pytest.mark.parametrize("known", [True, False])
def test_engines_that_are_known_need_not_be_looked_for(known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    value = execute(LESSON)["Value"]
    monkeypatch.setattr("gradscope.recorder.engines.found.existing_engines", lambda: 1 / 0)
    with Recorder(engines=(value,) if known else ()) as recorder:
        result = value(3.0) * value(2.0)
        result.backward()
    assert recorder.recording().backward_passes == (1 if known else 0)
    assert recorder.recording().not_seen == ()
