"""How a host is reached, for one command: the tailnet is asked once, lines are dialled, logins take their turns.

asyncssh is imported only when a host is dialled over SSH.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

from saturn_orchestrator.errors import OffTailnet, SessionError
from saturn_orchestrator.events import OwnEvent, SessionWaiting, now
from saturn_orchestrator.session.approval import Approvals
from saturn_orchestrator.session.base import Channel, Offer, Session, Tell, nobody
from saturn_orchestrator.session.descriptors import room, spent
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.session.places import ASIDE, AT_ONCE, Place, Placed, Places
from saturn_orchestrator.session.route import Route, is_tailnet_wanted, route_of
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.daemon import Tailscaled
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.topology.model import Host

if TYPE_CHECKING:
    from saturn_orchestrator.session.ssh import Dial, Jumps

PROBE_S = 3.0
"""How long a host is tried that the tailnet calls offline: its word may lag behind by a minute."""

SLOW_S = 3.0
"""After that a person is told why a first contact takes its time."""

FIRST_CONTACT_S = 40.0
"""What a path over the tailnet may take to be found: ten to thirty seconds were seen over DERP."""

PINGS, PING_S = 5, 1.0
"""How often, and how far apart, a path is looked at: packets go by DERP until a direct one was found."""

PLACE_S = 86_400.0
"""How long a host may wait for others to give up their connections: they all do, each in its time."""

_ABSENT = "saturn deploy --hosts {host} --defer-offline   # leaves word for when it is back"


Announce = Callable[[str, SessionWaiting], None]
"""Told, with the host's name, what keeps a person waiting."""


class Watched:
    """A peer as it was last seen; looking at it is what warms the path up, too."""

    def __init__(self, peer: Peer) -> None:
        """As the address book has it."""
        self.peer = peer

    def note_presence(self) -> None:
        """It answered, whatever the tailnet says."""
        self.peer = replace(self.peer, is_online=True, last_seen="")

    async def look(self, daemon: Tailscaled, address: str) -> None:
        """Ping until the path is direct, or long enough."""
        for _ in range(PINGS):
            path = await daemon.ping(address)
            if path.kind:
                self.note_presence()
                self.peer = replace(self.peer, path=path)
            if path.kind == "direct":
                return
            await asyncio.sleep(PING_S)


class Switchboard:
    """An OpenSession, for one command."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        announce: Announce | None = None,
        book: AddressBook | None = None,
        places: Places | None = None,
    ) -> None:
        """hosts: of the whole topology; one may be reached through another. book: this machine's unless told.

        places: how many connections there may be at once; as many as this process may have, up to AT_ONCE.
        """
        self.book = book or AddressBook()
        self._hosts = hosts
        self._announce = announce
        self._approvals = Approvals()
        self._jumps: Jumps | None = None
        self._looking: set[asyncio.Task[None]] = set()
        self._places = places or _affordable(len(hosts))

    async def __call__(self, host: Host, tell: Tell) -> Session:
        """A session with the host, by its `transport`.

        Raises:
            SessionError: see errors.py.
        """
        route = await self.route(host)
        if route.is_local:
            from saturn_orchestrator.session.local import open_local

            return await open_local(host)
        place = await self._place(host, tell)
        return Placed(await self._held(place, route, self._told(host, tell)), place, partial(self._again, host))

    async def shell(self, host: Host, command: tuple[str, ...], tell: Tell) -> Channel:
        """An OpenShell.

        Raises:
            SessionError: see errors.py.
        """
        route = await self.route(host)
        if route.is_local:
            from saturn_orchestrator.session.local import open_process

            return await open_process(command)
        from saturn_orchestrator.session.ssh import open_channel

        told = self._told(host, tell)
        async with self._through().dial(route, told) as dial:
            return await open_channel(route, self._approvals, dial, told, command)

    async def scan(self, host: Host, tell: Tell) -> Offer | None:
        """A Scan.

        Raises:
            SessionError: see errors.py.
        """
        route = await self.route(host)
        if route.is_local:
            return None
        from saturn_orchestrator.session.ssh import offered_keys

        told = tuple(Key.of(line) for line in route.peer.host_keys) if route.peer else ()
        place = await self._place(host, tell)
        try:
            async with self._through().dial(route, tell) as dial:
                keys = await offered_keys(route, dial, self._told(host, tell))
        finally:
            place.free()
        return Offer(route.where, route.names, keys, told)

    async def route(self, host: Host) -> Route:
        """The way to the host.

        Raises:
            SessionError: see route_of.
        """
        known = await self.book.tailnet() if is_tailnet_wanted(host) else None
        return route_of(host, known, now())

    async def identity_trouble(self, host: Host) -> SessionError | None:
        """Why the key that the topology names for the host is of no use; None, too, when no way leads there."""
        from saturn_orchestrator.session.ssh import identities

        return await self._trouble(host, identities)

    async def host_key_trouble(self, host: Host) -> SessionError | None:
        """Why the host could not be told from an impostor; None, too, when no way leads there."""
        from saturn_orchestrator.session.ssh import trusted_keys

        return await self._trouble(host, trusted_keys)

    async def _trouble(self, host: Host, look: Callable[[Route], object]) -> SessionError | None:
        try:
            route = await self.route(host)
        except SessionError:
            return None
        try:
            look(route)
        except SessionError as error:
            return error
        return None

    async def is_tailscale_ssh(self, host: Host) -> bool:
        """Whether the tailnet lets us in and vouches for the host, so that neither needs a key of its own here."""
        try:
            return (await self.route(host)).is_tailscale_ssh
        except SessionError:
            return False

    async def __aenter__(self) -> Self:
        """Nothing is opened yet."""
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Hang up what was shared."""
        for task in self._looking:
            task.cancel()
        self._places.close()
        if self._jumps:
            await self._jumps.close()

    async def _place(self, host: Host, tell: Tell) -> Place:
        """A place among the connections; the time that others have them all is no part of the host's own patience."""
        if not self._places.is_full:
            return await self._places.arrival()
        tell(SessionWaiting(now(), "place", f"waits for one of {self._places.limit} connections", patience_s=PLACE_S))
        place = await self._places.arrival()
        tell(SessionWaiting(now(), "place", "a connection is free", patience_s=host.ssh.connect_timeout_s))
        return place

    async def _held(self, place: Place, route: Route, tell: Tell) -> Session:
        is_open = False
        try:
            session = await self._over_ssh(route, tell)
            is_open = True
        finally:
            if not is_open:
                place.free()
        return session

    async def _again(self, host: Host) -> tuple[Session, Place]:
        place = await self._places.comeback()
        route = await self.route(host)
        return await self._held(place, route, self._told(host, nobody)), place

    async def _over_ssh(self, route: Route, tell: Tell) -> Session:
        from saturn_orchestrator.session.ssh import open_ssh

        sighting = self._sighting(route.peer, route.address) if route.peer else None
        async with self._through().dial(route, tell) as dial:
            session = await open_ssh(route, self._approvals, dial, tell, sighting)
        if sighting:
            sighting.note_presence()
        return session

    def _through(self) -> Jumps:
        from saturn_orchestrator.session.ssh import Jumps

        self._jumps = self._jumps or Jumps(self._hosts, self.route, self._dial, self._approvals)
        return self._jumps

    def _told(self, host: Host, tell: Tell) -> Tell:
        """Tells the person, too, what keeps them waiting."""

        def told(event: OwnEvent) -> None:
            tell(event)
            if self._announce and isinstance(event, SessionWaiting):
                self._announce(host.name, event)

        return told

    def _dial(self, route: Route) -> Dial:
        async def dialled(tell: Tell) -> socket.socket | None:
            if route.peer is None:
                return None  # asyncssh resolves the name, and dials
            if not route.peer.is_online:
                return await self._probed(route, route.peer, tell)
            return await self._patiently(route, route.peer, tell)

        return dialled

    async def _probed(self, route: Route, peer: Peer, tell: Tell) -> socket.socket:
        absence = peer.absence(now())
        tell(SessionWaiting(now(), "offline", f"{absence}; trying once"))
        try:
            async with asyncio.timeout(PROBE_S):
                return await self._socket(route)
        except ConnectionRefusedError:
            raise  # somebody is there
        except OSError as error:
            raise spent(error) or OffTailnet(
                f"{route.host.name} is {absence}", code="offline", hint=_ABSENT.format(host=route.host.name)
            ) from error

    async def _patiently(self, route: Route, peer: Peer, tell: Tell) -> socket.socket:
        words = "first contact: a path over the tailnet is being found, which may take half a minute"
        slow = SessionWaiting(now(), "first_contact", words, patience_s=FIRST_CONTACT_S)
        is_known = peer.path.kind == "direct"
        timer = None if is_known else asyncio.get_running_loop().call_later(SLOW_S, tell, slow)
        try:
            return await self._socket(route)
        finally:
            if timer:
                timer.cancel()

    async def _socket(self, route: Route) -> socket.socket:
        if route.is_userspace:
            line = await self.book.daemon.dial(route.address, route.host.ssh.port)
            if line:
                return line
        return await _connected(route.address, route.host.ssh.port)

    def _sighting(self, peer: Peer, address: str) -> Watched:
        sighting = Watched(peer)
        task = asyncio.create_task(sighting.look(self.book.daemon, address))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)
        return sighting


def _affordable(hosts: int) -> Places:
    """Places for so many hosts, as far as this process may have descriptors: one each, and one for each set aside."""
    wanted = min(hosts, AT_ONCE) + ASIDE
    allowed = room(wanted)
    limit = AT_ONCE if allowed >= wanted else min(allowed, AT_ONCE)
    return Places(limit, min(ASIDE, max(allowed - limit, 0)))


async def _connected(address: str, port: int) -> socket.socket:
    line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    line.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(line, (address, port))
    except BaseException:
        line.close()
        raise
    return line
