"""Parts of the standard library that are loaded with their first use: a small node starts this program often.

A Pi needs longer for `tarfile`, `ipaddress` and their like than for most answers, and most answers need none of them.
"""

from __future__ import annotations

from typing import Any


class Late:
    """Stands for a module of that name; what is asked of it is the module's own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(__import__(self._name), attribute)
