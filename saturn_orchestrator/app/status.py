"""`saturn status`: ask every host at once what is true on it; a host that is away costs the others nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from saturn_orchestrator.app.memory import Memory as Recollection
from saturn_orchestrator.errors import RepositoryError, SessionError, Unreachable
from saturn_orchestrator.events import Facts, now
from saturn_orchestrator.records import replace
from saturn_orchestrator.rollout.survey import connect, gather_facts
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.session.route import is_tailnet_wanted
from saturn_orchestrator.state.model import HostError
from saturn_orchestrator.state.standing import Deferred, Standing, Surroundings, remembered
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, Trouble, expiry_warning, usable
from saturn_orchestrator.topology.model import Host, Topology

if TYPE_CHECKING:
    from saturn_orchestrator.app.wanted import Source
    from saturn_orchestrator.repository import Distance


class Memory(Recollection, Protocol):
    """What the journal tells of former runs, and of what was deferred."""

    def deferred(self, host: str) -> Deferred | None:
        """What waits for the host to be back."""


async def status(
    topology: Topology,
    hosts: Sequence[Host],
    open_session: OpenSession,
    memory: Memory,
    book: AddressBook | None = None,
) -> tuple[Standing, ...]:
    """Where the hosts stand, in the order given; of a host that is away, what the journal remembers.

    Without a usable repository `behind` is unknown, no more. book: what the tailnet tells of hosts that are away.
    """
    aim = Aim(topology, hosts)
    found = await asyncio.gather(*(_standing(host, aim, open_session) for host in hosts))
    known = (each if each.facts else recalled(memory, each) for each in found)
    peers = [each.peer or await known_peer(host, book) for host, each in zip(hosts, found, strict=True)]
    waiting = (memory.deferred(host.name) for host in hosts)
    return tuple(
        replace(each, deferred=deferred, peer=peer) if deferred or peer is not each.peer else each
        for each, deferred, peer in zip(known, waiting, peers, strict=True)
    )


class Aim:
    """What git wants of the hosts. It is asked once, when the first host answers: of nobody it wants anything."""

    def __init__(self, topology: Topology, hosts: Sequence[Host]) -> None:
        """Nobody is asked yet."""
        self._topology = topology
        self._hosts = hosts
        self._asking: asyncio.Task[Source | None] | None = None

    def ask(self) -> asyncio.Task[Source | None]:
        """What it wants; None where there is no usable repository."""
        self._asking = self._asking or asyncio.create_task(self._asked())
        return self._asking

    async def _asked(self) -> Source | None:
        from saturn_orchestrator.app.wanted import Source

        try:
            return await Source.of(self._topology, self._hosts)
        except RepositoryError:
            return None


async def surroundings(topology: Topology, book: AddressBook) -> Surroundings:
    """What the tailnet tells beside the hosts; nothing where no host needs it and none is there."""
    wanting = [host for host in topology.hosts.values() if is_tailnet_wanted(host)]
    if not wanting:
        return Surroundings()
    tailnet = usable(await book.tailnet(), now())
    if isinstance(tailnet, Trouble):
        is_needed = tailnet != NOT_INSTALLED or any(host.transport == "tailscale" for host in wanting)
        return Surroundings(_said(tailnet) if is_needed else None)
    meant = {host.name: tailnet.called(host.address) for host in wanting}
    expiry = expiry_warning(tailnet.own, now()) if tailnet.own else ""
    return Surroundings(
        HostError("tailnet_key_expiring", f"SATURN: {expiry}", _RENEW) if expiry else None,
        _twins(meant),
        tuple(
            peer.name for peer in tailnet.peers
            if peer.has_tailscale_ssh and not any(peer in peers for peers in meant.values())
        ),
    )  # fmt: skip


_RENEW = "sudo tailscale up --force-reauth   # or switch its expiry off under Machines in the admin console"


def _said(trouble: Trouble) -> HostError:
    return HostError(trouble.code, trouble.message, trouble.hint)


def _twins(meant: Mapping[str, Sequence[Peer]]) -> tuple[tuple[str, ...], ...]:
    names: dict[str, list[str]] = {}
    for name, peers in meant.items():
        if len(peers) == 1:
            names.setdefault(peers[0].dns_name, []).append(name)
    return tuple(tuple(each) for each in names.values() if len(each) > 1)


async def known_peer(host: Host, book: AddressBook | None) -> Peer | None:
    """The host on the tailnet, where it needs it and is there."""
    found = await book.peers(host.address) if book and is_tailnet_wanted(host) else ()
    return found[0] if len(found) == 1 else None


def recalled(memory: Memory, away: Standing) -> Standing:
    """What the journal remembers of a host, in place of what could not be asked; the same when it knows nothing."""
    run, at = memory.newest(away.host)
    state = memory.replay(run) if run else None
    if state is None:
        return away
    return replace(away, source="journal", observed_at=at, facts=remembered(run, state.hosts[away.host], at))


async def _standing(host: Host, aim: Aim, open_session: OpenSession) -> Standing:
    try:
        session = await connect(host, open_session)
    except SessionError as error:
        return away(host, error)
    asking = aim.ask()
    try:
        facts = await gather_facts(host, session)
    except SessionError as error:
        return away(host, error)
    finally:
        await session.close()
    source = await asyncio.shield(asking)
    return answered(host, facts, await source.distance(host, facts.revision) if source else None, session.peer)


def answered(host: Host, facts: Facts, distance: Distance | None, peer: Peer | None) -> Standing:
    """A host that answered just now."""
    behind, ahead = (distance.behind, distance.ahead) if distance else (None, None)
    return Standing(host.name, "online", observed_at=now(), facts=facts, behind=behind, ahead=ahead, peer=peer)


def away(host: Host, error: SessionError) -> Standing:
    """A host that could not be asked, and why."""
    reachability = "unreachable" if isinstance(error, Unreachable) else "denied"
    reachability = "offline" if error.code == "offline" else reachability
    reason = HostError(error.code, "; ".join((error.message, *error.notes)), error.hint)
    return Standing(host.name, reachability, observed_at=now(), error=reason)
