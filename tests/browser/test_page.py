"""The page of a graph in a real browser: search, open, click, colour, paths, steps, and hostile names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from identity.running import run_recorded

from gradscope.autograd_graph.drawing import WHOLE, Subject, View
from gradscope.engine import judge
from gradscope.facts.graph import AutogradGraph, GraphNode, GraphPlace, NodeKind
from gradscope.finding import Location
from tests.reporters.samples_graphs import chain, hostile

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Opened = Callable[..., Any]


def example(name: str, number: int = 1) -> Subject:
    """An example that was run, as `gradscope graph` draws it."""
    recording = run_recorded(EXAMPLES / f"{name}.py", graph_of=number).recording
    assert recording.graph is not None
    findings, _ = judge(recording)
    return Subject(recording.graph, findings, f"examples/{name}.py", str(EXAMPLES.parent), recording.severed)


def modules(count: int, inside: int) -> AutogradGraph:
    """A chain of modules of several nodes each."""
    nodes, places = [], []
    for module in range(count):
        line = Location("/work/net.py", module + 1, function="forward")
        places.append(GraphPlace(line, f"net.layer{module}", None, f"self.layer{module}(x)"))
        for _ in range(inside):
            below = ((len(nodes) - 1, 0),) if nodes else (None,)
            nodes.append(
                GraphNode("MulBackward0", NodeKind.OP, below, module, len(nodes), ((2,),), ("float32",))
            )
    classes = {f"net.layer{module}": f"Layer{module}" for module in range(count)}
    return AutogradGraph(
        tuple(nodes), tuple(places), roots=((len(nodes) - 1, 0),), modules={"net": "Net", **classes}
    )


def shown(page: Any) -> int:
    """How many boxes the picture has."""
    return int(page.evaluate("window.gradscope.scene.texts.size"))


def click(page: Any, item: int) -> None:
    """Clicks on the box of an item with the mouse."""
    place = page.evaluate(
        """(item) => {
            const page = window.gradscope;
            page.camera.centre(page.scene.boxes.get(item), page.room);
            page.redraw();
            const box = page.scene.boxes.get(item);
            const [x, y] = page.camera.screen(box.x + box.width / 2, box.y + box.height - 3);
            const at = page.canvas.getBoundingClientRect();
            return [at.left + x, at.top + y];
        }""",
        item,
    )
    page.mouse.click(*place)


def test_search_finds_what_is_closed_and_opens_it(opened: Opened) -> None:
    page = opened(modules(40, 30))
    before = shown(page)
    page.keyboard.press("/")
    page.keyboard.type("net.py:17")
    assert page.text_content("#hits") == "30 matches"
    page.keyboard.press("Enter")
    assert page.text_content("#hits") == "1 of 30"
    assert shown(page) > before
    assert "net.py:17" in page.text_content("#panel")
    page.click("#next")
    assert page.text_content("#hits") == "2 of 30"
    page.fill("#search", "no such thing")
    assert page.text_content("#hits") == "no match"


def test_modules_open_and_close(opened: Opened) -> None:
    page = opened(modules(40, 30))
    closed = shown(page)
    group = page.evaluate("window.gradscope.standing.itemOf(2)")
    page.evaluate("(item) => window.gradscope.toggle(item)", group)
    assert shown(page) != closed
    page.click("#panel button")  # Close, or Open
    assert shown(page) == closed
    page.select_option("#depth", index=0)
    assert shown(page) < closed
    rows = page.locator("#outline [role=treeitem]")
    assert "net" in rows.first.text_content()


def test_a_click_shows_line_shapes_formula_and_gradient(opened: Opened) -> None:
    subject = example("severed")
    page = opened(subject, View(depth=WHOLE))
    row = next(n for n, node in enumerate(subject.graph.nodes) if node.name == "MseLossBackward0")
    click(page, row)
    told = page.text_content("#panel")
    for part in ("MseLossBackward0", "examples/severed.py:39", "nn.functional.mse_loss", "float32", "saved"):
        assert part in told, part
    assert "mse_loss_backward(grad" in told  # torch's own formula
    assert page.evaluate("window.gradscope.selected") == row
    page.keyboard.press("Escape")
    assert page.evaluate("window.gradscope.selected") is None


def test_what_is_severed_is_drawn_and_told(opened: Opened) -> None:
    page = opened(example("severed"))
    assert "GS102" in page.text_content("#panel")
    titles = page.evaluate("[...window.gradscope.scene.texts.values()].map((texts) => texts[0])")
    assert any("encoder" in title for title in titles)
    assert any("detach" in title for title in titles)


def test_colours_are_switched_and_the_legend_says_which(opened: Opened) -> None:
    page = opened(example("severed"), View(depth=WHOLE))
    first = page.text_content("#legend .title")
    page.select_option("#colour", "bytes")
    assert page.text_content("#legend .title") != first
    page.select_option("#colour", "none")
    assert not page.is_visible("#legend")


def test_only_the_paths_of_one_leaf(opened: Opened) -> None:
    page = opened(example("severed"), View(depth=WHOLE))
    everything = shown(page)
    page.select_option("#path", label="head.bias")
    assert shown(page) < everything
    page.click("#all")
    assert shown(page) == everything


def test_steps_go_through_the_forward_and_the_backward(opened: Opened) -> None:
    page = opened(example("chain_rule"))
    assert page.is_visible("#steps")
    said = []
    for _ in range(8):
        page.click("[data-step=forward]")
        said.append(page.inner_text("#steps [data-said]").replace("\n", " | "))
    assert said == [
        "x = 2 | a leaf: the program gives its value",
        "a = x * 3 = 6 | with x = 2",
        "b = a + 1 = 7 | with a = 6",
        "c = b**2 = 49 | with b = 7",
        "the backward begins: dc/dc = 1 | gradient of b += 1 * 14 = 14",
        "gradient of b: 14 | gradient of a += 14 * 1 = 14",
        "gradient of a: 14 | x.grad += 14 * 3 = 42",
        "x.grad = 42",
    ]
    page.click("[data-step=back]")
    assert page.text_content("#steps [data-count]") == "backward · 7 of 8"
    assert "a = x * 3" in page.text_content("#listing .current")
    page.click("[data-step=first]")
    assert page.text_content("#steps [data-count]") == "forward · 1 of 8"


def test_the_paths_to_a_leaf_are_summed(opened: Opened) -> None:
    page = opened(example("paths"))
    page.click("[data-step=last]")
    assert page.inner_text("#steps [data-said]").split("\n") == ["x.grad = 3 + 4 = 7", "the sum over 2 paths"]


def test_hostile_names_stay_text(opened: Opened) -> None:
    page = opened(hostile(), View(depth=WHOLE))
    assert page.locator("img, iframe, b").count() == 0
    for item in range(min(shown(page), 8)):
        page.evaluate("(item) => window.gradscope.go(item)", item)
    page.fill("#search", "<img src=x onerror=alert(1)>")
    assert page.evaluate("document.querySelectorAll('script').length") == 2


@pytest.mark.parametrize("length", [100_000])
def test_a_large_graph_opens(opened: Opened, length: int) -> None:
    page = opened(chain(length))
    assert 0 < shown(page) <= 100
    assert f"{length:,}"[:3] in page.text_content("#figures")


def test_five_thousand_boxes_can_be_moved_about(opened: Opened) -> None:
    page = opened(modules(50, 100), View(depth=WHOLE))
    assert shown(page) == 5001  # and what is differentiated
    before = page.evaluate("[window.gradscope.camera.screen(0, 0)]")
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 150, steps=5)
    page.mouse.up()
    page.mouse.wheel(0, -300)
    page.keyboard.press("0")
    assert page.evaluate("[window.gradscope.camera.screen(0, 0)]") != before


def test_keys(opened: Opened) -> None:
    page = opened(modules(40, 30))
    page.focus("#canvas")
    scale = page.evaluate("window.gradscope.camera.scale")
    page.keyboard.press("+")
    assert page.evaluate("window.gradscope.camera.scale") > scale
    page.keyboard.press("ArrowDown")
    first = page.evaluate("window.gradscope.selected")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("window.gradscope.selected") not in (None, first)
    before = shown(page)
    page.keyboard.press("Enter")
    assert shown(page) != before


def test_equal_blocks_are_one_box_until_they_are_opened(opened: Opened) -> None:
    graph = modules(12, 6)
    alike = {path: "Block" if "layer" in path else name for path, name in graph.modules.items()}
    page = opened(msgspec.structs.replace(graph, modules=alike), View(depth=WHOLE))
    closed = shown(page)
    assert closed == 2  # the blocks, and what is differentiated
    assert "12 x Block" in page.text_content("#outline")
    page.locator("#outline .twist", has_text="▸").first.click()
    assert shown(page) == 13


def test_a_depth_that_shows_everything_of_a_large_graph_stops_at_what_can_be_drawn(opened: Opened) -> None:
    page = opened(chain(30_000), View(depth=WHOLE))
    assert shown(page) <= 20_000


def test_a_step_shows_the_way_that_its_gradient_goes(opened: Opened) -> None:
    page = opened(example("chain_rule"))
    for _ in range(6):
        page.click("[data-step=forward]")
    marked = page.evaluate(
        "window.gradscope.scene.wires.filter((w) => window.gradscope.emphasis.marks[w.index])"
        ".map((w) => [w.tail, w.head])"
    )
    assert marked == [[1, 2]]
    assert not page.is_visible("#legend")
