"""What a watch knows of its hosts, and the one function by which that changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from saturn_orchestrator.records import dataclass, field, replace
from saturn_orchestrator.state.standing import Standing, Surroundings

UNKNOWN = "unknown"
"""The reachability of a host that nothing was heard of yet."""


@dataclass(frozen=True)
class Seen:
    """A host as it was just found. again_at: when it is tried again, RFC 3339; "" while its session stands."""

    standing: Standing
    again_at: str = ""


@dataclass(frozen=True)
class Awaited:
    """What keeps a host from answering, in a sentence."""

    host: str
    message: str


Sighting = Seen | Awaited | Surroundings


@dataclass(frozen=True)
class Presence:
    """One host of a watch. since: when its reachability became what it is, RFC 3339. awaits: see Awaited."""

    standing: Standing
    since: str
    again_at: str = ""
    awaits: str = ""


@dataclass(frozen=True)
class WatchState:
    """The hosts in the order in which they were chosen, and what the tailnet tells beside them."""

    hosts: Mapping[str, Presence]
    around: Surroundings = field(default_factory=Surroundings)

    @classmethod
    def of(cls, hosts: Iterable[str], at: str) -> WatchState:
        """A watch that begins."""
        return cls({name: Presence(Standing(name, UNKNOWN), at) for name in hosts})

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Where the hosts stand."""
        return tuple(each.standing for each in self.hosts.values())


def reduce_watch(state: WatchState, sighting: Sighting, at: str) -> WatchState:
    """The state after a sighting at that moment, RFC 3339."""
    if isinstance(sighting, Surroundings):
        return replace(state, around=sighting)
    if isinstance(sighting, Awaited):
        presence = replace(state.hosts[sighting.host], awaits=sighting.message)
        return replace(state, hosts={**state.hosts, sighting.host: presence})
    name = sighting.standing.host
    before = state.hosts[name]
    standing = _with_what_was_known(before.standing, sighting.standing)
    is_as_before = before.standing.reachability == standing.reachability
    presence = Presence(standing, before.since if is_as_before else at, sighting.again_at)
    return replace(state, hosts={**state.hosts, name: presence})


def _with_what_was_known(before: Standing, now: Standing) -> Standing:
    """Of a host that is away, what it said before."""
    if now.reachability == "online" or before.facts is None:
        return now
    source = "watch" if before.source == "live" else before.source
    return replace(
        now,
        source=source,
        observed_at=before.observed_at,
        facts=before.facts,
        behind=before.behind,
        ahead=before.ahead,
    )
