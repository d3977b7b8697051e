"""Options that several verbs share, and the inventory they lead to."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.records import dataclass

if TYPE_CHECKING:
    from saturn_orchestrator.journal import Records
    from saturn_orchestrator.topology.model import Host, Service, Topology


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
    return tuple(dict.fromkeys(_words(value)))


def _words(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.strip() for each in value for word in each.split(",") if word.strip())


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--hosts`, `--tags`, `--roles` and `--all`, handed on as one `selection`."""
    from functools import wraps

    @click.option("--hosts", multiple=True, callback=listed, metavar="A,B", help="These hosts.",
                  shell_complete=offers.HOSTS)  # fmt: skip
    @click.option("--tags", multiple=True, callback=listed, metavar="T", help="Hosts with any of these tags.",
                  shell_complete=offers.TAGS)  # fmt: skip
    @click.option("--roles", multiple=True, callback=listed, metavar="R", help="Hosts with any of these roles.",
                  shell_complete=offers.ROLES)  # fmt: skip
    @click.option("--all", "everything", is_flag=True, help="Every host of the topology.")
    @wraps(command)
    def wrapped(
        *args: Any, hosts: tuple[str, ...], tags: tuple[str, ...], roles: tuple[str, ...], everything: bool, **rest: Any
    ) -> Any:
        return command(*args, selection=Selection(hosts, tags, roles, everything), **rest)

    return wrapped


@dataclass(frozen=True)
class Wish:
    """How much of what git holds a run is about: `--revision` and `--services`."""

    revision: str
    services: tuple[str, ...]


services_option = click.option(
    "--services",
    multiple=True,
    callback=listed,
    metavar="A,B",
    help="Only these services.",
    shell_complete=offers.SERVICES,
)


prune_option = click.option("--prune", is_flag=True, help="Remove services that are assigned to a host no more.")


def wish_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--revision` and `--services`, handed on as one `wish`."""
    from functools import wraps

    @click.option("--revision", default="", metavar="REV", help="The commit to deploy.  [default: tip of git.branch]",
                  shell_complete=offers.REVISION)  # fmt: skip
    @services_option
    @wraps(command)
    def wrapped(*args: Any, revision: str, services: tuple[str, ...], **rest: Any) -> Any:
        return command(*args, wish=Wish(revision, services), **rest)

    return wrapped


def _batches(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    sizes = _words(value)  # a size may be wanted twice
    for size in sizes:
        if not re.fullmatch(r"[1-9]\d{0,3}|([1-9]\d?|100)%", size):
            raise click.BadParameter(f"{size!r} is neither a number of hosts nor a percentage such as 25%")
    return sizes


def _allowance(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    if value is None or re.fullmatch(r"(\d{1,2}|100)%", value):
        return value
    if not re.fullmatch(r"\d{1,4}", value):
        raise click.BadParameter(f"{value!r} is neither a number of hosts nor a percentage such as 25%")
    return int(value)


def rollout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--batch` and `--max-failures`; what is not given is the topology's."""
    for option in (
        click.option("--max-failures", callback=_allowance, metavar="N|%", help="Hosts that may fail before it halts."),
        click.option("--batch", "batches", multiple=True, callback=_batches, metavar="1,25%,100%",
                     help="Batches of hosts: the next starts when the one before is well."),
    ):  # fmt: skip
        command = option(command)
    return command


def chosen_services(
    hosts: tuple[Host, ...], services: tuple[str, ...]
) -> tuple[tuple[Host, ...], frozenset[str] | None]:
    """The hosts that have any of the services, and the services; all of them when none is named.

    Raises:
        UsageError: no host has such a service.
    """
    from saturn_orchestrator.errors import UsageError
    from saturn_orchestrator.topology.spelling import near

    if not services:
        return hosts, None
    known = tuple(dict.fromkeys(service.name for host in hosts for service in host.services))
    for name in services:
        if name not in known:
            listing = f"services of these hosts: {', '.join(known) or 'none'}"
            raise UsageError(
                f"unknown service: {name}", code="unknown_service", notes=(listing,), hint=near(name, known)
            )
    wanted = frozenset(services)
    return tuple(host for host in hosts if wanted & {service.name for service in host.services}), wanted


def one_service(topology: Topology, host: str, service: str) -> tuple[Host, Service]:
    """One service of one host.

    Raises:
        UsageError: there is no such host, or it has no such service.
    """
    hosts, _ = chosen_services(Selection((host,), (), (), everything=False).of(topology), (service,))
    return hosts[0], next(each for each in hosts[0].services if each.name == service)


def revisions(hosts: tuple[Host, ...], revision: str) -> dict[str, str]:
    """The same revision for every host; nothing when none is named."""
    return {host.name: revision for host in hosts} if revision else {}


def retried(selection: Selection, topology: Topology, word: str) -> tuple[Host, ...]:
    """The hosts that did not succeed in a former run, of those that were chosen, if any were.

    Raises:
        UsageError: there is no such run, or all its hosts succeeded.
    """
    from saturn_orchestrator.app.show import run_named
    from saturn_orchestrator.errors import UsageError

    run = run_named(word, records())
    failed = [name for name, host in run.hosts.items() if not host.status.is_success]
    hosts = tuple(host for host in selection.of(topology, default_all=True) if host.name in failed)
    if not hosts:
        raise UsageError(
            f"no host of run {run.run} is left to try again", code="no_hosts_chosen", hint=f"saturn show {run.run}"
        )
    return hosts


def duration(_: click.Context, __: click.Parameter, value: str) -> float:
    """`90`, `90s`, `10m`, `2h` and `7d` as seconds."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smhd]?)", value.strip())
    if not found:
        raise click.BadParameter(f"{value!r} is not a duration such as 90s, 10m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]]


link_patience_option = click.option(
    "--link-patience",
    "link_patience_s",
    callback=duration,
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long a line that broke is tried again; the node works on meanwhile. 0: for ever.",
)


hooks_option = click.option(
    "--no-hooks", "hooks", is_flag=True, flag_value=False, default=True, help="Run no program of hooks/."
)


def topology_file(ctx: click.Context) -> Path:
    """The topology that `--inventory` names, else the one found from the current folder upwards."""
    from saturn_orchestrator.topology.location import find

    given: Path | None = ctx.obj["inventory"]
    return given if given is not None else find(Path.cwd())


def loaded(ctx: click.Context) -> Topology:
    """The topology, validated; from the cache where no file that it comes of has changed.

    Raises:
        UsageError, InventoryError: there is none, or it is invalid.
    """
    import os

    from saturn_orchestrator.topology.cache import cache_folder, cached

    say = _noted if ctx.obj["verbose"] else _unsaid
    return cached(topology_file(ctx), cache_folder(os.environ), say)


def records() -> Records:
    """What the journal of this person tells; what is wrong with it goes to standard error, in a sentence."""
    import os

    from saturn_orchestrator.journal import Records, journal_file

    return Records(journal_file(os.environ), _noted)


def _noted(said: str) -> None:
    """A sentence beside the results, on standard error."""
    import sys

    from saturn_orchestrator.report.style import console, show, verbatim

    show(console(sys.stderr), verbatim(f"note: {said}", "yellow"))


def _unsaid(_: str) -> None:
    """What only --verbose shows."""
