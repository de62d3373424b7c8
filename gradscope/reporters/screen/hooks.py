"""The program's hooks that changed gradients, a paragraph each; hooks that only look are left to JSON."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from gradscope.facts import GradientHook, HookChange, HookEffect, HookKind, Recording
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import group_names, number, plural, scientific, wrap

_MOST: Final = 6
_MOST_NAMES: Final = 2


def hook_lines(recording: Recording, page: Page, *, values: bool = True) -> list[Text]:
    """The section; empty where no hook changed a gradient. With `values` False no norms are shown."""
    changing = [hook for hook in recording.hooks if hook.changes]
    if not changing:
        return []
    lines = [Text("hooks that change gradients", STYLES["heading"])]
    for hook in changing[:_MOST]:
        head, told = (
            hook_head(hook, page),
            "; ".join(change_text(each, hook, values=values) for each in hook.changes),
        )
        if cells(head) + cells(told) + 4 <= page.width:
            lines.append(Text(f"  {head}  {told}"))
        else:
            lines += [Text(f"  {head}"), *(Text(f"    {part}") for part in wrap(told, page.width - 4))]
    if len(changing) > _MOST:
        lines.append(Text(f"  and {plural(len(changing) - _MOST, 'more hook')}", STYLES["faint"]))
    return lines


def hook_head(hook: GradientHook, page: Page) -> str:
    """Where the hook was registered, its function, and on what."""
    where = hook.location or hook.defined_at
    at = page.near(where) if where else "?"
    at += " (defined)" if hook.location is None and where else ""
    module = "module " if hook.kind in (HookKind.MODULE, HookKind.MODULE_OUTPUT) else ""
    on = f" on {module}{page.text(group_names(hook.on, _MOST_NAMES))}" if hook.on else ""
    return f"{at}  {page.text(hook.function)}{on}"


def change_text(change: HookChange, hook: GradientHook, *, values: bool) -> str:
    """`3 of 6 gradients multiplied by 0.5, the first from norm 2.0e+00 to 1.0e+00`."""
    seen = f"{change.count:,} of {plural(hook.gradients, 'gradient')} {_verb(change, values=values)}"
    if not values or change.effect in (HookEffect.ZEROED, HookEffect.NAN, HookEffect.INF):
        return seen
    return f"{seen}, the first from norm {scientific(change.before)} to {scientific(change.after)}"


def _verb(change: HookChange, *, values: bool) -> str:
    factor = f" {number(change.factor)}" if values and change.factor is not None else ""
    if change.effect is HookEffect.ZEROED:
        return "set to zero"
    if change.effect is HookEffect.SCALED:
        return f"multiplied by{factor}" if factor else "scaled"
    if change.effect is HookEffect.CLAMPED:
        return f"clamped to{factor}" if factor else "clamped"
    made = {HookEffect.NAN: "made NaN", HookEffect.INF: "made infinite"}
    return made.get(change.effect, "changed")
