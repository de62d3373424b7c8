"""Hand-made reports whose places and names are hard to print."""

from __future__ import annotations

from gradscope.facts import Backward, ChainRow, ChainTable, ModuleFact, ProgramEnd, ProgramError, Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.report import Report

from .samples import HOME, LIBRARY, Source, parameter, report, sources, stats

# ---------------------------------------------------------------- several files, many subjects

_STEP = Source(
    "engine/step.py",
    """
def step(self, batch):
    state = self.memory.read(batch.key)
    # the state of the last batch still holds its graph
    state = self.cell(batch.x, state)
    loss = self.criterion(
        self.head(state),
        batch.y,
    )

    loss.backward()
""",
    first_line=101,
)
_MEMORY = Source(
    "engine/memory.py",
    """
    def write(self, key, state):
        self.slots[key] = state
""",
    first_line=12,
)


def several_files() -> Report:
    """Places in three files, one of which has no source; a multi-line expression; a probable finding."""
    loss = _STEP.at("self.criterion(", "Engine.step")
    finding = Finding(
        "GS301",
        "backward-twice",
        Severity.ERROR,
        "this backward walks into the graph of the backward before it, which has been freed",
        Location(loss.path, loss.line, loss.column, loss.line + 3, 6, "Engine.step", None),
        label="this loss reaches the old graph",
        related=(
            Related(
                _STEP.at("self.cell(batch.x, state)", "Engine.step"), "`state` brings the old graph along"
            ),
            Related(_MEMORY.at("self.slots[key] = state", "Memory.write"), "kept here with its graph"),
            Related(_STEP.at("loss.backward()", "Engine.step"), "and is freed here, every time"),
            Related(Location(LIBRARY, 51, 9, 51, 30), "flows keeps a second reference"),
            Related(Location(LIBRARY, 77, None), "and a third"),
        ),
        confidence=Confidence.PROBABLE,
        notes=(Note("path", "state -> slots[key] -> read -> cell (104) -> head (106) -> criterion (105)"),),
        fix="self.slots[key] = state.detach()",
        count=2,
    )
    retained = Finding(
        "GS302",
        "graph-retained",
        Severity.WARNING,
        "graphs of 12 old steps are alive",
        _MEMORY.at("self.slots[key] = state", "Memory.write"),
        subjects=("engine.memory.slots",),
        fix="self.slots[key] = state.detach()",
    )
    unused = Finding(
        "GS103",
        "unused-parameter",
        Severity.WARNING,
        "these parameters took part in no loss",
        None,
        subjects=tuple(f"decoder.layers.{n}.cross.{kind}" for n in range(20) for kind in ("weight", "bias")),
        fix="remove them, or use them",
    )
    recording = Recording(
        torch_version="2.13.0",
        backward_passes=1,
        backwards=(Backward(_STEP.at("loss.backward()"), "backward", 1, 18, 0, 3.5, 3.5, root="loss"),),
        sources=sources(_STEP, _MEMORY),
    )
    return report(recording, finding, retained, unused)


# ---------------------------------------------------------------- lines that are hard to underline

_WIDE = Source(
    "breite.py",
    "def f(x):\n"
    "\tif x.sum() > 0:\n"
    "\t\t損失 = torch.log(入力.clamp_min(0)) + torch.exp(入力)  # 負の値はない\n"
    "\treturn attention_scores(query=self.query_projection(hidden_states), key=self.key_projection("
    "encoder_states), value=self.value_projection(encoder_states)).detach().requires_grad_(True)\n"
    "\tx = (x - x.mean(dim=-1, keepdim=True)) / (x.std(dim=-1, keepdim=True)"
    " + torch.finfo(x.dtype).eps) * scale\n",
)


def hard_lines() -> Report:
    """Tabs, wide characters, and carets far to the right of a long line."""
    log = Finding(
        "GS402",
        "inf-gradient",
        Severity.ERROR,
        "2 of 2 parameters have Inf gradients",
        _WIDE.at("torch.log(入力.clamp_min(0))", "f"),
        label="first Inf of this backward: LogBackward0, grad / self",
        related=(
            Related(_WIDE.at("torch.exp(入力)"), "finite"),
            Related(_WIDE.at("入力.clamp_min(0)"), "self is 0 at 3 places"),
            Related(_WIDE.at("損失"), "the loss"),
        ),
    )
    cut = Finding(
        "GS102",
        "severed-gradient",
        Severity.WARNING,
        "`query_projection` gets no gradient",
        _WIDE.at("detach()", "f"),
        label="the gradient stops here, after everything that this line computed",
        related=(
            Related(_WIDE.at("requires_grad_(True)"), "and a new leaf begins"),
            Related(_WIDE.at("self.query_projection(hidden_states)"), "what is lost"),
        ),
    )
    scale = Finding(
        "GS108",
        "zero-gradient",
        Severity.WARNING,
        "`scale` is all zeros",
        _WIDE.at("scale", "f"),
        label="a factor of zero",
    )
    recording = Recording(torch_version="2.13.0", backward_passes=1, sources=sources(_WIDE))
    return report(recording, log, cut, scale, target="breite.py")


# ---------------------------------------------------------------- names that try to be markup

_HOSTILE = Source(
    "[/bold]/tr\x1b[31main.py", 'y = net.params["grad[i]"]  # \x1b[2J[/red] :smile: \u202egpj.exe'
)


def hostile() -> Report:
    """Markup, emoji codes, escapes, newlines and lone surrogates in every place a string can come from."""
    strange = "[/red][bold]\x1b[31m:smile:\nnew\u2028line \udcff \x9b2J"
    where = Location(_HOSTILE.path, 1, 5, 1, 26, f"f<{strange}>", strange)
    finding = Finding(
        "GS105",
        "nonleaf-grad-read",
        Severity.WARNING,
        f"`{strange}` is no leaf",
        where,
        label=strange,
        subjects=("grad[i]", "[/red]", ":smile:", strange, "more", "[link=x]"),
        related=(Related(Location(f"{HOME}/{strange}.py", 3, 1), strange),),
        notes=(Note("[u]because", f"{strange}"), Note("\x1b", "")),
        evidence={strange: strange, "nested": [strange]},
        fix=strange,
        consequences=(Finding("GS103", "unused-parameter", Severity.INFO, strange, where),),
    )
    row = ChainRow(strange, strange, strange, where, (), 1.0, ((strange, 1.0),), 1.0, ((strange, 1.0),))
    leaf = ChainRow("grad[i]", None, None, None, (), 1.0, (), 1.0, (("grad[i]", 1.0),), is_leaf=True)
    recording = Recording(
        ProgramEnd(1, ProgramError(strange, strange, (where,), f"  {strange}\n    [/red]\n")),
        device=strange,
        backward_passes=1,
        backwards=(Backward(where, "backward", 1, 1, 1, 1.0, 1.0, root=strange, seed=strange),),
        leaves=(
            parameter("grad[i]", (2,), stats(1.0), root="[/red]"),
            parameter(strange, (2,), None, root="[/red]"),
            parameter("[/red]", (2,), stats(1.0), root=None),
        ),
        chains=(ChainTable(where, strange, 1.0, strange, True, (row, leaf)),),
        notes=(strange,),
        modules=(ModuleFact("[/red]", "", strange, 1),),
        not_seen=(strange, "[/red]"),
        sources=sources(_HOSTILE),
    )
    return report(recording, finding, target=strange)
