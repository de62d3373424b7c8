"""What the text of a method says: writes into an argument, cuts, attributes of ctx."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from gradscope.syntax.declarations import declaration, mistyped_declaration
from gradscope.syntax.definitions import class_of, function_at, header, header_lines
from gradscope.syntax.methods import context_attributes, cuts, definition_span
from gradscope.syntax.mutations import writes_to
from gradscope.syntax.registrations import registered_autograds
from gradscope.syntax.uses import Use, uses_of


def forward(body: str) -> str:
    return "def forward(ctx, x, y):\n" + indent(dedent(body), "    ")


@pytest.mark.parametrize(
    "body",
    [
        "x += 1",
        "x[0] = 0",
        "x[y > 0] *= 2",
        "x.add_(y)",
        "x.data.mul_(2)",
        "x.data = y",
        "torch.relu_(x)",
        "F.relu(x, inplace=True)",
        "torch.add(x, 1, out=x)",
        "out = x\nout.zero_()",
        "out = x.data\nout[out < 0] *= 2",
        "flat = x.view(-1)\nflat[0] = 1",
        "row = x[0]\nrow.fill_(1)",
        "a, b = x.chunk(2)\nb.neg_()",
        "for row in x:\n    row.neg_()",
        "if y is None:\n    x = x.clone()\nx += 1",
        "with torch.no_grad():\n    x.clamp_(min=0)",
        "np.copyto(x.numpy(), y)",
        "return x.mul_(2)",
        "x.T[0] = 1",
    ],
)
def test_writes_into_an_argument(body: str) -> None:
    assert len(writes_to(forward(body), 1, "forward", "x")) == 1


@pytest.mark.parametrize(
    "body",
    [
        "x = x + 1\nx += 1",
        "out = x.clone()\nout += 1",
        "y += x",
        "out = x[y > 0]\nout.neg_()",
        "x.requires_grad_()",
        "with torch.no_grad():\n    x = x.clone()\nx += 1",
        "ctx.x = x",
        "z = x * 2\nz.add_(x)",
        "def inner(x):\n    x += 1",
        "x.__init__()",
    ],
)
def test_no_write_into_an_argument(body: str) -> None:
    assert writes_to(forward(body), 1, "forward", "x") == []


def test_attributes_of_ctx() -> None:
    source = forward("ctx.a = x\nself.b = y\nctx.c, (ctx.d, e) = x, y\nsetattr(ctx, 'f', x)\nctx.a = y")
    found = context_attributes(source, 1, "forward")
    assert {name: span.line for name, span in found.items()} == {"a": 2, "c": 4, "d": 4, "f": 5}


def test_cuts_are_in_order_and_leave_inner_functions_out() -> None:
    source = forward(
        "a = x.detach()\nb = x.data + y.item()\ndef hook(g):\n    g.detach()\nc = np.cos(x.numpy())"
    )
    assert [(cut.span.line, cut.what) for cut in cuts(source, 1, "forward")] == [
        (2, "detach()"),
        (3, ".data"),
        (3, "item()"),
        (6, "numpy"),
        (6, "numpy()"),
    ]


def test_columns_count_characters() -> None:
    source = "class Größe:\n    def vorwärts(ctx, größe): return größe"
    span = definition_span(source, 2, "vorwärts")
    assert span is not None
    assert source.split("\n")[1][span.column - 1 : span.end_column - 1] == "def vorwärts(ctx, größe):"
    node = class_of(source, "Größe")
    assert node is not None
    assert header(source, node).end_column == len("class Größe:") + 1


def test_the_lines_of_a_header() -> None:
    source = "@first\n@second\ndef f(\n    ctx,  # the context\n    grad,\n):  # here\n    # no\n    pass\n"
    node = function_at(source, 1, "f")
    assert node is not None
    assert list(header_lines(source, node)) == [1, 2, 3, 4, 5, 6]
    short = class_of("class A: x = 1", "A")
    assert short is not None
    assert list(header_lines("class A: x = 1", short)) == [1]


def test_a_name_defined_twice_is_the_one_around_a_line() -> None:
    source = "class A:\n    def f(): pass\n\nclass A:\n    def f(): pass\n"
    first, last = class_of(source, "A", 2), class_of(source, "A")
    assert first is not None
    assert last is not None
    assert (first.lineno, last.lineno) == (1, 4)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("class A:  # gradscope: approximate[clipping]", "clipping"),
        ("# gradscope: approximate[ Straight-Through ]\nclass A:", "straight-through"),
        ("# gradscope:approximate[surrogate]\n# about A\nclass A:", "surrogate"),
        ("# gradscope: approximate[clipping]\n\nclass A:", None),
        ("x = 1  # gradscope: approximate[clipping]\nclass A:", None),
        ("class A:  # says '# gradscope: ignore[GS601]'", None),
        ("class A: x = '# gradscope: approximate[clipping]'", None),
        ("# gradscope: approximate[]\nclass A:", None),
    ],
)
def test_declarations(source: str, kind: str | None) -> None:
    line = source.count("\n") + 1
    found = declaration(source + "\n    pass\n", [line])
    assert (found.kind if found is not None else None) == kind


@pytest.mark.parametrize(
    ("comment", "is_mistyped"),
    [
        ("# gradscope: approximate", True),
        ("# gradscope: aproximate[clipping]", True),
        ("# gradscop: approximate[clipping]", True),
        ("# gradscope: straight-through", True),
        ("# gradscope: approximate[clipping]", False),
        ("# gradscope: ignore[GS601]", False),
        ("# an approximation of the gradient", False),
        ("# gradscope approximates(clipping)", True),
        ("# gradscope found this to be an approximation", False),
        ("# gradscope: ignored[GS601]", False),
        ("# gradient: approximate", False),
    ],
)
def test_mistyped_declarations(comment: str, is_mistyped: bool) -> None:
    assert (mistyped_declaration(f"{comment}\nclass A:\n    pass\n", [2]) is not None) == is_mistyped


def test_registered_autograds() -> None:
    source = dedent(
        """
        lib = torch.library.Library("mine", "DEF")
        @torch.library.impl(lib, "sin", "CPU")
        def sin_cpu(x): ...
        torch.library.impl("mine::cos", "default", func=cos_impl)
        torch.library.register_autograd("mine::sin", sin_backward, setup_context=sin_setup)
        register_autograd("mine::cos", cos_backward)
        torch.library.register_autograd(name, other)
        """
    )
    sin, cos = registered_autograds(source)
    assert (sin.op, sin.backward, sin.setup_context, sin.implementation) == (
        *("mine::sin", "sin_backward", "sin_setup"),
        "sin_cpu",
    )
    assert (cos.op, cos.backward, cos.setup_context, cos.implementation) == (
        *("mine::cos", "cos_backward", ""),
        "cos_impl",
    )


def test_uses_of_parameters() -> None:
    source = (
        "def forward(ctx, x, index, n, fn, items, alpha):\n"
        "    ctx.alpha = alpha\n    ctx.save_for_backward(index)\n"
        "    for item in items: pass\n    return fn(x.sum(dim=n)).gather(0, index.view(-1))\n"
    )
    uses = uses_of(source, 1, "forward")
    assert Use.TENSOR in uses["x"]
    assert {Use.INDEX, Use.TENSOR} <= uses["index"]
    assert (uses["n"], uses["fn"], uses["items"], uses["alpha"]) == (
        *({Use.NUMBER}, {Use.CALLED}),
        *({Use.LIST}, {Use.KEPT}),
    )


def test_flags_are_tests_of_a_bare_name() -> None:
    source = (
        "def f(a, b, c, d):\n    if a: pass\n    x = 1 if not b else 2\n    if c is None and d > 0: pass\n"
    )
    uses = uses_of(source, 1, "f")
    assert {name for name, each in uses.items() if Use.FLAG in each} == {"a", "b"}
