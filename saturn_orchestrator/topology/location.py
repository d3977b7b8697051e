"""Where an inventory lies. Apart from its reading, so that whoever only asks this need not import pydantic."""

from __future__ import annotations

from pathlib import Path

from saturn_orchestrator.errors import UsageError


def find(start: Path) -> Path:
    """The nearest inventory/topology.yaml from start upwards.

    Raises:
        UsageError: there is none (`inventory_not_found`).
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / "inventory" / "topology.yaml").is_file():
            return folder / "inventory" / "topology.yaml"
    raise UsageError(
        f"there is no inventory/topology.yaml in {start} or above it",
        code="inventory_not_found",
        hint="saturn init   (or name one: saturn --inventory PATH ...)",
    )


def shown(path: Path) -> str:
    """The path as a person would type it here: relative to the current folder when it lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
