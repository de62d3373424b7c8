"""The HTML report in a real browser: findings, frames, filter, tree, plots, gates, hostile names."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gradscope import reporters
from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Severity
from gradscope.outcomes import GateReport
from gradscope.report import Report
from gradscope.reporters.redaction import redact
from tests.reporters import (
    samples,
    samples_checks_pictures,
    samples_checks_rules,
    samples_frames,
    samples_lessons,
    samples_loops,
    samples_models,
)
from tests.reporters.rendering import SAMPLES
from tests.reporters.samples import HOME, parameter, report, stats
from tests.reporters.samples_gates import GATES, gate_hostile, gate_large, gate_mixed

Opened = Callable[..., Any]
PAGES = {
    **{name: sample for name, sample in SAMPLES.items() if not name.startswith(("memory_", "graph_"))},
    "graph_none": SAMPLES["graph_none"],
    **GATES,
}
CONTRASTS = """() => {
    const part = (each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    const light = (text) => {
        const [red, green, blue] = text.match(/[\\d.]+/g).slice(0, 3).map((each) => part(each / 255));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (found) => {
        for (let at = found; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!colour.endsWith(", 0)")) return colour;
        }
    };
    const texts = ".badge, .faint, .mono, .label, dt, th, mark, h2, h3";
    return [...document.querySelectorAll(texts)].filter((each) => each.offsetParent).map((each) => {
        const [high, low] = [getComputedStyle(each).color, behind(each)].map(light).sort((x, y) => y - x);
        return (high + 0.05) / (low + 0.05);
    });
}"""
"""The contrast of every text that is shown with what is behind it, as WCAG 2.1 defines it."""

OFFSETS = """() => {
    const lines = document.querySelector("#f1 .lines");
    const left = (found) => found.getBoundingClientRect().left;
    const marks = [...lines.querySelectorAll("mark")].map(left);
    const labels = [...lines.querySelectorAll(".label")].map(left);
    return labels.map((label) => Math.min(...marks.map((mark) => Math.abs(mark - label))));
}"""
"""How far from the beginning of some mark each label stands, in pixels."""

IN_VIEW = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const source = document.querySelector("#f2 .source");
    const room = source.getBoundingClientRect();
    const mark = source.querySelector("mark.primary").getBoundingClientRect();
    done(source.scrollLeft > 0 && mark.left >= room.left && mark.left < room.right);
})))"""
"""Whether the second finding's mark is seen, in a line that had to be scrolled for it."""


def content(of: Report | GateReport) -> bytes:
    out = io.StringIO()
    render = reporters.render if isinstance(of, Report) else reporters.render_gate
    render("html", of, out, cwd=HOME)  # type: ignore[operator]
    return out.getvalue().encode()


@pytest.fixture
def shown(opened_file: Opened) -> Opened:
    """Opens the page of a report or of a gate."""

    def open_page(of: Report | GateReport, **options: Any) -> Any:
        return opened_file(content(of), **options)

    return open_page


def several() -> Report:
    """Findings of every severity, one of them silenced by the filter's text alone."""
    place = Location(f"{HOME}/train.py", 3, 1)
    kinds = (
        ("GS102", "severed-gradient", Severity.ERROR, "the encoder gets no gradient"),
        ("GS102", "severed-gradient", Severity.ERROR, "the decoder gets no gradient"),
        ("GS103", "unused-parameter", Severity.WARNING, "the head is never used"),
        ("GS302", "graph-retained", Severity.INFO, "the graph is kept"),
    )
    found = [
        Finding(code, rule, severity, message, replace(place, line=number))
        for number, (code, rule, severity, message) in enumerate(kinds, 1)
    ]
    recording = Recording(backward_passes=1, sources={place.path: ("a = 1", "b = 2", "c = 3", "d = 4")})
    return report(recording, *found)


def sideways(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


# ---------------------------------------------------------------- every page


def test_every_page_opens_in_silence_at_every_width(opened_file: Opened) -> None:
    page = opened_file(b"<script>window.gradscope = 1</script>")
    for name, sample in PAGES.items():
        page.set_content(content(sample()).decode())
        page.locator("header h1:not(:empty)").wait_for()
        assert page.locator("#summary .badge").count() == 1, name
        assert page.locator("section, .target").count() or name in ("no_backward", "graph_none"), name
        empty = "[...document.querySelectorAll('section')].filter((s) => s.children.length < 2).length"
        assert page.evaluate(empty) == 0, name
        for width in (1280, 400):
            page.set_viewport_size({"width": width, "height": 800})
            assert sideways(page) == 0, (name, width)


def open_all(page: Any) -> None:
    closed = "document.querySelectorAll('.target:not([open]) > summary')"
    page.evaluate(f"{closed}.forEach((each) => each.click())")


def test_all_targets_of_a_gate_fit_a_narrow_window(shown: Opened) -> None:
    for gate in (gate_mixed, gate_hostile):
        page = shown(gate())
        page.set_viewport_size({"width": 400, "height": 800})
        open_all(page)
        assert page.locator(".target[open]").count() == len(gate().outcomes)
        assert sideways(page) == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_readable_in_both_schemes(scheme: str, shown: Opened) -> None:
    page = shown(gate_mixed(), color_scheme=scheme)
    page.click("#t2 > summary")
    ratios = page.evaluate(CONTRASTS)
    assert len(ratios) > 40
    assert min(ratios) >= 4.5
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(252, 252, 251)", "dark": "rgb(20, 22, 26)"}[scheme]


def test_without_a_script_the_page_says_so(browser: Any, tmp_path: Any) -> None:
    file = tmp_path / "page.html"
    file.write_bytes(content(samples.cut()))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert "switched off" in page.inner_text("noscript")
    context.close()


# ---------------------------------------------------------------- findings


def test_a_finding_is_told_with_its_code(shown: Opened) -> None:
    page = shown(samples.cut())
    assert page.inner_text("#summary").startswith("✕ failed 1 error · 20 steps")
    card = page.locator("#f1")
    assert card.locator("h3").text_content() == (
        "encoder.* (6 parameters) gets no gradient: it stops at detach()"
    )
    assert "✕ error" in card.locator(".head").inner_text()
    assert card.locator(".row .nr").all_inner_texts() == ["35", "36", "", "", "37"]
    assert card.locator("mark.primary").all_text_contents() == ["h.detach()"]
    assert "".join(card.locator("mark").all_text_contents()) == "torch.from_numpy(smooth(h.detach().numpy()))"


def test_labels_stand_under_the_first_column_of_their_marks(shown: Opened) -> None:
    page = shown(samples_frames.hard_lines())
    page.set_viewport_size({"width": 1280, "height": 900})
    off = page.evaluate(OFFSETS)
    assert len(off) == 4
    # one label is of a mark within another's, which has no edge of its own there
    assert sorted(off)[:3] == pytest.approx([0, 0, 0], abs=0.6)


def test_long_lines_are_scrolled_to_what_is_marked_and_never_wrap(shown: Opened) -> None:
    page = shown(samples_frames.hard_lines())
    page.set_viewport_size({"width": 500, "height": 900})
    page.reload()
    page.locator("#f2 mark.primary").wait_for()
    assert page.evaluate(IN_VIEW)
    rows = "[...document.querySelectorAll('#f2 .row:has(code)')]"
    assert page.evaluate(f"Math.max(...{rows}.map((row) => row.offsetHeight))") < 30


def test_findings_are_filtered_by_severity_rule_and_text(shown: Opened) -> None:
    page = shown(several())
    cards = page.locator(".finding:visible")
    assert cards.count() == 4
    page.click("[data-severity=error]")
    assert cards.count() == 2
    assert page.inner_text(".filter [role=status]") == "2 of 4 findings"
    page.click("[data-severity=error]")
    page.select_option(".filter select", "GS102")
    assert cards.count() == 2
    page.fill(".filter input", "DECODER")
    assert cards.all_text_contents()[0].count("the decoder") == 1
    assert cards.count() == 1
    page.fill(".filter input", "")
    page.select_option(".filter select", "")
    assert cards.count() == 4
    assert page.inner_text(".filter [role=status]") == ""


def test_few_findings_have_no_filter(shown: Opened) -> None:
    assert shown(samples.cut()).locator("[data-part=findings] .filter").count() == 0


def test_an_address_leads_to_a_finding_of_a_target(shown: Opened) -> None:
    page = shown(gate_mixed())
    assert page.locator("#t3-f2").count() == 0
    page.goto(f"{page.url}#t3-f2")
    page.locator("#t3-f2").wait_for()
    assert page.evaluate("document.activeElement.id") == "t3-f2"
    page.evaluate("location.hash = '#t2'")
    page.locator("#t2-f1").wait_for()
    page.click("#t3 .found a >> nth=0")
    assert page.evaluate("document.activeElement.id") == "t3-f1"


def test_the_fix_is_copied(shown: Opened) -> None:
    page = shown(samples.cut(), permissions=["clipboard-read", "clipboard-write"])
    page.click(".fix button")
    page.locator(".fix button:not(:text-is('Copy'))").wait_for()
    fix = samples.cut().findings[0].fix
    if page.text_content(".fix button") == "Copied":
        assert page.evaluate("navigator.clipboard.readText()") == fix
    else:
        assert page.evaluate("getSelection().toString()").split() == fix.split()


def test_evidence_and_silenced_findings_are_folded(shown: Opened) -> None:
    page = shown(gate_mixed())
    page.click("#t4 > summary")
    assert page.locator("#t4 .finding").count() == 0
    page.click("#t4 [data-part=silenced] summary")
    assert "baseline baseline.json" in page.inner_text("#t4-s1 .rows >> nth=0")


# ---------------------------------------------------------------- modules and plots


def test_modules_open_and_close(shown: Opened) -> None:
    page = shown(samples_models.gpt())
    rows = page.locator(".tree tbody tr:visible")
    before = rows.count()
    assert before == 19
    page.click("[aria-label='Open 3']")
    opened = rows.count()
    assert opened > before
    page.click("[aria-label='Close 3']")
    assert rows.count() == before
    page.click("text=Open all")
    assert rows.count() > 148
    page.click("text=Close all")
    assert rows.count() == 1
    page.focus(".twist")
    page.keyboard.press("Enter")
    assert rows.count() == 5
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert rows.count() == 17
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert rows.count() == 1


def test_thousands_of_parameters_open_one_by_one(shown: Opened) -> None:
    leaves = tuple(
        parameter(f"stack.b{n // 10}.w{n}", (4, 4), stats(1.0 / (n + 1), backwards=2)) for n in range(2_000)
    )
    page = shown(report(Recording(leaves=leaves, backward_passes=2)))
    assert page.locator(".tree tbody tr").count() < 100
    page.click("text=Open all")
    assert page.locator(".tree tbody tr").count() > 2_000
    page.hover("svg.plot", position={"x": 300, "y": 100})
    assert "first backward" in page.inner_text(".chart p.told")
    assert page.locator("svg.plot circle").count() == 0


def test_the_plot_reads_out_the_parameter_below_the_pointer(shown: Opened) -> None:
    page = shown(samples_models.gpt())
    plot = page.locator("svg.plot")
    assert plot.locator("path.curve").count() == 2
    told = page.locator(".chart p.told")
    assert told.inner_text().strip() == ""
    page.hover("svg.plot", position={"x": 71, "y": 80})
    assert told.inner_text().startswith("transformer.wte.weight")
    assert "last backward" in told.inner_text()
    plot.focus()
    page.keyboard.press("End")
    assert told.inner_text().startswith("transformer.ln_f.bias")
    page.keyboard.press("ArrowLeft")
    assert told.inner_text().startswith("transformer.ln_f.weight")
    page.keyboard.press("Escape")
    assert told.inner_text().strip() == ""


def test_what_has_no_place_on_the_axis_is_marked_at_its_end(shown: Opened) -> None:
    page = shown(samples.nan_birth())
    assert page.locator("svg.plot .outside.high").count() == 4
    assert page.locator("svg.plot .outside title").all_text_contents() == ["NaN"] * 4
    assert "no place on the axis" in page.inner_text(".chart")


def test_parameters_without_a_gradient_are_marked(shown: Opened) -> None:
    page = shown(samples_models.frozen_encoder())
    assert page.locator("svg.plot .missing").count() == 2
    assert "no gradient" in page.inner_text(".legend")


def test_plots_follow_the_width_of_the_window(shown: Opened) -> None:
    page = shown(samples_models.gpt())
    before = page.get_attribute("svg.plot", "viewBox")
    page.set_viewport_size({"width": 500, "height": 800})
    page.locator(f"svg.plot:not([viewBox='{before}'])").wait_for()


def test_sweeps_have_dots_over_a_line(shown: Opened) -> None:
    page = shown(samples_checks_pictures.checks_sweep())
    assert page.locator(".chart figcaption").all_text_contents() == [
        "Sweep of x: forward",
        "Sweep of x: derivative",
    ]
    derivative = page.locator("svg.plot").nth(1)
    assert derivative.locator("path.curve").count() == 1
    assert derivative.locator("circle.curve-1").count() > 20


# ---------------------------------------------------------------- the other parts


def test_checked_functions_open_where_something_is_wrong(shown: Opened) -> None:
    page = shown(samples_checks_rules.checks_every_rule())
    opened = page.locator(".subject[open] > summary .name").all_text_contents()
    assert opened == ["LayerNorm", "RMSNorm", "Scale"]
    assert "0.71552 ± 3e-11" in page.inner_text(".subject >> nth=0")
    page.click(".subject:has-text('Swish') > summary")
    assert "returns" in page.inner_text(".subject:has-text('Swish')")


def test_the_chain_rule_is_a_table(shown: Opened) -> None:
    page = shown(samples_lessons.chain_rule())
    assert page.locator(".chain .result").all_text_contents() == ["x.grad = 42"]
    assert "dc/db = 14" in page.inner_text(".chain")


def test_the_step_and_hooks_are_tables(shown: Opened) -> None:
    page = shown(samples_loops.training_loop())
    step = page.locator("[data-part=phases]")
    assert step.locator("tbody tr").count() == 10
    assert "GS502" in step.inner_text()
    assert "halve on encoder" in page.inner_text("section:has(h2:text-is('Hooks that change gradients'))")


def test_a_failure_shows_its_traceback_when_asked(shown: Opened) -> None:
    page = shown(samples_lessons.crash())
    ending = page.locator("[data-part=ending]")
    assert "Traceback (most" not in ending.inner_text()
    ending.locator("summary").click()
    assert "Traceback (most" in ending.inner_text()


def test_parts_with_nothing_to_show_do_not_appear(shown: Opened) -> None:
    page = shown(samples_lessons.no_backward())
    assert page.locator("[data-part=findings], [data-part=tree], [data-part=plots], .filter").count() == 0


def test_a_gate_is_an_overview_of_its_targets(shown: Opened) -> None:
    page = shown(gate_mixed())
    rows = page.locator(".targets tbody tr:visible")
    assert rows.count() == 9
    assert rows.nth(4).inner_text().split("\t")[0] == "✕ HUNG"
    assert "stopped after 60 s" in rows.nth(4).inner_text()
    page.click("text=only what did not pass")
    assert rows.count() == 7
    page.fill("[aria-label='Only targets with this text']", "memory")
    assert rows.count() == 1
    assert page.locator(".target[open]").count() == 1
    assert page.locator("#t2[open] .finding").count() == 1
    page.click(".targets a:has-text('big.py')")
    assert "needed more than its limit" in page.inner_text("#t7 [data-part=trouble]")


def test_a_large_gate_makes_a_report_when_it_is_opened(shown: Opened) -> None:
    page = shown(gate_large())
    assert page.locator(".target section").count() == 0
    page.click("#t60 > summary")
    assert page.locator("#t60 .tree").count() == 1


def test_everything_of_a_gate_is_opened_for_print(shown: Opened) -> None:
    page = shown(gate_mixed())
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".target[open]").count() == 9
    assert page.locator("#t3 .subject[open]").count() == 4
    assert page.locator("button:visible").count() == 0


# ---------------------------------------------------------------- hostile names, redaction


def test_hostile_names_are_text(shown: Opened) -> None:
    page = shown(gate_hostile())
    open_all(page)
    evil = r"</script>]]>[/red]{{7*7}}::error::%0A|`a`\x1b[31m\ud800\n<b>@all</b>"
    assert page.locator(".targets a").first.text_content() == evil
    assert page.locator("script").count() == 2
    assert page.locator("b, img, iframe").count() == 0
    assert evil in page.inner_text("#t1")
    assert evil in page.inner_text("#t2 [data-part=trouble]")
    page = shown(samples_frames.hostile())
    assert "\u202e" not in page.content()
    assert page.locator("script").count() == 2


def test_a_redacted_page_shows_no_source_and_no_norms(shown: Opened) -> None:
    page = shown(redact(samples.cut(), HOME))
    assert page.locator(".lines, svg.plot").count() == 0
    assert "redacted" in page.inner_text("#summary")
    assert page.locator(".tree th").all_text_contents() == ["module", "", "parameters", ""]
    assert HOME not in page.content()
