"""One headless Chromium for the session; a page is opened from a file, offline, and must stay silent."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.facts.graph import AutogradGraph
from gradscope.reporters.pictures import format_named

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless browser; skips where there is none, or nothing to drive it with."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened_file(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens the content of a page. Afterwards it must have logged nothing and asked for nothing."""
    heard: list[str] = []
    pages = []

    def open_page(content: bytes, **options: Any) -> Any:
        file = tmp_path / f"page{len(pages)}.html"
        file.write_bytes(content)
        page = browser.new_page(viewport={"width": 1280, "height": 800}, **options)
        pages.append(page)
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: heard.append(asked.url) if asked.url != file.as_uri() else None)
        page.goto(file.as_uri())
        # Never wait_for_function: what it asks again after a while is eval, which the page's policy forbids.
        assert page.evaluate("'gradscope' in window")
        return page

    yield open_page
    for page in pages:
        page.close()
    assert heard == []


@pytest.fixture
def opened(opened_file: Callable[..., Any]) -> Callable[..., Any]:
    """Opens the page of a graph."""

    def open_page(graph: AutogradGraph | Subject, view: View | None = None) -> Any:
        subject = graph if isinstance(graph, Subject) else Subject(graph, target="train.py")
        return opened_file(format_named("html").render(subject, view or View())[0].content)

    return open_page
