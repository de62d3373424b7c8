"""Every example is run under the recorder: its finding is on the marked line, its numbers are right.

A line of an example that must be found ends in `# <- GS102` (the code); one where it raises with no
finding in `# <- raises`. Examples without a mark are healthy: nothing may be said about them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from identity.running import Run, run_recorded

from gradscope.facts import ChainRow, ChainTable
from gradscope.finding import Severity
from gradscope.rules import all_rules

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

FOUND = {
    "backward_twice": ["GS301"],
    "data_mutated": ["GS203"],
    "dead_relu": ["GS108"],
    "detach_shares_memory": ["GS201"],
    "detached_loss": ["GS101"],
    "forgotten_zero_grad": ["GS501"],
    "grad_consumes_graph": ["GS301"],
    "gradient_penalty": ["GS303"],
    "inf_gradient": ["GS402"],
    "inplace_saved": ["GS201"],
    "inplace_view": ["GS204"],
    "intermediate_grad": ["GS105"],
    "leaf_inplace": ["GS202"],
    "leaf_item_assigned": ["GS202"],
    "leaf_reassigned": ["GS104"],
    "leaf_reassigned_loop": ["GS104"],
    "missing_create_graph": ["GS303"],
    "nan_distance": ["GS401"],
    "nan_where": ["GS401"],
    "no_leaf": ["GS101"],
    "nonfinite_forward": ["GS403"],
    "numpy_loss": ["GS102"],
    "optimizer_mismatch": ["GS107"],
    "rnn_hidden": ["GS301"],
    "running_total": ["GS302"],
    "severed": ["GS102"],
    "unregistered_parameter": ["GS106"],
    "unused_parameter": ["GS103"],
    "vanishing": ["GS404"],
}
HEALTHY = [
    "accumulate",
    "accumulation",
    "accumulation_tail",
    "amp_without_cuda",
    "autograd_grad",
    "backward_twice_saved_nothing",
    "branch",
    "chain_rule",
    "create_graph",
    "detach",
    "dqn_target",
    "frozen_encoder",
    "gan",
    "graph",
    "inplace_correct",
    "item",
    "loop",
    "matrix",
    "mixture",
    "no_grad",
    "paths",
    "polynomials",
    "projectile",
    "retain_grad",
    "retain_graph",
    "rosenbrock",
    "seed",
    "set_to_none",
    "sin_exp",
    "slices",
    "square_of_line",
    "torch_func",
    "trainer",
    "training_loop",
    "wgan_gp",
]
RAISES = ["bare_numpy", "nonscalar_backward"]
NEVER_BACKWARD = ["never_backward"]

# Rules of later issues: the examples show them already.
NOT_YET = {"GS404", "GS501"}


@cache
def recorded(name: str) -> Run:
    return run_recorded(EXAMPLES / f"{name}.py")


def marked(name: str) -> list[tuple[str, int]]:
    """The marks of an example: (code or "raises", line)."""
    lines = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()
    return [(m[1], number) for number, line in enumerate(lines, 1) if (m := re.search(r"# <- (\w+)", line))]


def test_the_tables_name_every_example_once():
    named = [*FOUND, *HEALTHY, *RAISES, *NEVER_BACKWARD]
    assert sorted(named) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", FOUND)
def test_the_marks_are_those_of_the_table(name):
    assert [code for code, _ in marked(name)] == FOUND[name]


@pytest.mark.parametrize("name", [*HEALTHY, *NEVER_BACKWARD])
def test_a_healthy_example_has_no_mark(name):
    assert not marked(name)


def test_rules_to_come_have_not_come_yet():
    assert not NOT_YET & set(all_rules()), "a rule has come: take it out of NOT_YET"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_how_to_run_it(path):
    page = path.read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]
    assert f"\n    gradscope trace examples/{path.name}\n" in page
    assert "\nLook for" in page


@pytest.mark.parametrize("name", FOUND)
def test_what_is_wrong_is_found_on_its_line(name):
    run = recorded(name)
    expected = [(code, line) for code, line in marked(name) if code not in NOT_YET]
    assert [(f.code, f.location and f.location.line) for f in run.findings] == expected, run.describe()
    assert all(Path(f.location.path) == EXAMPLES / f"{name}.py" for f in run.findings)
    assert all(f.fix for f in run.findings), "a finding without a next step"


@pytest.mark.parametrize("name", [*HEALTHY, *NEVER_BACKWARD])
def test_what_is_healthy_is_silent(name):
    run = recorded(name)
    assert run.end.error is None, run.end.error.rendered
    assert not run.findings, run.describe()


@pytest.mark.parametrize("name", RAISES)
def test_what_torch_refuses_is_explained_with_its_line(name):
    run = recorded(name)
    assert not run.findings, run.describe()
    assert run.end.error is not None
    assert [("raises", run.end.error.frames[-1].line)] == marked(name)


# ---------------------------------------------------------------- what the examples print


PRINTED = {
    "accumulate": "6.0\n12.0\n18.0\n6.0\n",
    "accumulation": "same gradient as the whole batch: True\nstep after micro-batch 4\nstep after micro-batch 8\n",
    "autograd_grad": "8.0 8.0 None\n",
    "backward_twice": "12.0\n",
    "backward_twice_saved_nothing": "1.0\n2.0\n",
    "branch": "4.0 4.0\n3.0 -3.0\n",
    "chain_rule": "49.0 42.0\n",
    "create_graph": "12.0 12.0\n",
    "data_mutated": "[5.44, 14.78]\n",
    "grad_consumes_graph": "12.0\n",
    "inf_gradient": "[inf, 0.5, 0.25]\n",
    "inplace_correct": "[2.0, 2.0]\n[6.0, 6.0, 2.0]\n[0.0, 2.0]\n",
    "intermediate_grad": "None\n",
    "leaf_reassigned": "None\n",
    "loop": "16.0 32.0\n",
    "matrix": "True\nTrue\nTrue\n[[1.0, 0.0, -1.0], [2.0, 0.0, -2.0]] [[9.0], [12.0], [15.0]]\n",
    "nonfinite_forward": "inf\n",
    "paths": "10.0 7.0\n",
    "polynomials": "24.0 11.0\n9.0 8.0\n53.0 24.0\n",
    "retain_grad": "14.0 14.0 42.0\n",
    "retain_graph": "12.0\n16.0\n",
    "seed": "[2.0, 4.0, 6.0]\n[2.0, 0.0, 0.0]\n",
    "sin_exp": "0.9592 0.3631949\n",
    "slices": "[[2.0, 2.0], [0.0, 0.0]]\n",
    "square_of_line": "25.0 30.0\n",
    "torch_func": (
        "[3.0, 12.0, 27.0]\n[[4.0, 1.0], [3.0, 2.0]]\n{'weight': (5, 1, 3), 'bias': (5, 1)}\n"
    ),
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_numbers_printed_are_those_of_the_lesson(name):
    assert recorded(name).stdout == PRINTED[name]
