"""Options that several verbs share, and the inventory they lead to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from saturn_orchestrator.journal import Records
    from saturn_orchestrator.topology.model import Host, Topology


@dataclass(frozen=True)
class Selection:
    """Which hosts a person chose: `--hosts`, `--tags`, `--roles`, `--all`."""

    hosts: tuple[str, ...]
    tags: tuple[str, ...]
    roles: tuple[str, ...]
    everything: bool

    @property
    def is_empty(self) -> bool:
        """Whether none of the four options was given."""
        return not (self.hosts or self.tags or self.roles or self.everything)

    def of(self, topology: Topology, *, default_all: bool = False) -> tuple[Host, ...]:
        """The chosen hosts. With default_all a person who names none means every host."""
        from saturn_orchestrator.topology.select import select

        everything = self.everything or (default_all and self.is_empty)
        return select(topology, self.hosts, self.tags, self.roles, everything=everything)


def listed(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """`a,b` and repeated options alike, without blanks and repeats."""
    return tuple(dict.fromkeys(word.strip() for each in value for word in each.split(",") if word.strip()))


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--hosts`, `--tags`, `--roles` and `--all`, handed on as one `selection`."""
    from functools import wraps

    @click.option("--hosts", multiple=True, callback=listed, metavar="A,B", help="These hosts.")
    @click.option("--tags", multiple=True, callback=listed, metavar="T", help="Hosts with any of these tags.")
    @click.option("--roles", multiple=True, callback=listed, metavar="R", help="Hosts with any of these roles.")
    @click.option("--all", "everything", is_flag=True, help="Every host of the topology.")
    @wraps(command)
    def wrapped(
        *args: Any, hosts: tuple[str, ...], tags: tuple[str, ...], roles: tuple[str, ...], everything: bool, **rest: Any
    ) -> Any:
        return command(*args, selection=Selection(hosts, tags, roles, everything), **rest)

    return wrapped


def _seconds(_: click.Context, __: click.Parameter, value: str) -> float:
    """`90`, `90s`, `10m` and `2h` as seconds."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smh]?)", value.strip())
    if not found:
        raise click.BadParameter(f"{value!r} is not a duration such as 90s, 10m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


link_patience_option = click.option(
    "--link-patience",
    "link_patience_s",
    callback=_seconds,
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long a line that broke is tried again; the node works on meanwhile. 0: for ever.",
)


def topology_file(ctx: click.Context) -> Path:
    """The topology that `--inventory` names, else the one found from the current folder upwards."""
    from saturn_orchestrator.topology.load import find

    given: Path | None = ctx.obj["inventory"]
    return given if given is not None else find(Path.cwd())


def loaded(ctx: click.Context) -> Topology:
    """The topology, validated.

    Raises:
        UsageError, InventoryError: there is none, or it is invalid.
    """
    from saturn_orchestrator.topology.load import load

    return load(topology_file(ctx))


def records() -> Records:
    """What the journal of this person tells; what is wrong with it goes to standard error, in a sentence."""
    import os
    import sys

    from saturn_orchestrator.journal import Records, journal_file
    from saturn_orchestrator.report.style import console, show, verbatim

    return Records(
        journal_file(os.environ), lambda said: show(console(sys.stderr), verbatim(f"note: {said}", "yellow"))
    )
