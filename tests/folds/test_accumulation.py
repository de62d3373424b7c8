from gradscope.folds.accumulation import Accumulation


def after(events: str) -> str | None:
    fold = Accumulation()
    for event in events:
        fold.backward() if event == "b" else fold.stepped()
    return fold.note()


def test_a_tail_of_micro_batches_is_noted() -> None:
    note = after("bbbbs" * 2 + "bb")
    assert note is not None
    assert "every 4 backwards" in note
    assert "the last 2" in note


def test_whole_accumulations_are_not() -> None:
    assert after("bbbbs" * 3) is None


def test_without_a_rhythm_nothing_is_said() -> None:
    assert after("bsbbsb") is None
    assert after("bsbsb") is None
    assert after("bb") is None
