"""The command group: commands are loaded when called, and every error is shown here and nowhere else.

A command is a file of `gradscope.commands` with a click command named `command`; adding one is adding
its file. Nothing here imports torch.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from gradscope import __version__, commands
from gradscope.errors import Fault, GradscopeError, UsageError, did_you_mean, render
from gradscope.exits import ExitStatus


class CommandFolder(click.Group):
    """A group whose commands are the files of a package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the files that hold a command, in alphabetical order."""
        names = (info.name for info in pkgutil.iter_modules(commands.__path__))
        return sorted(name for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's file; None where there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{commands.__name__}.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that was typed, or says which ones are like it."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise _no_such_command(name, self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; an error in its words that click tells without its context gets one."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            name = ctx.invoked_subcommand
            command = self.get_command(ctx, name) if name is not None else None
            if error.ctx is None and command is not None:
                error.ctx = click.Context(command, info_name=name, parent=ctx)
            raise


def _no_such_command(name: str, known: Sequence[str]) -> UsageError:
    if name.endswith(".py") or os.path.exists(name):
        return UsageError(f"no such command: {name}", try_next=f"gradscope trace {name}")
    guess = did_you_mean(name, known)
    return UsageError(f"no such command: {name}{guess}", try_next=f"gradscope --help  ({', '.join(known)})")


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        torch = f"torch {version('torch')}"
    except PackageNotFoundError:
        torch = "no torch"
    python = ".".join(map(str, sys.version_info[:3]))
    click.echo(f"gradscope {__version__} ({torch}, Python {python})")
    ctx.exit()


@click.group(
    cls=CommandFolder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'gradscope COMMAND --help' describes a command; 'gradscope explain --list' lists the rules.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the versions and exit.",
)
def cli() -> None:
    """Point it at a PyTorch program; it says, line by line, what happened to the gradients."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line (default: `sys.argv[1:]`) and returns its exit status.

    The only error boundary: whatever is raised below is turned into a message on stderr and a status.
    """
    try:
        status: Any = cli.main(
            args=None if arguments is None else list(arguments), prog_name="gradscope", standalone_mode=False
        )
        return int(status or ExitStatus.OK)
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.ctx.get_help() if asked.ctx else "", err=True)
        return ExitStatus.USAGE
    except click.ClickException as error:
        return _show(_from_click(error))
    except (click.Abort, KeyboardInterrupt):
        _write("\ninterrupted\n")  # below the ^C that the terminal shows
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ExitStatus.OK
    except Fault as fault:
        return _show_fault(fault, fault.__cause__ or fault)
    except GradscopeError as error:
        return _show(error)
    except Exception as error:  # noqa: BLE001  the boundary: anything else is our own fault
        return _show_fault(Fault("a fault in gradscope, not in your program"), error)


def _from_click(error: click.ClickException) -> UsageError:
    context: click.Context | None = getattr(error, "ctx", None)
    name = context.command_path if context is not None else "gradscope"
    message = error.format_message().rstrip(".")
    advice = [f"{name} --help"]
    if isinstance(error, click.NoSuchOption) and context is not None:
        options = context.command.get_params(context)  # with --help
        known = [spelling for parameter in options for spelling in parameter.opts]
        message = f"no such option: {error.option_name}{did_you_mean(error.option_name, known)}"
        if context.info_name in ("trace", "check"):
            own = f"gradscope {context.info_name} train.py -- {error.option_name}"
            advice.insert(0, f"{own}   (the program's own options stand after --)")
    elif isinstance(error, click.BadOptionUsage) and context is not None:
        advice = [*_with_argument(error.option_name, context), *advice]
    return UsageError(message[:1].lower() + message[1:], try_next=advice)


def _with_argument(name: str, context: click.Context) -> list[str]:
    """ "--steps N": the option with what stands after it."""
    options = [one for one in context.command.params if name in one.opts]
    return [f"{name} {one.make_metavar(context)}" for one in options if one.nargs == 1]


def _show(error: GradscopeError) -> int:
    _write(render(error, width=_width()))
    return error.exit_status


def _show_fault(fault: Fault, cause: BaseException) -> int:
    _write(fault.program_error)
    _write("".join(traceback.format_exception(cause)))
    _write(render(fault, width=_width()))
    _write("  send  the lines above and the output of gradscope doctor to the issue tracker\n")
    return ExitStatus.FAULT


def _width() -> int:
    import shutil

    return min(shutil.get_terminal_size((80, 24)).columns, 100)


def _write(text: str) -> None:
    """Text on stderr; `error:` is red where stderr is a terminal and `NO_COLOR` is not set."""
    if not os.environ.get("NO_COLOR") and text.startswith("error: "):
        text = click.style("error", fg="red", bold=True) + text.removeprefix("error")
    click.echo(text, err=True, nl=False)
