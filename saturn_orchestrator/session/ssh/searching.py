"""asyncssh, imported without its searching for C libraries that saturn makes no use of.

It looks for liboqs and nettle by starting ldconfig and a compiler, several times, which takes longer than the import.
Of what they bring, key exchanges and MACs of other names, saturn offers nothing (see KEX in opening.py).
"""

from __future__ import annotations

import ctypes.util


def _import() -> None:
    search = ctypes.util.find_library
    ctypes.util.find_library = lambda name: None  # noqa: ARG005
    try:
        import asyncssh  # noqa: F401
    finally:
        ctypes.util.find_library = search


_import()
