"""How well GS404 and GS405 tell bugged programs from healthy ones: scores, ROC points, rates.

python benchmarks/roc.py                    every program, two seeds
python benchmarks/roc.py --seeds 5
python benchmarks/roc.py --only gan --only sigmoid_10
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from architectures import BUGGED, HEALTHY

from gradscope.engine import judge
from gradscope.facts import Recording
from gradscope.recorder import Recorder
from gradscope.rules._growth import DECADES, steady_decades
from gradscope.rules._scale import THRESHOLD, rows_of
from gradscope.rules._words import by_name

CODES = ("GS404", "GS405")


@dataclass(frozen=True)
class Scored:
    """One run: its score for each rule, and what the rules said."""

    name: str
    seed: int
    expected: str | None
    score: dict[str, float]
    found: tuple[str, ...]


def recorded(program: Callable[[], None], seed: int) -> Recording:
    torch.manual_seed(seed)
    recorder = Recorder()
    with warnings.catch_warnings(), recorder:
        warnings.simplefilter("ignore")
        program()
    return recorder.recording()


def run(name: str, program: Callable[[], None], expected: str | None, seed: int) -> Scored:
    recording = recorded(program, seed)
    found, _ = judge(recording)
    return Scored(name, seed, expected, scores(recording), tuple(sorted({one.code for one in found})))


def scores(recording: Recording) -> dict[str, float]:
    """The statistic of each rule, in decades, growth from step to step scaled to the same threshold."""
    leaves = by_name(recording)
    rows = [row for profile in recording.gradient_profiles for row in rows_of(profile, leaves)]
    grown = [steady_decades(growth) * THRESHOLD / DECADES for growth in recording.gradient_growths]
    shrunk = [-row.score for row in rows if row.what != "uses"]
    return {"GS404": max([0.0, *shrunk]), "GS405": max([0.0, *grown, *(row.score for row in rows)])}


def curve(runs: Iterable[Scored], code: str) -> tuple[float, list[tuple[float, float, float]]]:
    """The area under the ROC curve of one rule's score, and (threshold, false alarms, found) points."""
    bad = [one.score[code] for one in runs if one.expected == code]
    good = [one.score[code] for one in runs if one.expected is None]
    pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
    points = []
    for threshold in (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8):
        alarms = sum(score >= threshold for score in good) / len(good)
        points.append((threshold, alarms, sum(score >= threshold for score in bad) / len(bad)))
    return sum(pairs) / len(pairs), points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], help="a program; may be repeated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    programs: list[tuple[str, Callable[[], None], str | None]] = []
    programs += [(name, program, None) for name, program in HEALTHY.items()]
    programs += [(name, program, code) for name, (code, program) in BUGGED.items()]
    runs = []
    print(f"{'program':40} expected  " + "  ".join(f"{code:>6}" for code in CODES) + "  seconds  said")
    for name, program, expected in programs:
        if options.only and name not in options.only:
            continue
        begun = time.perf_counter()
        these = [run(name, program, expected, seed) for seed in range(options.seeds)]
        runs += these
        worst = min if expected else max
        marks = "  ".join(f"{worst(one.score[code] for one in these):6.2f}" for code in CODES)
        said = " ".join(sorted({code for one in these for code in one.found}))
        seconds = (time.perf_counter() - begun) / options.seeds
        print(f"{name:40} {expected or 'silence':8}  {marks}  {seconds:7.1f}  {said}", flush=True)
    if not options.only:
        summary(runs)


def summary(runs: list[Scored]) -> None:
    kinds = {one.name for one in runs if one.expected is None}
    print(f"\n{len(kinds)} healthy programs, {len({one.name for one in runs}) - len(kinds)} bugged ones")
    for code in CODES:
        area, points = curve(runs, code)
        print(f"\n{code}: area under the curve {area:.4f}; shipped threshold {THRESHOLD:g} decades")
        print("  decades   false alarms   found")
        for threshold, alarms, found in points:
            print(f"  {threshold:7.1f}   {alarms:12.1%}   {found:5.1%}")
    healthy = [one for one in runs if one.expected is None]
    bad = [one for one in runs if one.expected is not None]
    alarms = [one for one in healthy if set(CODES) & set(one.found)]
    missed = [one for one in bad if one.expected not in one.found]
    print(
        f"\nas shipped: {len(alarms)} of {len(healthy)} healthy runs with an alarm, "
        f"{len(bad) - len(missed)} of {len(bad)} bugged runs found"
    )
    for one in [*alarms, *missed]:
        print(f"  {one.name}, seed {one.seed}: {' '.join(one.found) or 'silence'}")


if __name__ == "__main__":
    main()
