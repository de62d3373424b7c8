"""Questions about source: what a statement assigns, and what lies in or before a loop."""

from textwrap import dedent

from gradscope import syntax

SOURCE = dedent(
    """\
    def other():
        adj = net.adjacency()

    def train(*args, key=None, **kwargs):
        adj = net.adjacency()
        for epoch in range(3):
            mix = net.mixing()
            for x in data:
                loss = net(x, adj, mix)
                loss.backward()
        net.adjacency()

    self.log.setdefault(tag, {})[step] = value
    self.history[name].append(value)
    torch.stack(rows)[0] = value
    """
)
BACKWARD = 10


def test_containers_that_a_statement_puts_something_into():
    assert syntax.assigned_names(SOURCE, 13) == {"self.log"}
    assert syntax.assigned_names(SOURCE, 14) == {"self.history"}
    assert syntax.assigned_names(SOURCE, 15) == frozenset()
    assert syntax.keeping_statements(SOURCE, "writer.log") == [13]
    assert syntax.keeping_statements(SOURCE, "curves.history") == [14]


def test_the_innermost_loop_counts():
    assert syntax.is_in_loop_of(SOURCE, 9, BACKWARD)
    assert not syntax.is_in_loop_of(SOURCE, 7, BACKWARD)
    assert not syntax.is_in_loop_of(SOURCE, 2, 2)


def test_calls_before_the_loop_are_those_of_the_same_function():
    assert syntax.calls_before_loop(SOURCE, "adjacency", BACKWARD) == [5]
    assert syntax.calls_before_loop(SOURCE, "mixing", BACKWARD) == [7]
    assert syntax.calls_before_loop(SOURCE, "adjacency", 2) == []


def test_parameters_that_gather_several_arguments():
    assert syntax.gathered_names(SOURCE, BACKWARD) == {"args", "kwargs"}
    assert syntax.gathered_names(SOURCE, 13) == frozenset()
    assert syntax.gathered_names("not python (", 1) == frozenset()
