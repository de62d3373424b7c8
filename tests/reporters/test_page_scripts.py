"""The scripts of all pages: their modules become one, so that names must be unique and imports known."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from pathlib import Path

import pytest

import gradscope.reporters
from gradscope.reporters import memory_page, report_page
from gradscope.reporters.pictures._page import assembly

ROOT = Path(gradscope.reporters.__file__).parent
SHARED = ROOT / "page_parts"
PAGES = {
    "memory_page": memory_page.MODULES,
    "report_page": report_page.MODULES,
    "pictures/_page": assembly.MODULES,
}
IMPORT = re.compile(r'^import \{ ([^}]*) \} from "([^"]*)";$', re.MULTILINE)
DECLARED = re.compile(r"^(export )?(?:async )?(?:function\*?|class|const|let) (\w+|\[[^\]]*\])", re.MULTILINE)


def path_of(page: str, module: str) -> Path:
    own = ROOT / page / f"{module}.js"
    return own if own.is_file() else SHARED / f"{module}.js"


def declared(path: Path) -> list[tuple[str, bool]]:
    """The names at the top of a module, and whether each is exported."""
    found = DECLARED.findall(path.read_text(encoding="utf-8"))
    return [(name, bool(exported)) for exported, names in found for name in re.findall(r"\w+", names)]


@pytest.mark.parametrize("page", PAGES)
def test_no_name_is_declared_twice(page: str) -> None:
    names = Counter(name for module in PAGES[page] for name, _ in declared(path_of(page, module)))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("page", PAGES)
def test_modules_stand_behind_what_they_import(page: str) -> None:
    before: list[str] = []
    for module in PAGES[page]:
        path = path_of(page, module)
        text = path.read_text(encoding="utf-8")
        assert text.count("\nimport ") == len(IMPORT.findall(text)), path
        for names, source in IMPORT.findall(text):
            imported = (path.parent / source).resolve()
            assert imported.stem in before, (module, source)
            exported = {name for name, is_exported in declared(imported) if is_exported}
            assert {name.strip() for name in names.split(",")} <= exported, (module, source)
        before.append(module)


@pytest.mark.parametrize("page", PAGES)
def test_every_module_of_a_page_is_used(page: str) -> None:
    assert {path.stem for path in (ROOT / page).glob("*.js")} <= set(PAGES[page])


def test_every_shared_module_is_some_pages() -> None:
    assert {path.stem for path in SHARED.glob("*.js")} <= {name for names in PAGES.values() for name in names}
    assert importlib.import_module("gradscope.reporters.page_parts").__doc__


@pytest.mark.parametrize("page", [*PAGES, "page_parts"])
def test_no_script_makes_markup_of_text(page: str) -> None:
    for path in (ROOT / page).glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text
        )
