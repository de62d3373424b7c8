"""How much text a page may still take."""

from __future__ import annotations

from collections.abc import Iterable


def size(text: str) -> int:
    """The bytes of a block in UTF-8, with the blank line that parts it from the next one."""
    return len(text.encode("utf-8", "backslashreplace")) + 2


class Room:
    """Bytes that are left. What must stand is taken off, even where it is more than there is."""

    def __init__(self, total: int) -> None:
        self.left = total

    def keep(self, blocks: Iterable[str]) -> None:
        """Takes the blocks' bytes off, whatever is left."""
        self.left -= sum(map(size, blocks))

    def has_taken(self, blocks: Iterable[str]) -> bool:
        """Takes the blocks' bytes off where all of them fit, and says whether they did."""
        needed = sum(map(size, blocks))
        if needed > self.left:
            return False
        self.left -= needed
        return True
