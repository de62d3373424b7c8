"""`gradscope doctor`: versions, devices, what can be seen here, and whether the recorder works."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator

import click

from gradscope import __version__
from gradscope.errors import UsageError, printable
from gradscope.exits import ExitStatus

_CONFIGURED = "the configuration can be read"
_BESIDE = ("numpy", "transformers", "accelerate", "lightning", "safetensors", "triton")
_NEVER_SEEN = (
    "inside a torch.compile region: its forward and backward are one op each",
    "inside C++ and CUDA extensions: an op is seen from outside",
    "other processes: DataLoader workers, other ranks, what the program starts",
    "a program that ends by os._exit or is killed: it takes the report with it",
)


@click.command(short_help="Check this installation: versions, devices, the recorder.")
def command() -> int:
    """Show versions and devices, what cannot be seen here, and check that the recorder works."""
    from gradscope.environment import device_text
    from gradscope.selfcheck import self_check

    in_force, configured = _configuration()
    for name, text in [*_versions(device_text()), ("config", in_force)]:
        click.echo(f"{name:<12}  {text}")
    click.echo("\nchecks")
    wrong = False
    for what, trouble in [
        *_installation(),
        configured,
        *((check.what, check.wrong) for check in self_check()),
    ]:
        wrong = wrong or bool(trouble)
        click.echo(f"  {_mark(not trouble)}  {what}" + (f"\n        {trouble}" if trouble else ""))
    click.echo("\nnot seen, here or anywhere")
    for text in _NEVER_SEEN:
        click.echo(f"  {text}")
    return ExitStatus.FINDINGS if wrong else ExitStatus.OK


def _mark(good: bool) -> str:
    return click.style("ok  ", fg="green") if good else click.style("FAIL", fg="red", bold=True)


def _versions(device: str) -> Iterator[tuple[str, str]]:
    import torch

    import gradscope

    yield "gradscope", f"{__version__}  {os.path.dirname(os.path.abspath(gradscope.__file__))}"
    yield "python", f"{platform.python_version()}  {sys.executable}"
    yield "platform", platform.platform()
    yield "torch", str(torch.__version__)  # with its build: the distribution's version may lack the CUDA
    yield "device", device
    for name in _BESIDE:
        found = _version(name)
        if found:
            yield name, found
    yield "graphviz", shutil.which("dot") or "no dot program here; graph needs it for svg, png and pdf alone"


def _configuration() -> tuple[str, tuple[str, str]]:
    """The configuration that holds for programs of the working directory, and the check that it is right."""
    from gradscope.config import nearest

    try:
        path = nearest(os.getcwd()).path
        return path or "no pyproject.toml with [tool.gradscope] here or above", (_CONFIGURED, "")
    except UsageError as error:
        return "not usable, see below", (
            _CONFIGURED,
            "\n        ".join(map(printable, [error.what, *error.where])),
        )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _installation() -> Iterator[tuple[str, str]]:
    foreign = _version("gradscope")
    advice = "python -m pip uninstall gradscope, then install gradscope-torch again"
    trouble = f"gradscope {foreign} of another project is installed over it: {advice}" if foreign else ""
    yield "no other distribution has our import name", trouble
    yield "nothing in this folder hides it", _hidden_by()


def _hidden_by() -> str:
    """A file or folder of the working directory that `import gradscope` would find before us."""
    import gradscope

    ours = os.path.dirname(os.path.abspath(gradscope.__file__))
    for path in (os.path.abspath("gradscope.py"), os.path.abspath("gradscope")):
        module = path if path.endswith(".py") else os.path.join(path, "__init__.py")
        if os.path.isfile(module) and os.path.realpath(path) != os.path.realpath(ours):
            return f"{path} is imported in place of it by programs in this folder; rename it"
    return ""
