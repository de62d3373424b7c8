"""For how many backward nodes `gradscope explain` has a formula, or says why there is none.

python benchmarks/formulas.py              every op of op_db, every sample and dtype
python benchmarks/formulas.py --samples 3  the first samples of one dtype

After that every node that torch's Python binding knows by name.

Exits with 1 where a node has neither. Also: how long the formulas take to read, and to load from the cache.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from gradscope.facts.formulas import NodeFormula
from gradscope.formulas import formula_of
from tests.formulas.op_nodes import all_ops, nodes_left

REPETITIONS = 5


def told(names: Iterable[str]) -> dict[str, NodeFormula | None]:
    return {name: formula_of(name) for name in sorted(names)}


def print_counts(title: str, formulas: dict[str, NodeFormula | None]) -> None:
    known = [each for each in formulas.values() if each is not None]
    with_formula = [each for each in known if each.gradients]
    plain = [each for each in with_formula if each.math is not None]
    reasons = [each for each in known if not each.gradients and each.reason]
    print(
        f"{title}: {len(formulas)} nodes, {len(with_formula)} with torch's formula "
        f"({len(plain)} in plain math too), {len(reasons)} with a reason, "
        f"{len(formulas) - len(with_formula) - len(reasons)} with neither"
    )
    for each in reasons:
        print(f"    {each.node}: {each.reason.partition('.')[0]}")


def neither(formulas: dict[str, NodeFormula | None]) -> list[str]:
    return [name for name, each in formulas.items() if each is None or not (each.gradients or each.reason)]


def seconds_of_explain(cache: str) -> float:
    """One `gradscope explain MulBackward0`, as a process."""
    # The variable that platformdirs reads where caches have a folder of their own (Linux).
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "gradscope", "explain", "MulBackward0"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def print_times() -> None:
    with tempfile.TemporaryDirectory() as cache:
        first = seconds_of_explain(cache)
        later = [seconds_of_explain(cache) for _ in range(REPETITIONS)]
    print(
        f"explain MulBackward0: {first:.2f} s without a cache, then {min(later):.2f} s "
        f"(median {statistics.median(later):.2f} s)"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, help="of each op, in one dtype; all in every dtype by default")
    arguments = parser.parse_args()
    ops = all_ops()
    of_ops = told(nodes_left(ops, arguments.samples))
    generated = [
        name for name in dir(torch._C._functions) if isinstance(getattr(torch._C._functions, name), type)
    ]
    of_torch = told(name for name in generated if not name.startswith("__"))
    print(f"torch {torch.__version__}")
    print_counts(f"{len(ops)} ops of op_db", of_ops)
    print_counts("torch._C._functions", of_torch)
    print_times()
    missing = [*neither(of_ops), *neither(of_torch)]
    print("\n".join(missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
