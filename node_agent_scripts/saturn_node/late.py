"""Modules that are loaded with their first use, the standard library's and our own: a small node starts this often.

A Pi needs longer for `tarfile`, `ipaddress` and their like than for most answers, and most answers need none of them.
"""

from __future__ import annotations

import sys
from typing import Any


class Late:
    """Stands for a module of that whole name; what is asked of it is the module's own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        __import__(self._name)
        return getattr(sys.modules[self._name], attribute)
