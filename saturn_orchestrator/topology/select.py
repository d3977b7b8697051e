"""Which hosts a command is about, from --hosts, --tags, --roles and --all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.topology.model import Host, Topology
from saturn_orchestrator.topology.spelling import near


def select(
    topology: Topology,
    hosts: Sequence[str] = (),
    tags: Sequence[str] = (),
    roles: Sequence[str] = (),
    everything: bool = False,
) -> tuple[Host, ...]:
    """The chosen hosts in file order: one of the named hosts that has one of the tags and one of the roles.

    Raises:
        UsageError: `unknown_host`, `unknown_tag`, `unknown_role`, or `no_hosts_chosen` when nothing was asked for or
            no host answers to all that was asked.
    """
    all_hosts = tuple(topology.hosts.values())
    _refuse_unknown("host", hosts, topology.hosts)
    _refuse_unknown("tag", tags, (tag for host in all_hosts for tag in host.tags))
    _refuse_unknown("role", roles, (role for host in all_hosts for role in host.roles))
    if not (hosts or tags or roles or everything):
        raise UsageError("no hosts were chosen", code="no_hosts_chosen", hint=_ways(topology))
    chosen = tuple(
        host
        for host in all_hosts
        if (not hosts or host.name in hosts)
        and (not tags or set(tags) & set(host.tags))
        and (not roles or set(roles) & set(host.roles))
    )
    if not chosen:
        raise UsageError("no host answers to all that was asked", code="no_hosts_chosen", hint=_ways(topology))
    return chosen


def _refuse_unknown(kind: str, asked: Sequence[str], known: Iterable[str]) -> None:
    names = tuple(dict.fromkeys(known))
    for each in asked:
        if each not in names:
            listed = f"{kind}s in this inventory: {', '.join(names) or 'none'}"
            raise UsageError(f"unknown {kind}: {each}", code=f"unknown_{kind}", notes=(listed,), hint=near(each, names))


def _ways(topology: Topology) -> str:
    some = ",".join(list(topology.hosts)[:2])
    return f"--hosts {some}   (or --tags, --roles, --all)"
