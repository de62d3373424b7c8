"""Verdicts on torch's own ops, beside those of gradcheck's slow mode.

Gradcheck's are kept here, since it takes as long again; `python benchmarks/check.py --corpus` runs both.
"""

from __future__ import annotations

import warnings

import pytest

from tests.checker.numeric.opinfos import Case, cases, gradchecks, ours

# Ops that gradcheck's slow mode calls wrong at these samples: an input that must be symmetric and is
# differentiated as if it were free, a random number in the derivative, an integer inside, a lower
# precision, a deliberate scale. All others it calls right.
WRONG = {
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "sparse.mm.reduce",
    "as_strided_scatter",
    "native_group_norm",
    "nn.functional.max_unpool3d",
    "__rpow__",
    "bfloat16",
    "float",
    "half",
    "cfloat",
    "chalf",
    "normal",
    "normal.number_mean",
    "linalg.cholesky",
    "linalg.cholesky_ex",
    "linalg.eigh",
    "linalg.eigvalsh",
    "linalg.pinv.hermitian",
    "NumpyCubeNotComposableAutogradFunction",
    "NumpySortAutogradFunction",
    "CubeGenVmapAutogradFunction",
    "ScaleGradGenVmapAutogradFunction",
    "ZeroGradientsGenVmapAutogradFunction",
}
NOT_JUDGED = {"view_as_real", "istft", "sparse.sampled_addmm", "imag", "nn.functional.one_hot"}

DIFFERENT = {
    # its sparse argument is no strided tensor and is left out; gradcheck compares it masked
    "sparse.mm.reduce": "right",
    # a cast to a lower precision: what gradcheck sees is its rounding
    "float": "right",
    "cfloat": "right",
    "bfloat16": "right",
    "half": "right",
    # right as long as all three outputs get a gradient; wrong where only the second one does
    "native_group_norm": "right",
    # the sample's numbers have no real power: every output is NaN, which gradcheck calls a mismatch
    "__rpow__": "not judged",
}

EVERY = 3  # of the ops that gradcheck calls right; all of them in the benchmark
JUDGED_AGAIN = {"nn.functional.softplus", "cholesky", "istft", "native_group_norm", "bfloat16", "sinc"}


def expected(name: str) -> str:
    if name in DIFFERENT:
        return DIFFERENT[name]
    return "wrong" if name in WRONG else "not judged" if name in NOT_JUDGED else "right"


@pytest.fixture(scope="module")
def found() -> dict[str, Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ops = [*cases("op_db", EVERY, WRONG | NOT_JUDGED | JUDGED_AGAIN), *cases("autograd_function_db")]
        return {case.name: case for case in ops}


def test_verdicts_are_gradchecks(found: dict[str, Case]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdicts = {name: ours(case) for name, case in found.items()}
    assert len(verdicts) > 160
    assert {name: verdict for name, verdict in verdicts.items() if verdict != expected(name)} == {}


@pytest.mark.parametrize("name", sorted(JUDGED_AGAIN))
def test_what_is_kept_of_gradcheck(found: dict[str, Case], name: str) -> None:
    case = found[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict = gradchecks(case)
    assert verdict == ("wrong" if name in WRONG else "not judged" if name in NOT_JUDGED else "right")
