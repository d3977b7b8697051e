"""Where saturn's own sample inventory and prompts lie: packed into the wheel, or beside the code in a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """The sample `inventory/`: the copy inside the installed package, else the checkout's own."""
    packed = PACKAGE / "sample" / "inventory"
    return packed if packed.is_dir() else PACKAGE.parent / "inventory"


def prompts() -> Path:
    """The prompts that saturn brings along: the copy inside the installed package, else the checkout's own."""
    packed = PACKAGE / "sample" / "prompts"
    return packed if packed.is_dir() else PACKAGE.parent / "docs" / "prompts"
