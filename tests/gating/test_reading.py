"""`[tool.gradscope.gate]`: what it says, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gradscope.config import Config, from_file, nearest
from gradscope.errors import UsageError, render
from gradscope.facts.limits import Limits
from gradscope.gating.configuration.reading import chosen, cores, read_gate
from gradscope.gating.settings import GateSettings, GateTarget
from gradscope.loader.options import Options

GATE = "[tool.gradscope.gate]\n"
ENTRY = "[[tool.gradscope.gate.targets]]\n"
TARGET = f'{ENTRY}trace = "train.py"\n'


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> GateSettings:
    Path("pyproject.toml").write_bytes(text.encode())
    return read_gate(nearest("."))


def one(text: str) -> GateTarget:
    (target,) = read(text).targets
    return target


def refused(text: str) -> str:
    """The whole error on few lines: as it is shown, but for how it is wrapped."""
    with pytest.raises(UsageError) as caught:
        read(text)
    return render(caught.value, width=1000)


def files(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


# ---------------------------------------------------------------- what it says


def test_every_key_of_a_trace(tmp_path: Path) -> None:
    target = one(
        GATE
        + ENTRY
        + """
        trace = "-m pkg.train"
        name = "small"
        arguments = ["--epochs", "1"]
        input = ["randn(2)", "x=ones(3)"]
        loss = "mse"
        device = "cpu"
        dtype = "bf16"
        amp = "fp16"
        seed = 7
        steps = 5
        environment = { A = "1" }
        select = ["GS1, GS4"]
        ignore = ["GS105"]
        forbid = ["unused-parameter", "gs102"]
        expect = ["GS401"]
        fail-on = "warning"
        exit-status = 3
        time-limit = 1.5
        memory-limit = "4 GiB"
        max-norm-ratio = 1e6
        min-gradient-share = 0.5
        drift-tolerance = 0.1
        """
    )
    assert target == GateTarget(
        name="small",
        key="small",
        command="trace",
        target="-m pkg.train",
        stated_at=target.stated_at,
        arguments=("--epochs", "1"),
        options=Options(
            ("randn(2)", "x=ones(3)"), None, "mse", "cpu", dtype="bfloat16", amp="float16", seed=7, steps=5
        ),
        environment=(("A", "1"),),
        select=("GS1", "GS4"),
        ignore=("GS105",),
        forbid=("unused-parameter", "gs102"),
        expect=("GS401",),
        fail_on="warning",
        exit_status=3,
        limits=Limits(max_norm_ratio=1e6, min_gradient_share=0.5, stated_at=target.stated_at),
        drift_tolerance=0.1,
        time_limit=1.5,
        memory_limit=4 * 2**30,
    )
    at = target.stated_at
    assert (at.path, at.line, at.column, at.end_column) == (str(tmp_path / "pyproject.toml"), 4, 9, 14)


def test_the_keys_of_check_and_memory() -> None:
    files("ops.py")
    check, memory = read(
        f"""{GATE}
        {ENTRY}
        check = "ops.py"
        inputs = "batch.pt"
        capture = "train.py"
        no-run = false
        against = "other.py:df"
        check-time-limit = 3
        max-relative-error = 1e-4
        loss = "losses.py:mine"
        {ENTRY}
        memory = "model.py:Net"
        optimizer = "adamw"
        budget = "50%"
        blocks = "h.*"
        fake = true
        max-saved = 1000
        max-peak = "1.5 MB"
        """
    ).targets
    assert check.options == Options((), "batch.pt", "losses.py:mine", seed=0)
    assert (check.capture, check.no_run, check.against) == ("train.py", False, "other.py:df")
    assert (check.check_time_limit, check.limits.max_relative_error) == (3.0, 1e-4)
    assert memory.options == Options(seed=0, optimizer="adamw")
    assert (memory.budget, memory.blocks, memory.fake) == ("50%", ("h.*",), True)
    assert (memory.limits.max_saved, memory.limits.max_peak) == (1000, 1_500_000)


def test_what_is_not_said_is_as_the_settings_have_it() -> None:
    settings = read(GATE + TARGET)
    target = settings.targets[0]
    assert target == GateTarget(
        "train.py",
        "trace",
        "train.py",
        target.stated_at,
        key="train.py",
        limits=Limits(stated_at=target.stated_at),
    )
    assert (settings.jobs, settings.baseline, settings.name) == (1, None, "pyproject.toml")
    assert settings.folder == os.getcwd()


@pytest.mark.parametrize(
    "text",
    [
        '[tool.gradscope]\ngate.targets = [{ trace = "a.py" },\n  { check = "b.py" }]',
        '[tool]\ngradscope = { gate = { targets = [{ trace = "a.py" },\n  { check = "b.py" }] } }',
        '[[tool.gradscope.gate.targets]]\ntrace = "a.py"\n[[tool.gradscope.gate.targets]]\r\ncheck = "b.py"',
    ],
    ids=["inline", "all inline", "no header, CRLF"],
)
def test_ways_of_writing_targets(text: str) -> None:
    first, second = read(text).targets
    assert (first.command, second.command) == ("trace", "check")
    lines = text.split("\n")
    assert 'trace = "a.py"' in lines[first.stated_at.line - 1]
    assert 'check = "b.py"' in lines[second.stated_at.line - 1]


def test_a_named_file(tmp_path: Path) -> None:
    files("ci/x")
    Path("ci/gate.toml").write_text(GATE + 'baseline = "b.json"\n' + TARGET, encoding="utf-8")
    settings = read_gate(from_file("ci/gate.toml"))
    assert settings.folder == str(tmp_path / "ci")
    assert settings.baseline == str(tmp_path / "ci" / "b.json")
    assert settings.name == "ci/gate.toml"


def test_the_baseline_of_the_whole_section_holds_for_the_gate_too(tmp_path: Path) -> None:
    section = '[tool.gradscope]\nbaseline = "all.json"\n'
    assert read(section + GATE + TARGET).baseline == str(tmp_path / "all.json")
    assert read(f'{section}{GATE}baseline = "gate.json"\n{TARGET}').baseline == str(tmp_path / "gate.json")


def test_jobs() -> None:
    assert read(f"{GATE}jobs = 3\n{TARGET}").jobs == 3
    assert read(f'{GATE}jobs = "auto"\n{TARGET}').jobs == cores() >= 1


# ---------------------------------------------------------------- defaults of all targets


def test_defaults_hold_for_the_targets_that_they_apply_to() -> None:
    files("ops.py")
    trace, check, memory = read(
        f"""{GATE}
        time-limit = 9
        steps = 2
        max-saved = "1 kB"
        max-relative-error = 0.1
        max-norm-ratio = 10
        {ENTRY}
        trace = "train.py"
        steps = 3
        {ENTRY}
        check = "ops.py"
        {ENTRY}
        memory = "model.py:Net"
        """
    ).targets
    assert [each.time_limit for each in (trace, check, memory)] == [9, 9, 9]
    assert [each.options.steps for each in (trace, check, memory)] == [3, None, 2]
    at = (trace.stated_at, check.stated_at, memory.stated_at)
    assert trace.limits == Limits(max_norm_ratio=10, stated_at=at[0])
    assert check.limits == Limits(max_relative_error=0.1, stated_at=at[1])
    assert memory.limits == Limits(max_norm_ratio=10, max_saved=1000, stated_at=at[2])


def test_what_is_forbidden_in_all_may_be_let_stand_in_one() -> None:
    lines = "ignore = ['GS102']\nfail-on = 'never'\n"
    (target,) = read(f"{GATE}forbid = ['GS102']\n{TARGET}{lines}").targets
    assert (target.forbid, target.ignore, target.fail_on) == (("GS102",), ("GS102",), "never")


def test_variables_are_added_to_those_of_all() -> None:
    target = one(
        f'{GATE}environment = {{ A = "1", B = "2" }}\n{TARGET}'
        '[tool.gradscope.gate.targets.environment]\nB = "3"\nC = ""\n'
    )
    assert dict(target.environment) == {"A": "1", "B": "3", "C": ""}


def test_inputs_of_its_own_take_the_place_of_all_inputs() -> None:
    target = one(f'{GATE}inputs = "batch.pt"\n{TARGET}input = "ones(2)"\n')
    assert (target.options.inputs, target.options.inputs_file) == (("ones(2)",), None)


def test_fake_tensors_are_held_to_no_default_of_gradients() -> None:
    text = f'{GATE}max-norm-ratio = 10\ndrift-tolerance = 1\n{ENTRY}memory = "model.py:Net"\nfake = true\n'
    assert one(text).limits.max_norm_ratio is None
    assert one(text).drift_tolerance is None


# ---------------------------------------------------------------- patterns


def test_a_pattern_makes_one_target_a_file() -> None:
    files(
        "ex/_c.py",
        "ex/b.py",
        "ex/a.py",
        "ex/new/c.py",
        "ex/old/d.py",
        "ex/.hidden.py",
        "ex/README.md",
        "ex/e.py/x.py",
    )
    text = f'{GATE}{ENTRY}steps = 2\ntrace = "ex/*.py"\n'
    assert [each.name for each in read(text).targets] == ["ex/_c.py", "ex/a.py", "ex/b.py"]
    found = read(text + 'exclude = ["_*.py"]\nname = "examples"').targets
    assert [each.name for each in found] == ["examples: ex/a.py", "examples: ex/b.py"]
    assert [(each.target, each.options.steps) for each in found] == [("ex/a.py", 2), ("ex/b.py", 2)]
    deep = read(f'{GATE}{ENTRY}trace = "**/[a-d].py"\nexclude = "ex/old/"\n').targets
    assert [each.target for each in deep] == ["ex/a.py", "ex/b.py", "ex/new/c.py"]


def test_files_are_sorted_whatever_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    files("b.py", "a.py", "c.py")
    monkeypatch.setattr("glob.glob", lambda *_, **__: ["b.py", "c.py", "a.py"])
    found = read(f'{GATE}{ENTRY}trace = "*.py"\n').targets
    assert [each.target for each in found] == ["a.py", "b.py", "c.py"]


def test_a_pattern_may_name_an_attribute() -> None:
    files("models/a.py", "models/b.py")
    found = read(f'{GATE}{ENTRY}memory = "models/*.py:build"\n').targets
    assert [each.target for each in found] == ["models/a.py:build", "models/b.py:build"]


def test_a_file_with_the_name_of_a_pattern_is_that_file() -> None:
    files("a[1].py", "a1.py")
    assert one(f'{GATE}{ENTRY}trace = "a[1].py"\n').target == "a[1].py"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('trace = "ex/*.txt"', '4 no Python file matches "ex/*.txt"; it matches ex/n.txt, which is not one'),
        ('trace = "exx/*.py"', '4 no Python file matches "exx/*.py" try "ex/*.py"'),
        ('trace = "ex/*.py"\nexclude = ["ex"]', '5 exclude leaves none of the 1 files that match "ex/*.py"'),
        ('trace = "ex/*.py"\nexclude = ["/a"]', '5 exclude: the pattern "/a" is absolute'),
        ('trace = "ex/*.py"\nexclude = [\n1]', "5 exclude must be a list of strings, and holds a number"),
        ('trace = "ex/*.py"\nexclude = ["a.py",\n""]', "6 exclude holds an empty string"),
        (
            'trace = "a.py"\nexclude = ["b"]',
            "5 exclude is for a pattern of files, and trace names one target",
        ),
    ],
)
def test_a_pattern_that_means_nothing(lines: str, said: str) -> None:
    files("ex/a.py", "ex/n.txt")
    line, _, what = said.partition(" ")
    line = "6" if "[\n1" in lines else line
    shown = refused(f"# gate\n{GATE}{ENTRY}{lines}\n")
    assert f"--> pyproject.toml:{line}\n" in shown
    words = [word for word in shown.split("\n") if "-->" not in word and "|" not in word and "^" not in word]
    assert what in " ".join(" ".join(words).split())


# ---------------------------------------------------------------- names


def test_names_are_as_short_as_they_can_be() -> None:
    files("ops.py")
    entries = (
        'trace = "a.py"\narguments = ["--y"]',
        'trace = "b.py"\narguments = ["--x", "1 2"]',
        'trace = "b.py"\narguments = []',
        'trace = "ops.py"',
        'check = "ops.py"',
        'memory = "b.py"\nname = "b.py, its memory"',
    )
    found = read(GATE + "".join(f"{ENTRY}{each}\n" for each in entries)).targets
    assert [each.name for each in found] == [
        "a.py",
        "b.py --x '1 2'",
        "b.py",
        "trace ops.py",
        "check ops.py",
        "b.py, its memory",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('trace = "a.py"', 'trace = "a.py"'),
        ('trace = "a.py"', 'trace = "*.py"'),
        ('trace = "b.py"\nname = "a.py"', 'trace = "a.py"'),
        ('trace = "b.py"\nname = "x"', 'trace = "a.py"\nname = " x"'),
    ],
)
def test_two_targets_of_one_name(first: str, second: str) -> None:
    files("a.py")
    shown = refused(f"{GATE}{ENTRY}{first}\n{ENTRY}{second}\n")
    line = 4 + len(first.split("\n"))
    assert f"two targets are called {'x' if 'x' in second else 'a.py'}: lines 3 and {line}\n" in shown
    assert f"--> pyproject.toml:{line}\n" in shown
    assert 'try   name = "..."' in shown


def test_two_targets_that_a_baseline_would_take_for_one() -> None:
    shown = refused(f'{GATE}{ENTRY}check = "a.py"\n{ENTRY}trace = "b.py"\nname = "check a.py"\n')
    assert "two targets are called check a.py in a baseline: lines 3 and 5" in shown


def test_targets_are_chosen_by_name_text_and_pattern() -> None:
    entries = (
        'trace = "ex/a.py"',
        'trace = "b.py"\nname = "small"',
        'check = "ex/a.py"',
        'trace = "ex/c.py"',
    )
    settings = read(GATE + "jobs = 2\n" + "".join(f"{ENTRY}{each}\n" for each in entries))

    def names(*words: str) -> list[str]:
        return [each.name for each in chosen(settings, words).targets]

    assert names("small") == names("b.py") == ["small"]
    assert names("ex/a.py") == ["trace ex/a.py", "check ex/a.py"]
    assert names("ex/c.py", "small", "*small") == ["small", "ex/c.py"]
    assert names("*ex/*") == ["trace ex/a.py", "check ex/a.py", "ex/c.py"]
    assert chosen(settings, ["small"]).jobs == 2
    with pytest.raises(UsageError) as caught:
        chosen(settings, ["small", "check ex/b.py"])
    shown = render(caught.value)
    assert shown.startswith("error: pyproject.toml has no target called check ex/b.py\n")
    assert "gradscope gate 'check ex/a.py'" in shown
    with pytest.raises(UsageError, match=r"no target called 7") as caught:
        chosen(settings, ["7"])
    assert "the targets are trace ex/a.py, small, check ex/a.py, ex/c.py" in render(caught.value)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.gradscope]\n", "pyproject.toml has no [tool.gradscope.gate]"),
        (GATE, "[tool.gradscope.gate] lists no targets, so nothing would be run\n  --> pyproject.toml:1\n"),
        (f"{GATE}targets = []", "lists no targets, so nothing would be run\n  --> pyproject.toml:2\n"),
    ],
)
def test_nothing_to_run(text: str, said: str) -> None:
    shown = refused(text)
    assert said in shown
    assert "gradscope gate --init" in shown


def test_no_configuration_at_all() -> None:
    with pytest.raises(UsageError, match=r"no pyproject\.toml here or in a folder above") as caught:
        read_gate(Config())
    assert caught.value.try_next[0].startswith("gradscope gate --init")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("job = 2", "unknown key job in [tool.gradscope.gate]; did you mean jobs?"),
        ("timeout = 2", "unknown key timeout in [tool.gradscope.gate]; did you mean time-limit?"),
        (
            "[[tool.gradscope.gate.target]]",
            "unknown key target in [tool.gradscope.gate]; did you mean targets?",
        ),
        ('trace = "a.py"', "trace is of one target: it belongs to [[tool.gradscope.gate.targets]]"),
        ("jobs = 0", "jobs must be a whole number from 1 to 1024, not 0"),
        ("jobs = true", "jobs must be a whole number from 1 to 1024, not true"),
        ('jobs = "all"', 'jobs must be a whole number or "auto", not "all"'),
        ('targets = "a.py"', "targets must be a list of tables, not a string"),
        ('targets = ["a.py"]', "targets must be a list of tables, and holds a string"),
        ('baseline = ""', "baseline must be a string, not an empty string"),
        ("time-limit = 0", "time-limit must be a number of seconds above 0, not 0"),
    ],
)
def test_a_wrong_key_or_value_of_all(lines: str, said: str) -> None:
    shown = refused(f"[tool.gradscope]\n{GATE}# {lines.split()[0]}\n{lines}\n")
    assert shown.startswith(f"error: pyproject.toml: {said}\n  --> pyproject.toml:4\n")
    assert "^" in shown


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("arguments = '--x'", "arguments must be a list of strings, not a string"),
        ("arguments = [1]", "arguments must be a list of strings, and holds a number"),
        ("input = ['']", "input holds an empty string"),
        ("input = 3", "input must be a list of strings, not a number"),
        ("inputs = ['a']", "inputs must be a string, not a list"),
        ("loss = 'mea'", "loss mea is none of mean, sum, mse, cross_entropy; did you mean mean?"),
        ("dtype = 'float23'", '"float23"; did you mean float32'),
        ("amp = 'int8'", 'amp must be "bf16" or "fp16", not "int8"'),
        ("seed = -1", "seed must be a whole number from 0 up, not -1"),
        ("seed = 1.5", "seed must be a whole number from 0 up, not 1.5"),
        ("steps = 0", "steps must be a whole number from 1 up, not 0"),
        ("exit-status = 256", "exit-status must be a whole number from 0 to 255, not 256"),
        ("time-limit = inf", "time-limit must be a number of seconds above 0, not inf"),
        ("time-limit = nan", "time-limit must be a number of seconds above 0, not nan"),
        ("time-limit = '2 min'", 'time-limit must be a number of seconds above 0, not "2 min"'),
        ("memory-limit = '4 GX'", "memory-limit: 4 GX: no unit GX"),
        ("memory-limit = '50%'", 'memory-limit must be an amount of memory above 0, not "50%"'),
        ("memory-limit = 0", "memory-limit must be an amount of memory above 0, not 0"),
        ("memory-limit = 1.5", "memory-limit must be an amount of memory, not 1.5"),
        ("max-norm-ratio = 1", "max-norm-ratio must be a ratio above 1, not 1"),
        ("min-gradient-share = 90", "min-gradient-share must be from 0 to 1, not 90; 90% is 0.9"),
        ("min-gradient-share = true", "min-gradient-share must be from 0 to 1, not true"),
        ("drift-tolerance = 0", "drift-tolerance must be a relative difference above 0, not 0"),
        ("select = []", "select is empty: no rule would be checked"),
        ("forbid = ['']", "forbid holds an empty string, which names no rule"),
        ("forbid = ['GS998']", "forbid GS998: no such rule"),
        (
            "fail-on = 'eror'",
            'fail-on must be "error", "warning" or "never", not "eror"; did you mean error?',
        ),
        ("environment = 3", "environment must be a table of strings, not a number"),
        ("environment = { A = 1 }", "environment must be a table of strings, and A is 1"),
        ("environment = { 'A=B' = '' }", "A=B cannot be an environment variable"),
        ('name = "a\\nb"', "name holds a character that is not printed"),
        ("name = ' '", "name must be a string, not an empty string"),
        ("budget = '8 GiB'", "budget is for memory, and this is a trace target"),
        ("max-peak = 1", "max-peak is for memory, and this is a trace target"),
        ("max-relative-error = 1", "max-relative-error is for check, and this is a trace target"),
        ("jobs = 2", "jobs is for all targets: it belongs to [tool.gradscope.gate]"),
        ("env = { A = '1' }", "unknown key env in a target; did you mean environment?"),
        ("time_limit = 3", "unknown key time_limit in a target; did you mean time-limit"),
        ("check = 'a.py'", "a target is run by one command, and this one says trace and check"),
        ("inputs = 'b.pt'\ninput = 'ones(2)'", "input and inputs both give the inputs; use one of them"),
        ("expect = ['GS401']\nforbid = ['GS4']", "GS401 is expected and forbidden"),
        ("expect = ['GS401']\nignore = ['GS4']", "GS401 is expected and ignored, so it would never be found"),
        ("forbid = ['GS102']\nignore = ['GS1']", "GS102 is forbidden and ignored, so it would never fail"),
        ("forbid = ['GS1']\nfail-on = 'never'", "nothing fails where fail-on is never; use one of them"),
        ("expect = ['GS601']", "GS601 is expected, and is no rule that trace can find"),
    ],
)
def test_a_wrong_key_or_value_of_a_target(lines: str, said: str) -> None:
    shown = refused(f"{GATE}{TARGET}# {lines.splitlines()[0]}\n{lines}\n{TARGET}")
    assert said in shown.split("\n")[0]
    assert "--> pyproject.toml:5\n" in shown
    assert "^" in shown


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("steps = 2", "a target must say what it runs: trace, check or memory"),
        ('script = "a.py"', "unknown key script in a target; did you mean trace?"),
        ("trace = 3", "trace must be a string, not a number"),
        ('trace = ""', "trace must be a string, not an empty string"),
        ('trace = "train.py --epochs 1"', 'try   trace = "train.py"\n        arguments = ["--epochs", "1"]'),
        ('trace = "-m pkg.train -- x"', 'try   trace = "-m pkg.train"\n        arguments = ["x"]'),
        ('check = "a.py"\nsteps = 3', "steps is for trace and memory, and this is a check target"),
        ('check = "a.py"\nno-run = true\ncapture = "b.py"', "capture runs a script, and no-run none"),
        ('memory = "a.py"\nfake = true\nmax-norm-ratio = 9', "max-norm-ratio is measured of gradients"),
        ('memory = "a.py"\nbudget = [1]', "budget must be an amount of memory, not a list"),
    ],
)
def test_an_entry_that_says_no_target(entry: str, said: str) -> None:
    shown = refused(f"{GATE}{TARGET}{ENTRY}{entry}\n")
    assert said in shown
    line = int(shown.split("pyproject.toml:")[2].split("\n")[0])
    assert line >= 5


def test_an_empty_entry_is_told_at_its_header() -> None:
    shown = refused(f"{GATE}{TARGET}{ENTRY}")
    assert "a target must say what it runs" in shown
    assert "--> pyproject.toml:4\n     4 |  [[tool.gradscope.gate.targets]]\n" in shown


def test_what_is_wrong_with_a_default_is_told_at_the_default() -> None:
    shown = refused(f"{GATE}expect = ['GS601']\n{TARGET}")
    assert "--> pyproject.toml:2\n" in shown


def test_a_baseline_knows_a_target_by_what_it_runs() -> None:
    alone = f'{ENTRY}trace = "a.py"\narguments = ["x y"]\n'
    others = f'{ENTRY}check = "a.py"\n{ENTRY}memory = "a.py:Net"\nname = "small"\n'
    assert (one(alone).name, one(alone).key) == ("a.py", "a.py 'x y'")
    targets = read(alone + others).targets
    assert [each.name for each in targets] == ["trace a.py", "check a.py", "small"]
    assert [each.key for each in targets] == ["a.py 'x y'", "check a.py", "small"]


def test_a_target_is_run_in_a_folder_of_its_own() -> None:
    files("projects/small/train.py", "projects/small/test.py")
    alone = one(f'{ENTRY}trace = "train.py"\nfolder = "projects/small/"\n')
    assert (alone.name, alone.key, alone.target, alone.folder) == (
        "projects/small/train.py",
        "projects/small/train.py",
        "train.py",
        "projects/small",
    )
    assert [each.name for each in read(f'{ENTRY}check = "t*.py"\nfolder = "projects/small"\n').targets] == [
        "projects/small/test.py",
        "projects/small/train.py",
    ]
    module = one(f'{ENTRY}trace = "-m small.train"\nfolder = "projects"\n')
    assert module.name == "projects: -m small.train"


@pytest.mark.parametrize(
    ("folder", "what"),
    [
        ("gone", "there is no folder gone"),
        ("../x", "folder must lie below that of pyproject.toml, and ../x does not"),
        ("/tmp", "folder must lie below that of pyproject.toml, and /tmp does not"),
    ],
)
def test_a_folder_that_is_none_or_elsewhere(folder: str, what: str) -> None:
    assert what in refused(f'{TARGET}folder = "{folder}"\n')
