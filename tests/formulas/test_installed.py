"""Which torch the formulas are of, and what is said where there is none."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import torch

from gradscope.formulas import FormulasMissing, formula_of
from gradscope.formulas import table as module
from gradscope.formulas.installed import installed


def package(folder: Path, name: str) -> ModuleSpec:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(
        name, folder / name / "__init__.py", submodule_search_locations=[str(folder / name)]
    )
    assert spec is not None
    return spec


def finding(monkeypatch: pytest.MonkeyPatch, **specs: ModuleSpec | None) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: specs[name] if name in specs else real(name, package),
    )


def test_it_is_the_torch_that_is_imported() -> None:
    found = installed()
    assert found.torch.partition("+")[0] == torch.__version__.partition("+")[0]
    assert found.derivatives.parent.parent.parent.parent == Path(torch.__file__).parent.parent
    assert found.derivatives.is_file()
    assert found.functions.is_file()


def test_the_fingerprint_changes_with_every_file(tmp_path: Path) -> None:
    found = installed()
    path = tmp_path / "derivatives.yaml"
    path.write_bytes(found.derivatives.read_bytes() + b"\n")
    prints = {
        found.fingerprint(),
        replace(found, derivatives=path).fingerprint(),
        replace(found, torch="2.0").fingerprint(),
        replace(found, readers=found.readers[:1]).fingerprint(),
    }
    assert len(prints) == 4
    assert found.fingerprint() == installed().fingerprint()


def test_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    finding(monkeypatch, torch=None)
    with pytest.raises(FormulasMissing, match="torch is not installed") as raised:
        installed()
    assert raised.value.try_next == ("python -m pip install torch",)


def test_a_file_named_torch_is_not_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "torch.py"
    path.write_text("", encoding="utf-8")
    finding(monkeypatch, torch=importlib.util.spec_from_file_location("torch", path))
    with pytest.raises(FormulasMissing, match="torch is not installed"):
        installed()


def test_a_torch_without_torchgen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finding(monkeypatch, torch=package(tmp_path, "torch"), torchgen=None)
    with pytest.raises(FormulasMissing, match="there is no torchgen beside it"):
        installed()


def test_the_torchgen_of_another_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finding(monkeypatch, torch=package(tmp_path / "a", "torch"), torchgen=package(tmp_path / "b", "torchgen"))
    with pytest.raises(FormulasMissing, match="another torchgen lies at"):
        installed()


def test_a_torch_without_its_yaml_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finding(monkeypatch, torch=package(tmp_path, "torch"), torchgen=package(tmp_path, "torchgen"))
    with pytest.raises(FormulasMissing, match=r"derivatives\.yaml cannot be read \(No such file"):
        installed().fingerprint()


def test_a_module_that_somebody_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["torch"], "__spec__", None)
    with pytest.raises(FormulasMissing, match="torch is not installed"):
        installed()


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising() -> Any:
        raise FormulasMissing("torch is not installed for this Python")

    monkeypatch.setattr(module, "table", raising)


@pytest.mark.usefixtures("missing")
def test_a_node_without_formulas_says_why() -> None:
    found = formula_of("MulBackward0")
    assert found is not None
    assert found.reason == "torch is not installed for this Python"
    assert not found.gradients
    leaf = formula_of("AccumulateGrad")
    assert leaf is not None
    assert "leaf" in leaf.reason
    assert formula_of("MyFunctionBackward") is None


def test_what_is_missing_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def none_installed() -> Any:
        asked.append(1)
        raise FormulasMissing("torch is not installed")

    monkeypatch.setattr(module, "installed", none_installed)
    module._read.cache_clear()
    try:
        for _ in range(3):
            with pytest.raises(FormulasMissing, match="torch is not installed"):
                module.table()
    finally:
        module._read.cache_clear()
    assert len(asked) == 1
