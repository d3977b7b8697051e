"""A terminal small enough to read: it understands what rich sends and tells what a person then sees."""

from __future__ import annotations

import io
import re

_PIECE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")

_LINK = re.compile(r"\x1b\]8;[^\x1b]*\x1b\\")
"""Where a link begins and ends: nothing that is seen."""


class Terminal(io.StringIO):
    """A stream that claims to be a terminal. No line may be longer than it is wide: it does not fold."""

    def isatty(self) -> bool:
        return True

    @property
    def shows_cursor(self) -> bool:
        return self.getvalue().rfind("\x1b[?25l") <= self.getvalue().rfind("\x1b[?25h")

    @property
    def lines(self) -> list[str]:
        """The rows as they stand now, empty ones at the end left out."""
        rows, row, column = [""], 0, 0
        for private, number, command, home, feed, text in _PIECE.findall(_LINK.sub("", self.getvalue())):
            if text:
                rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + len(text) :]
                column += len(text)
            elif home:
                column = 0
            elif feed:
                row, column = row + 1, 0
                rows += [""] * (row - len(rows) + 1)
            elif command == "A":
                row -= int(number or 1)
                assert row >= 0, "the cursor left the screen: something would be erased that is not ours"
            elif command == "K":
                rows[row] = ""
            else:
                assert private or command == "m", f"an unknown control {command}"
        return "\n".join(each.rstrip() for each in rows).rstrip("\n").split("\n")
