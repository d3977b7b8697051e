"""What a shell offers while a person types: names of the inventory, of the journal and of git, each with a word on it.

Whatever is wrong offers nothing and says nothing: a prompt is no place for it. Nobody is asked over a network.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Names = Mapping[str, str]
"""What may be typed, in the order in which it is offered, each with what is said beside it."""

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

NAMES = 100
"""Revisions that are offered: more is no choice."""


def one(known: Callable[[click.Context], Names]) -> Offer:
    """Offers one of the names."""

    def offered(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [_item(name, said) for name, said in _known(known, ctx).items() if name.startswith(incomplete)]

    return offered


def several(known: Callable[[click.Context], Names]) -> Offer:
    """Offers the names behind the last comma, but for those before it."""

    def offered(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        taken = {word.strip() for word in before.split(",")}
        return [
            _item(f"{before}{comma}{name}", said)
            for name, said in _known(known, ctx).items()
            if name.startswith(last) and name not in taken
        ]

    return offered


def _known(known: Callable[[click.Context], Names], ctx: click.Context) -> Names:
    try:
        return known(ctx)
    except Exception:  # noqa: BLE001 - the one boundary of a completion: it never spoils a person's prompt
        return {}


def _item(name: str, said: str) -> CompletionItem:
    """What is said may come from a file of anybody's: no control characters reach the terminal."""
    return CompletionItem(name, help="".join(each if each.isprintable() else "?" for each in said)[:80] or None)


def _inventory(ctx: click.Context) -> Path:
    from saturn_orchestrator.topology.location import find

    given: Path | None = ctx.find_root().params.get("inventory")
    return given.expanduser() if given else find(Path.cwd())


def host_names(ctx: click.Context) -> Names:
    """The hosts, with where they are and what they are for."""
    from saturn_orchestrator.topology.names import host_names

    return {
        each.name: ", ".join(dict.fromkeys(word for word in (each.address, *each.roles, *each.tags) if word))
        for each in host_names(_inventory(ctx))
    }


def tag_names(ctx: click.Context) -> Names:
    """The tags, with their hosts."""
    from saturn_orchestrator.topology.names import host_names

    return _with_hosts((word, each.name) for each in host_names(_inventory(ctx)) for word in each.tags)


def role_names(ctx: click.Context) -> Names:
    """The roles, with their hosts."""
    from saturn_orchestrator.topology.names import host_names

    return _with_hosts((word, each.name) for each in host_names(_inventory(ctx)) for word in each.roles)


def service_names(ctx: click.Context) -> Names:
    """The services, with their hosts; those of one host when the command names it before, or with --hosts."""
    from saturn_orchestrator.topology.names import host_names

    host, _ = _host_and_service(ctx)
    hosts = (host,) if host else ctx.params.get("hosts") or ()
    all_hosts = host_names(_inventory(ctx))
    return _with_hosts(
        (word, each.name) for each in all_hosts if not hosts or each.name in hosts for word in each.services
    )


def run_names(_: click.Context) -> Names:
    """The runs, with how they ended and their hosts."""
    from saturn_orchestrator.journal import journal_file
    from saturn_orchestrator.journal.names import run_names

    runs = run_names(journal_file(os.environ))
    return {**runs, "last": "the newest run"} if runs else {}


def revision_names(ctx: click.Context) -> Names:
    """The branches, tags and newest commits of git on SATURN, with their subjects."""
    from saturn_orchestrator.repository import revision_names

    return revision_names(_inventory(ctx).absolute().parent.parent, NAMES)


def deployment_names(ctx: click.Context) -> Names:
    """What `saturn rollback --to` takes: revisions and runs."""
    return {**revision_names(ctx), **run_names(ctx)}


def backup_names(ctx: click.Context) -> Names:
    """The backups that runs told of, with host and service; those of the host and service that the command names."""
    from saturn_orchestrator.journal import journal_file
    from saturn_orchestrator.journal.names import backup_names

    return backup_names(journal_file(os.environ), *_host_and_service(ctx))


def _host_and_service(ctx: click.Context) -> tuple[str, str]:
    """HOST and SERVICE as far as they are typed. Behind an unfinished option click has not sorted its arguments."""
    wanted = [each.name for each in ctx.command.params if isinstance(each, click.Argument)]
    words = [ctx.params.get(name or "") for name in wanted]
    if not any(words):
        words = list(ctx.args)
    host, service, *_ = (*(word or "" for word in words), "", "")
    return (str(host), str(service)) if "host" in wanted else ("", "")


def _with_hosts(pairs: Iterable[tuple[str, str]]) -> Names:
    found: dict[str, list[str]] = {}
    for word, host in pairs:
        found.setdefault(word, []).append(host)
    return {word: ", ".join(hosts) for word, hosts in sorted(found.items())}


HOST, HOSTS = one(host_names), several(host_names)
TAGS, ROLES = several(tag_names), several(role_names)
SERVICE, SERVICES = one(service_names), several(service_names)
RUN, REVISION, DEPLOYMENT, BACKUP = one(run_names), one(revision_names), one(deployment_names), one(backup_names)
