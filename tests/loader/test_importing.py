"""`file.py:attr` and `package.module:attr`: what is imported, and as what."""

from __future__ import annotations

import pickle
import sys

import pytest

from gradscope.errors import TargetError
from gradscope.loader.importing import attribute_of, import_target
from gradscope.loader.target import parse_target
from tests.loader.conftest import Write


def found(text: str, *arguments: str) -> object:
    target = parse_target([text, *arguments])
    return attribute_of(import_target(target), target)


def test_a_file_is_imported_under_its_name_with_its_siblings(write: Write) -> None:
    write("code/network.py", "import sys\nfrom layers import Layer\nargv = list(sys.argv)\n")
    write("code/layers.py", "class Layer: pass\n")
    layer = found("code/network.py:Layer", "--width", "3")
    assert pickle.loads(pickle.dumps(layer)) is layer
    assert sys.modules["network"].argv == ["code/network.py", "--width", "3"]
    assert sys.modules["network"].__name__ == "network"


def test_a_file_inside_a_package_is_a_member_of_it(write: Write) -> None:
    write("code/vision/__init__.py", "")
    write("code/vision/nets/__init__.py", "from .small import Small\n")
    write("code/vision/nets/small.py", "from ..layers import Layer\nclass Small(Layer): pass\n")
    write("code/vision/layers.py", "class Layer: pass\n")
    small = found("code/vision/nets/small.py:Small")
    assert small.__module__ == "vision.nets.small"  # type: ignore[attr-defined]
    assert found("code/vision/nets/__init__.py:Small") is small


@pytest.mark.parametrize("name", ["random.py", "my-model.py"])
def test_a_name_that_is_taken_or_no_name_does_no_harm(name: str, write: Write) -> None:
    import random

    write(name, "word = 'mine'\n")
    assert found(f"{name}:word") == "mine"
    assert sys.modules["random"] is random


def test_a_file_that_fails_is_not_left_behind(write: Write) -> None:
    write("failing.py", "raise OSError('no disk')\n")
    with pytest.raises(OSError, match="no disk"):
        found("failing.py:Net")
    assert "failing" not in sys.modules


def test_a_module_by_its_name(write: Write) -> None:
    write("pack/__init__.py", "")
    write("pack/nets.py", "class Net: pass\n")
    assert found("pack.nets:Net").__module__ == "pack.nets"  # type: ignore[attr-defined]
    assert found("collections:OrderedDict.fromkeys") is not None


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("pack.nest:Net", "no module named pack.nest; did you mean pack.nets?", ()),
        ("pack.nets:Other", "pack.nets has no Other", ("it defines Net, helper",)),
        ("pack/nets.py:hepler", "pack/nets.py has no hepler; did you mean helper?", ()),
        ("pack.nets:Net.layers.first", "pack.nets:Net.layers has no first", ()),
        ("pack.broken:Net", "broken.py does not compile", None),
        ("pack/broken.py:Net", "pack/broken.py does not compile", None),
    ],
)
def test_what_is_not_there(text: str, what: str, where: tuple[str, ...] | None, write: Write) -> None:
    write("pack/__init__.py", "")
    write("pack/nets.py", "import os\nclass Net:\n    layers = 3\ndef helper(): pass\n")
    write("pack/broken.py", "def\n")
    with pytest.raises(TargetError) as caught:
        found(text)
    assert what in caught.value.what
    assert where is None or caught.value.where == where


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("Networ", ("Network",)),
        ("work", ("Network",)),
        ("zzz", ("Network", "build", "made")),
        ("Network.zzz", ()),
    ],
)
def test_a_name_that_is_not_there_leads_to_one_that_is(
    typed: str, advice: tuple[str, ...], write: Write
) -> None:
    write(
        "nets.py",
        "import os\nfrom torch import nn\nclass Network: pass\ndef build(): pass\nmade = nn.Linear(1, 1)\n",
    )
    with pytest.raises(TargetError) as caught:
        found(f"nets.py:{typed}")
    assert caught.value.try_next == tuple(f"gradscope trace nets.py:{name}" for name in advice)


def test_a_syntax_error_further_in_is_the_programs_own(write: Write) -> None:
    write("outer.py", "import inner_broken\n")
    write("inner_broken.py", "def\n")
    with pytest.raises(SyntaxError):
        found("outer:Net")
