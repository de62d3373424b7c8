"""Every example is run under the recorder: its finding is on the marked line, its numbers are right.

A line of an example that must be found ends in `# <- GS102` (the code); one where it raises with no
finding in `# <- raises`. Examples without a mark are healthy: nothing may be said about them.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from identity.running import Run, run_recorded

from gradscope import engine
from gradscope.facts import ChainRow
from tests.started import python

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

FOUND = {
    "backward_twice": ["GS301"],
    "checkpoint_recomputed": ["GS702"],
    "checkpoint_severed": ["GS701"],
    "data_mutated": ["GS203"],
    "dead_relu": ["GS108"],
    "detach_shares_memory": ["GS201"],
    "detached_loss": ["GS101"],
    "forgotten_zero_grad": ["GS501"],
    "grad_consumes_graph": ["GS301"],
    "gradient_penalty": ["GS303"],
    "half_overflow": ["GS407"],
    "half_underflow": ["GS406"],
    "inf_gradient": ["GS402"],
    "inplace_saved": ["GS201"],
    "inplace_view": ["GS204"],
    "intermediate_grad": ["GS105"],
    "leaf_inplace": ["GS202"],
    "leaf_item_assigned": ["GS202"],
    "leaf_reassigned": ["GS104"],
    "leaf_reassigned_loop": ["GS104"],
    "missing_create_graph": ["GS303"],
    "nan_hook": ["GS401"],
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
    "exploding": ["GS405"],
    "diverging": ["GS405"],
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
    "checkpoint",
    "create_graph",
    "detach",
    "dqn_target",
    "engine",
    "engine_neuron",
    "engine_stale",
    "engine_twice",
    "frozen_encoder",
    "gan",
    "gradient_hooks",
    "graph",
    "half_with_scaler",
    "inplace_correct",
    "item",
    "loop",
    "matrix",
    "mixture",
    "no_grad",
    "paths",
    "polynomials",
    "projectile",
    "residual",
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


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_says_how_to_run_it(path):
    page = path.read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]
    assert f"\n    gradscope trace examples/{path.name}\n" in page
    assert "\nLook for" in page


@pytest.mark.parametrize("name", FOUND)
def test_what_is_wrong_is_found_on_its_line(name):
    run = recorded(name)
    assert [(f.code, f.location and f.location.line) for f in run.findings] == marked(name), run.describe()
    assert all(Path(f.location.path) == EXAMPLES / f"{name}.py" for f in run.findings)
    assert all(f.fix for f in run.findings), "a finding without a next step"


@pytest.mark.parametrize("name", [*HEALTHY, *NEVER_BACKWARD])
def test_what_is_healthy_is_silent(name):
    run = recorded(name)
    assert run.end.error is None, run.end.error.rendered
    assert not run.findings, run.describe()
    assert not [text for text in run.recording.not_seen if "fault" in text], run.recording.not_seen


@pytest.mark.parametrize(("name", "advice"), [("bare_numpy", "detach()"), ("nonscalar_backward", "sum()")])
def test_what_torch_refuses_is_explained_with_its_line(name, advice):
    run = recorded(name)
    assert not run.findings, run.describe()
    assert run.end.error is not None
    assert [("raises", run.end.error.frames[-1].line)] == marked(name)
    assert any(advice in note for note in engine.notes(run.recording)), engine.notes(run.recording)


def test_mixed_precision_that_had_no_effect_is_noted():
    notes = recorded("amp_without_cuda").recording.notes
    if torch.cuda.is_available():
        assert not notes
    else:
        assert any("float32" in note and "CUDA" in note for note in notes), notes
        assert any("GradScaler" in note for note in notes), notes


def test_micro_batches_that_no_step_applied_are_noted():
    assert any("2" in note and "step" in note for note in recorded("accumulation_tail").recording.notes)
    assert not recorded("accumulation").recording.notes


def test_gradients_that_an_engine_left_behind_are_noted():
    (note,) = recorded("engine_stale").recording.notes
    assert "x.grad is 120.0 where 60.0 is right: u (line 59) and 3 * x (line 59) began it" in note
    assert not recorded("engine_twice").recording.notes


# ---------------------------------------------------------------- what the examples print


PRINTED = {
    "accumulate": "6.0\n12.0\n18.0\n6.0\n",
    "accumulation": (
        "same gradient as the whole batch: True\nstep after micro-batch 4\nstep after micro-batch 8\n"
    ),
    "autograd_grad": "8.0 8.0 None\n",
    "backward_twice": "12.0\n",
    "backward_twice_saved_nothing": "1.0\n2.0\n",
    "branch": "4.0 4.0\n3.0 -3.0\n",
    "chain_rule": "49.0 42.0\n",
    "create_graph": "12.0 12.0\n",
    "data_mutated": "[5.44, 14.78]\n",
    "engine": "Value(49, grad=1) Value(2, grad=42)\n",
    "engine_neuron": "1.9044 -4.968 6.624 -0.276\n",
    "engine_stale": "120.0\n",
    "engine_twice": "30.0\n60.0\n",
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
    "torch_func": ("[3.0, 12.0, 27.0]\n[[4.0, 1.0], [3.0, 2.0]]\n{'weight': (5, 1, 3), 'bias': (5, 1)}\n"),
}


@pytest.mark.parametrize("name", PRINTED)
def test_the_numbers_printed_are_those_of_the_lesson(name):
    assert recorded(name).stdout == PRINTED[name]


# ---------------------------------------------------------------- the chain-rule tables

# A table: its root's value, then its rows from the root to the leaves. A node's row is (name or source
# text, value, local derivatives, incoming gradient, outgoing gradients); a leaf's is (name, value, edges
# summed, gradient). Beyond scalars the numbers are 2-norms and local derivatives None.
TABLES: dict[str, list[list]] = {
    "chain_rule": [
        [49, ("c", 49, [14], 1, [14]), ("b", 7, [1], 14, [14]), ("a", 6, [3], 14, [42]), ("x", 2, 1, 42)],
    ],
    "engine": [
        [49, ("c", 49, [14], 1, [14]), ("b", 7, [1], 14, [14]), ("a", 6, [3], 14, [42]), ("x", 2, 1, 42)],
    ],
    "engine_neuron": [
        [
            1.9044,
            ("loss", 1.9044, [-2.76], 1, [-2.76]),
            ("prediction - 1.5", -1.38, [1], -2.76, [-2.76]),
            ("prediction", 0.12, [0.1, 1.2], -2.76, [-0.276, -3.312]),
            ("hidden", 0.1, [1], -3.312, [-3.312]),
            ("w1 * 1.5 + w2 * -2.0", 0.1, [1, 1], -3.312, [-3.312, -3.312]),
            ("w2 * -2.0", -0.8, [-2], -3.312, [6.624]),
            ("w1 * 1.5", 0.9, [1.5], -3.312, [-4.968]),
            ("w3", 1.2, 1, -0.276),
            ("w2", 0.4, 1, 6.624),
            ("w1", 0.6, 1, -4.968),
        ],
    ],
    "engine_twice": [
        [25, ("y", 25, [10], 1, [10]), ("u", 5, [1], 10, [10]), ("3 * x", 3, [3], 10, [30]), ("x", 1, 1, 30)],
    ],
    "engine_stale": [
        [
            25,
            ("y", 25, [5, 5], 1, [5, 5]),
            ("u", 5, [1], before, [before]),
            ("3 * x", 3, [3], 10 * count, [30 * count]),
            ("x", 1, 1, 30 * count),
        ]
        for before, count in ((10, 1), (20, 3))
    ],
    "square_of_line": [
        [25, ("y", 25, [10], 1, [10]), ("u", 5, [1], 10, [10]), ("3 * x", 3, [3], 10, [30]), ("x", 1, 1, 30)],
    ],
    "paths": [
        [
            10,
            ("y", 10, [1, 1], 1, [1, 1]),
            ("square", 4, [4], 1, [4]),
            ("line", 6, [3], 1, [3]),
            ("x", 2, 2, 7),
        ],
    ],
    "polynomials": [
        [
            24,
            ("y", 24, [1, 1], 1, [1, 1]),
            ("5 * x", 15, [5], 1, [5]),
            ("x**2", 9, [6], 1, [6]),
            ("x", 3, 2, 11),
        ],
        [9, ("t", 9, [1], 1, [1]), ("2 * s**2", 8, [2], 1, [2]), ("s**2", 4, [4], 2, [8]), ("s", 2, 1, 8)],
        [
            53,
            ("q", 53, [1], 1, [1]),
            ("3 * p**2", 48, [3], 1, [3]),
            ("p**2", 16, [8], 3, [24]),
            ("p", 4, 1, 24),
        ],
    ],
    "sin_exp": [
        [
            0.9591623,
            ("y", 0.9591623, [0.2828565], 1, [0.2828565]),
            ("b", 1.2840254, [1.2840254], 0.2828565, [0.3631949]),
            ("a", 0.25, [1], 0.3631949, [0.3631949]),
            ("x", 0.5, 1, 0.3631949),
        ],
    ],
    "branch": [
        [4, ("x**2", 4, [4], 1, [4]), ("x", 2, 1, 4)],
        [3, ("-3 * x", 3, [-3], 1, [-3]), ("x", -1, 1, -3)],
    ],
    "loop": [
        [
            16,
            ("y", 16, [2, 8], 1, [2, 8]),
            ("y", 8, [2, 4], 2, [4, 8]),
            ("y", 4, [2, 2], 4, [8, 8]),
            ("x", 2, 4, 32),
        ],
    ],
    "graph": [
        [16, ("e", 16, [1], 1, [1]), ("d", 6, [3, 2], 1, [3, 2]), ("b", 3, 1, 2), ("a", 2, 1, 3)],
    ],
    "accumulate": [
        [9, ("y", 9, [6], 1, [6]), ("x", 3, 1, 6)],
        [9, ("y", 9, [6], 1, [6]), ("x", 3, 1, 6)],
    ],
    "autograd_grad": [
        [8, ("y", 8, [2], 1, [2]), ("x**2", 4, [4], 2, [8]), ("x", 2, 1, 8)],
        [8, ("y", 8, [2], 1, [2]), ("x**2", 4, [4], 2, [8]), ("x", 2, 1, 8)],
    ],
    "retain_graph": [
        [12, ("first", 12, [3], 1, [3]), ("y", 4, [4], 3, [12]), ("x", 2, 1, 12)],
        [5, ("second", 5, [1], 1, [1]), ("y", 4, [4], 1, [4]), ("x", 2, 1, 4)],
    ],
    "retain_grad": [
        [49, ("c", 49, [14], 1, [14]), ("b", 7, [1], 14, [14]), ("a", 6, [3], 14, [42]), ("x", 2, 1, 42)],
    ],
    "seed": [
        [None, ("y", 98**0.5, [None], 3**0.5, [56**0.5]), ("x", 14**0.5, 1, 56**0.5)],
        [None, ("y", 98**0.5, [None], 1, [2]), ("x", 14**0.5, 1, 2)],
    ],
    "slices": [
        [
            6,
            ("y", 6, [None], 1, [2**0.5]),
            ("top * 2", 20**0.5, [None], 2**0.5, [8**0.5]),
            ("top", 5**0.5, [None], 8**0.5, [8**0.5]),
            ("x", 30**0.5, 1, 8**0.5),
        ],
    ],
    "matrix": [
        [
            None,
            ("y", 8.5**0.5, [None, None], 5**0.5, [5**0.5, 5**0.5]),
            ("W @ x", 8**0.5, [None, None], 5**0.5, [10**0.5, 450**0.5]),
            ("b", 0.5**0.5, 1, 5**0.5),
            ("x", 2**0.5, 1, 450**0.5),
            ("W", 91**0.5, 1, 10**0.5),
        ],
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_the_chain_rule_table_holds_the_numbers_of_the_lesson(name):
    tables = recorded(name).recording.chains
    assert len(tables) == len(TABLES[name])
    for table, (value, *rows) in zip(tables, TABLES[name], strict=True):
        assert table.value == pytest.approx(value)
        seen = [numbers(row) for row in table.rows]
        expected = [(name, *(pytest.approx(number) for number in others)) for name, *others in rows]
        assert seen == expected


def numbers(row: ChainRow) -> tuple:
    """A row as it is written in TABLES."""
    if row.is_leaf:
        return row.name, row.value, row.paths, row.outgoing[0][1]
    local, outgoing = [d for _, d in row.local], [g for _, g in row.outgoing]
    return row.name or row.expression, row.value, local, row.incoming, outgoing


def test_a_table_names_the_lines_and_the_seed():
    (chain,) = recorded("chain_rule").recording.chains
    lines = (EXAMPLES / "chain_rule.py").read_text(encoding="utf-8").splitlines()
    assert lines[chain.backward.line - 1] == "c.backward()"
    assert [lines[row.location.line - 1] for row in chain.rows if row.location] == [
        "c = b**2",
        "b = a + 1",
        "a = x * 3",
    ]
    assert [table.seed for table in recorded("seed").recording.chains] == ["[1, 1, 1]", "[1, 0, 0]"]
    assert [table.times for table in recorded("accumulate").recording.chains] == [3, 1]


def test_a_second_derivative_has_its_own_table():
    first, second = recorded("create_graph").recording.chains
    assert (first.value, numbers(first.rows[-1])) == (8, ("x", 2, 1, 12))
    assert (second.value, numbers(second.rows[-1])) == (12, ("x", 2, 1, 12))


# ---------------------------------------------------------------- a few through the command line


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("severed", 1),
        ("backward_twice", 1),
        ("chain_rule", 0),
        ("nonscalar_backward", 3),
        ("never_backward", 2),
    ],
)
def test_the_command_says_the_same_and_its_status_is_right(name, status, tmp_path):
    report_file = tmp_path / "report.json"
    options = ["--format", "json", "--output", str(report_file)]
    done = python(["-m", "gradscope", "trace", str(EXAMPLES / f"{name}.py"), *options], cwd=Path.cwd())
    assert done.returncode == status, done.stderr
    assert done.stdout == recorded(name).stdout
    if status != 2:
        findings = json.loads(report_file.read_text(encoding="utf-8"))["findings"]
        found = [(finding["code"], finding["location"]["line"]) for finding in findings]
        assert found == [mark for mark in marked(name) if mark[0] != "raises"]
    else:
        assert "no backward was run" in done.stderr
