"""Which torch is installed, and where its derivative formulas lie, without importing it."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gradscope.errors import UsageError

_DERIVATIVES = Path("packaged", "autograd", "derivatives.yaml")
_FUNCTIONS = Path("packaged", "ATen", "native", "native_functions.yaml")
_TAGS = Path("packaged", "ATen", "native", "tags.yaml")
_READERS = (Path("packaged", "autograd", "load_derivatives.py"), Path("api", "autograd.py"))


class FormulasMissing(UsageError):
    """The formulas of the installed torch cannot be had; the message says what is missing, and why."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The installed torch's version and the absolute paths of the files its formulas are read from."""

    torch: str
    derivatives: Path
    functions: Path
    tags: Path
    readers: tuple[Path, ...]

    def fingerprint(self) -> str:
        """Changes with the version and with every byte of the files, those that read them included.

        Raises FormulasMissing where one cannot be read.
        """
        digest = hashlib.sha256(self.torch.encode())
        for path in (self.derivatives, self.functions, self.tags, *self.readers):
            try:
                digest.update(path.read_bytes())
            except OSError as error:
                raise FormulasMissing(
                    f"torch {self.torch} is installed without its derivative formulas: {path} cannot be read "
                    f"({error.strerror})",
                    try_next="python -m pip install --force-reinstall torch",
                ) from None
        return digest.hexdigest()


def installed() -> Installed:
    """The torch that `import torch` would import. Raises FormulasMissing where there is none."""
    torch = _folder("torch")
    if torch is None:
        raise FormulasMissing(
            "torch is not installed for this Python, so its derivative formulas cannot be read",
            try_next="python -m pip install torch",
        )
    torchgen = torch.parent / "torchgen"
    found = _folder("torchgen")
    if found is None or found.resolve() != torchgen.resolve():
        where = f"another torchgen lies at {found}" if found is not None else "there is no torchgen beside it"
        raise FormulasMissing(
            f"the torch at {torch} is installed without its derivative formulas: {where}",
            try_next="python -m pip install --force-reinstall torch",
        )
    return Installed(
        _version(),
        torchgen / _DERIVATIVES,
        torchgen / _FUNCTIONS,
        torchgen / _TAGS,
        tuple(torchgen / reader for reader in _READERS),
    )


def _folder(package: str) -> Path | None:
    """Where a top-level package lies; None where there is none, or it is a single file."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # a module of that name was put into sys.modules without a spec
        return None
    if spec is None or spec.origin is None or not spec.submodule_search_locations:
        return None
    return Path(spec.origin).parent


def _version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "of unknown version"
