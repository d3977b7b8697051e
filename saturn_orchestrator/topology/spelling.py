"""What somebody may have meant by a word that is not known. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def near(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`did you mean "port"?`, or "" when nothing known comes near."""
    import difflib

    found = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f'did you mean "{found[0]}"?' if found else ""
