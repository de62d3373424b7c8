"""The small words and rewrites that all rules share."""

import pytest

from gradscope.facts import Step
from gradscope.finding import Location
from gradscope.rules import _guards, _parts, _rewrites, _source, _words

from .facts_samples import Source, registered


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["fc.bias"], "fc.bias"),
        (["encoder.0.weight", "encoder.2.bias"], "encoder.* (2 parameters)"),
        (["fc.weight", "fc.bias"], "fc.* (2 parameters)"),
        (["blocks.0.out.weight", "blocks.11.out.weight"], "blocks.*.out (2 parameters)"),
        (["a.weight", "b.weight"], "a.* and b.* (2 parameters)"),
        (["a", "b", "c", "d"], "a, b, c and 1 more (4 parameters)"),
    ],
)
def test_many_names_as_one_subject(names, expected):
    assert _words.grouped(names) == expected


def test_a_bare_name_is_spoken_with_its_model():
    recording = Source("").recording(leaves=(registered("net", "0.weight"), registered("net", "fc.weight")))
    assert _words.spoken(recording, ["0.weight", "fc.weight", "x"]) == ("net.0.weight", "fc.weight", "x")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcde"), "a, b, c and 2 more"),
    ],
)
def test_listing(names, expected):
    assert _words.listing(names) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("LogSoftmaxBackward0", "log_softmax"),
        ("AddmmBackward0", "linear"),
        ("torch::autograd::CopySlices", "copy_slices"),
        ("LinalgVectorNormBackward0", "linalg_vector_norm"),
        ("PowBackward1", "pow"),
        ("", ""),
    ],
)
def test_nodes_are_named_as_ops(node, expected):
    assert _words.node_words(node) == expected


def test_a_path_prints_a_line_where_it_changes_and_a_file_where_it_is_another():
    here, there = Location("/a/train.py", 4), Location("/a/losses.py", 9)
    steps = [
        Step("w", None),
        Step("linear", here),
        Step("relu", here),
        Step("mse", there),
        Step("__getitem__", here),
    ]
    text = "w -> linear (4) -> relu -> mse (losses.py:9) -> getitem (4)"
    assert _words.path_text(steps, here) == text


def test_a_long_path_keeps_its_ends_and_its_cuts():
    steps = [Step(f"op{i}", None, cut=i == 10) for i in range(20)]
    assert _words.path_text(steps, None, most=4) == "op0 -> op1 -> ... -> op9 -> op10 -> op11 -> ... -> op19"


def test_places_in_the_same_file_are_lines():
    here = Location("/a/train.py", 4)
    assert _words.place(here, Location("/a/train.py", 9)) == "line 4"
    assert _words.place(here, Location("/a/losses.py", 9)) == "train.py:4"
    assert _words.place(None) == "an unknown line"


# ---------------------------------------------------------------- reading the line

SOURCE = Source(
    """
    h = torch.from_numpy(smooth(h.detach().numpy()))  # to the GPU later
    loss = criterion(
        head(h.data),
        target,
    )
    with torch.no_grad():
        y = encode(x)
    naïve = détaché.data
    """
)


def test_an_expression_is_replaced_in_its_statement():
    where = SOURCE.at("h.detach()")
    assert _source.snippet(SOURCE.recording(), where) == "h.detach()"
    assert _source.statement(SOURCE.recording(), where) == "h = torch.from_numpy(smooth(h.detach().numpy()))"
    assert _source.replaced(SOURCE.recording(), where, "h") == "h = torch.from_numpy(smooth(h.numpy()))"


def test_columns_count_characters():
    where = SOURCE.at("détaché.data")
    assert _source.replaced(SOURCE.recording(), where, "détaché") == "naïve = détaché"


def test_a_statement_over_several_lines():
    where = SOURCE.at("h.data")
    assert _source.statement(SOURCE.recording(), where) == "loss = criterion(head(h.data), target)"
    assert _source.replaced(SOURCE.recording(), where, "h") == "h"
    whole = Location(SOURCE.path, 2, 8, 5, 2)
    assert _source.snippet(SOURCE.recording(), whole) == "criterion( head(h.data), target, )"


def test_the_header_of_a_block_stands_for_itself():
    assert _source.statement(SOURCE.recording(), SOURCE.at("torch.no_grad()")) == "with torch.no_grad():"


def test_a_source_that_does_not_parse_gives_its_line():
    broken = Source("%time x = y.data\n%%magic")
    assert _source.statement(broken.recording(), broken.at("y.data")) == "%time x = y.data"
    assert _source.statement(broken.recording(), Location("elsewhere.py", 3)) == ""


# ---------------------------------------------------------------- rewriting it


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("att *= 0.5", "att = att * 0.5"),
        ("h *= a + b", "h = h * (a + b)"),
        ("self.h += 1", "self.h = self.h + 1"),
        ("x[i] = v", "x = x.clone(); x[i] = v"),
        ("x.add_(1)", "x = x.add(1)"),
        ("y = x.mul_(2)", "y = x.mul(2)"),
        ("return x.relu_()", "return x.relu()"),
        ("x.zero_()", "x = torch.zeros_like(x)"),
        ("x.fill_(3)", "x = torch.full_like(x, 3)"),
        ("x.copy_(y)", "x = y"),
        ("F.relu(x, inplace=True)", "x = F.relu(x)"),
        ("torch.add(a, b, out=c)", "c = torch.add(a, b)"),
        ("x.add_(1).mul_(2)", None),
        ("for x in y:", None),
        ("optimizer.step()", None),
    ],
)
def test_out_of_place(statement, expected):
    assert _rewrites.out_of_place(statement) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("losses.append(loss)", "losses.append(loss.detach())"),
        ("total = loss + total", "total = loss.detach() + total"),
        ("history['x'] = loss", "history['x'] = loss.detach()"),
        ("log.append({'loss': loss})", None),
        ("meter.update(loss, batch.size(0))", None),
    ],
)
def test_kept_without_its_graph(statement, expected):
    assert _rewrites.keeping_detached(statement) == expected


@pytest.mark.parametrize(
    ("statement", "kept", "expected"),
    [
        ("self.a = [nn.Linear(1, 1)]", "module", "self.a = nn.ModuleList([nn.Linear(1, 1)])"),
        ("self.a = {'x': nn.Linear(1, 1)}", "module", "self.a = nn.ModuleDict({'x': nn.Linear(1, 1)})"),
        ("self.a = [nn.Parameter(t)]", "parameter", "self.a = nn.ParameterList([nn.Parameter(t)])"),
        ("self.a = []", "parameter", "self.a = nn.ParameterList([])"),
        ("self.a = torch.ones(3).requires_grad_()", "tensor", "self.a = nn.Parameter(torch.ones(3))"),
        ("self.n, self.a = 3, [nn.Linear(1, 1)]", "module", "self.a = nn.ModuleList([nn.Linear(1, 1)])"),
        ("self.n, self.a = pair()", "module", None),
        ("self.a = make()", "module", None),
    ],
)
def test_registered(statement, kept, expected):
    new = _rewrites.registered(statement, "a", is_parameter=kept != "tensor", in_module=kept == "module")
    assert new == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("self.s = nn.Parameter(torch.ones(3)).to(dtype)", "self.s = nn.Parameter(torch.ones(3).to(dtype))"),
        ("self.s = Parameter(x, requires_grad=True) * 0.1", "self.s = nn.Parameter(x * 0.1)"),
        ("self.s = torch.ones(3, requires_grad=True) / 2", "self.s = nn.Parameter(torch.ones(3) / 2)"),
    ],
)
def test_parameter_made_last(statement, expected):
    assert _rewrites.parameter_made_last(statement) == expected


def test_an_update_of_each_leaf_of_a_list():
    new = _rewrites.updated_in_place("ws = [w - lr * w.grad for w in ws]")
    assert new == "in a torch.no_grad() block, for w in ws: w -= lr * w.grad"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("loss.backward()", "loss.backward(create_graph=True)"),
        ("grad(y, x,)", "grad(y, x, create_graph=True)"),
        ("grad(y, x, create_graph=False)", "grad(y, x, create_graph=True)"),
        ("not a call", None),
    ],
)
def test_with_keyword(call, expected):
    assert _parts.with_keyword(call, "create_graph=True") == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("out, hidden = cell(x, hidden)", "hidden"),
        ("state = step(x, state)", "state"),
        ("a, b = f(a, b)", None),
        ("y = f(x)", None),
    ],
)
def test_the_name_that_a_statement_hands_to_itself(statement, expected):
    assert _parts.assigned_name(statement, used_too=True) == expected


@pytest.mark.parametrize(
    ("expression", "op", "dtype", "expected"),
    [
        ("torch.sqrt(a + b)", "sqrt", "float32", "torch.sqrt((a + b).clamp_min(1e-12))"),
        ("torch.sqrt(x)", "sqrt", "float16", "torch.sqrt(x.clamp_min(1e-4))"),
        ("x.log()", "log", "float32", "x.clamp_min(1e-12).log()"),
        ("torch.log(torch.sigmoid(z))", "log", "float32", "F.logsigmoid(z)"),
        ("x.acos()", "acos", "float32", "x.clamp(-1 + 1e-6, 1 - 1e-6).acos()"),
        ("x.exp()", "exp", "float64", "x.clamp_max(700).exp()"),
        ("torch.div(a, b)", "div", "float32", "a / torch.where(b == 0, 1e-12, b)"),
        ("x ** -1", "pow", "float32", "x.clamp_min(1e-12) ** -1"),
        ("x ** 2", "pow", "float32", None),
        ("self.root(x)", "sqrt", "float32", None),
        ("a * b", "div", "float32", None),
    ],
)
def test_guarded(expression, op, dtype, expected):
    assert _guards.guarded(expression, op, dtype) == expected


@pytest.mark.parametrize(
    ("expression", "op", "expected"),
    [
        ("(p / q).log()", "log", "(p / q).clamp_min(1e-12).log()"),
        ("(é + q).log(out=r)", "log", "(é + q).clamp_min(1e-12).log(out=r)"),
        ("(x - m) / (s + t)", "div", "(x - m) / (s + t).clamp_min(1e-12)"),
        ("(a + b) ** (c - 1)", "pow", "(a + b).clamp_min(1e-12) ** (c - 1)"),
        ("torch.arccos(c)", "acos", "torch.arccos(c.clamp(-1 + 1e-6, 1 - 1e-6))"),
        ("c.arcsin()", "asin", "c.clamp(-1 + 1e-6, 1 - 1e-6).arcsin()"),
        ("torch.arccos(c)", "asin", None),
    ],
)
def test_guards_keep_the_brackets_and_the_name(expression, op, expected):
    assert _guards.guarded(expression, op, signed=False) == expected


@pytest.mark.parametrize(
    ("dtype", "signed", "expected"),
    [
        ("int64", False, "a / n.clamp_min(1)"),
        ("bool", False, "a / n.clamp_min(1)"),
        ("int32", True, "a / torch.where(n == 0, 1, n)"),
        ("float32", False, "a / n.clamp_min(1e-12)"),
    ],
)
def test_a_whole_divisor_is_kept_at_one(dtype, signed, expected):
    assert _guards.guarded("a / n", "div", signed=signed, divisor=dtype) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("w.uniform_(-b, b)", "w = torch.empty_like(w).uniform_(-b, b)"),
        ("a.fill_diagonal_(0)", "a = a.clone().fill_diagonal_(0)"),
        ("torch.relu_(x)", "x = torch.relu(x)"),
        ("F.relu(h + 1, inplace=True)", None),
        ("torch.add(a, 1, out=rms.detach())", None),
        ("torch.add(a, 1, out=rms)", "rms = torch.add(a, 1)"),
    ],
)
def test_out_of_place_gives_what_can_be_assigned(statement, expected):
    assert _rewrites.out_of_place(statement) == expected
