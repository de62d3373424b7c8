"""How the tests of the reporters print, and the samples they print."""

from __future__ import annotations

import io

from gradscope.report import Report
from gradscope.reporters import render

from . import (
    memory_examples,
    samples,
    samples_checks,
    samples_checks_pictures,
    samples_checks_rules,
    samples_frames,
    samples_graph_pages,
    samples_lessons,
    samples_loops,
    samples_models,
)
from .samples import HOME, Sample

SAMPLES: dict[str, Sample] = {
    sample.__name__: sample
    for sample in (
        samples.cut,
        samples.inplace,
        samples.nan_birth,
        samples_models.gpt,
        samples_models.deep_gpt,
        samples_models.frozen_encoder,
        samples_models.gan,
        samples_lessons.chain_rule,
        samples_lessons.two_paths,
        samples_lessons.layer,
        samples_lessons.crash,
        samples_lessons.no_backward,
        samples_lessons.interrupted,
        samples_frames.several_files,
        samples_frames.hard_lines,
        samples_frames.hostile,
        samples_loops.training_loop,
        samples_loops.loop_in_a_library,
        samples_checks.checks_healthy,
        samples_checks.checks_from_python,
        samples_checks.checks_declared,
        samples_checks.checks_unchecked,
        samples_checks.checks_nothing,
        samples_checks.checks_many,
        samples_checks.checks_hostile,
        samples_checks_rules.checks_every_rule,
        samples_checks_rules.checks_model,
        samples_checks_pictures.checks_ways,
        samples_checks_pictures.checks_long_form,
        samples_checks_pictures.checks_sweep,
        samples_graph_pages.graph_lesson,
        samples_graph_pages.graph_cut,
        samples_graph_pages.graph_transformer,
        samples_graph_pages.graph_deep,
        samples_graph_pages.graph_depth,
        samples_graph_pages.graph_path,
        samples_graph_pages.graph_unrolled,
        samples_graph_pages.graph_everything,
        samples_graph_pages.graph_hostile,
        samples_graph_pages.graph_none,
        memory_examples.memory_gpt,
        memory_examples.memory_script,
        memory_examples.memory_cuda,
        memory_examples.memory_floor,
        memory_examples.memory_fake,
        memory_examples.memory_sweep,
        memory_examples.memory_failures,
        memory_examples.memory_hostile,
        memory_examples.memory_empty,
        memory_examples.memory_crash,
    )
}


def text(report: Report, width: int = 80, *, redact: bool = False, color: bool | None = False) -> str:
    """The text report as one string."""
    out = io.StringIO()
    render("text", report, out, width=width, redact=redact, color=color, cwd=HOME)
    return out.getvalue()


def json_text(report: Report, *, redact: bool = False) -> str:
    """The JSON report as one string."""
    out = io.StringIO()
    render("json", report, out, redact=redact, cwd=HOME)
    return out.getvalue()
