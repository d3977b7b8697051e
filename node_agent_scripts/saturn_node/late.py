"""Modules that are loaded with their first use, the standard library's and our own: a small node starts this often.

A Pi needs longer for `tarfile`, `ipaddress` and their like than for most answers, and most answers need none of them.
Those of the standard library are named below, and imported from here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

__all__ = ["Late", "base64", "calendar", "gzip", "ipaddress", "shutil", "tarfile", "tempfile", "traceback", "zlib"]


class Late:
    """Stands for a module of that whole name; what is asked of it is the module's own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        __import__(self._name)
        return getattr(sys.modules[self._name], attribute)


if TYPE_CHECKING:
    import base64
    import calendar
    import gzip
    import ipaddress
    import shutil
    import tarfile
    import tempfile
    import traceback
    import zlib
else:
    base64 = Late("base64")
    calendar = Late("calendar")
    gzip = Late("gzip")
    ipaddress = Late("ipaddress")
    shutil = Late("shutil")
    tarfile = Late("tarfile")
    tempfile = Late("tempfile")
    traceback = Late("traceback")
    zlib = Late("zlib")
