"""`if __name__ == "__main__":`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradscope.syntax.entry import main_block


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('x = 1\nif __name__ == "__main__":\n    x = 2\n    x = 3\n', range(2, 5)),
        ("if '__main__' == __name__:\n    pass\n", range(1, 3)),
        ('if __name__ != "__main__":\n    pass\n', None),
        ('def f():\n    if __name__ == "__main__":\n        pass\n', None),
        ("if x:\n    pass\n", None),
        ("if (:\n", None),
    ],
)
def test_the_lines_of_the_block(tmp_path: Path, text: str, lines: range | None) -> None:
    path = tmp_path / "ops.py"
    path.write_text(text, encoding="utf-8")
    assert main_block(str(path)) == lines


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert main_block(str(tmp_path / "no.py")) is None
    (tmp_path / "odd.py").write_bytes(b"# coding: nonsense\nif __name__ == '__main__': pass\n")
    assert main_block(str(tmp_path / "odd.py")) is None
