"""How a host is reached, for one command: the tailnet is asked once, lines are dialled, logins take their turns.

asyncssh is imported only when a host is dialled over SSH.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from saturn_orchestrator.errors import OffTailnet, SessionError
from saturn_orchestrator.events import OwnEvent, SessionWaiting, now
from saturn_orchestrator.files import content
from saturn_orchestrator.records import replace
from saturn_orchestrator.session import known_hosts
from saturn_orchestrator.session.approval import Approvals
from saturn_orchestrator.session.base import Channel, Offer, Patience, Session, Tell, nobody
from saturn_orchestrator.session.descriptors import room, spent
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.session.line import connected, unreached
from saturn_orchestrator.session.places import ASIDE, AT_ONCE, Place, Placed, Places
from saturn_orchestrator.session.route import Route, is_tailnet_wanted, route_of
from saturn_orchestrator.session.trip import Trip
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.tailnet.daemon import Tailscaled
from saturn_orchestrator.tailnet.model import Peer
from saturn_orchestrator.topology.model import Host

if TYPE_CHECKING:
    from saturn_orchestrator.session.ssh import Dial, Jumps, Line

PROBE_S = 3.0
"""How long a host is tried that the tailnet calls offline: its word may lag behind by a minute."""

SLOW_S = 3.0
"""After that a person is told why a first contact takes its time."""

FIRST_CONTACT_S = 40.0
"""What a path over the tailnet may take to be found: ten to thirty seconds were seen over DERP."""

PENDING_S = 0.005
"""A line that does not come about, or fail, at once leaves time to import what will be spoken on it."""

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

        places: how many connections there may be at once; as many as this process may have, up to AT_ONCE. trips: by
        host, the last attempt to reach it.
        """
        self.book = book or AddressBook()
        self.trips: dict[str, Trip] = {}
        self._hosts = hosts
        self._announce = announce
        self._approvals = Approvals()
        self._jumps: Jumps | None = None
        self._known_hosts: dict[Path, str] = {}
        self._identities: dict[Path, bool] = {}
        self._importing: asyncio.Future[object] | None = None
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

            trip = self.trips[host.name] = Trip()
            return await open_local(host, trip)
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
        if not is_tailnet_wanted(host):
            return route_of(host, None, "")
        return route_of(host, await self.book.tailnet(), now())

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
        sighting = self._sighting(route.peer, route.address) if route.peer else None
        trip = self.trips[route.host.name] = Trip()
        began = asyncio.get_running_loop().time()
        first = Handed(await self._first_line(route, tell) if self._may_be_dialled(route) else None)
        # Over a tailnet the first contact has a patience of its own.
        spent_s = 0.0 if route.peer else asyncio.get_running_loop().time() - began
        try:
            from saturn_orchestrator.session.ssh import open_ssh

            async with self._through().dial(route, tell) as again:
                session = await open_ssh(route, self._approvals, first.before(again), tell, trip, sighting, spent_s)
        finally:
            first.close()
        if sighting:
            sighting.note_presence()
        return session

    async def _first_line(self, route: Route, tell: Tell) -> socket.socket:
        """The line to a host, before asyncssh is there; that is imported while the far side is waited for.

        Raises:
            SessionError: there is none.
        """
        loop = asyncio.get_running_loop()
        timer = loop.call_later(PENDING_S, self._import_ssh)
        try:
            async with Patience(route.host.ssh.connect_timeout_s, tell) as told:
                line = await self._dialled(route, told)
        except OSError as error:
            raise spent(error) or unreached(error, route, (route.note,) if route.note else ()) from error
        finally:
            timer.cancel()
        if self._importing:
            await asyncio.wait((self._importing,))
        return line

    def _may_be_dialled(self, route: Route) -> bool:
        """Whether nothing but the line is known to be missing; what is wrong with the keys is told in session.ssh.

        Whoever has no key on file is not dialled, unless the host is away, when that is no matter.
        """
        ssh = route.host.ssh
        if route.peer and not route.peer.is_online:
            return not ssh.jump
        if ssh.jump or route.is_tailscale_ssh:  # the tailnet's keys are read by asyncssh
            return False
        if ssh.identity_file and not self._is_there(ssh.identity_file):
            return False
        try:
            if ssh.known_hosts not in self._known_hosts:
                self._known_hosts[ssh.known_hosts] = known_hosts.text_of(content(ssh.known_hosts))
            found = known_hosts.known(self._known_hosts[ssh.known_hosts], route.names, ssh.port)
        except (ValueError, OSError):
            return False
        return bool(found.keys or found.authorities)

    def _is_there(self, identity: Path) -> bool:
        if identity not in self._identities:
            self._identities[identity] = identity.exists()
        return self._identities[identity]

    def _import_ssh(self) -> None:
        if self._importing is None:
            loop = asyncio.get_running_loop()
            self._importing = loop.run_in_executor(None, import_module, "saturn_orchestrator.session.ssh")

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
        async def dialled(tell: Tell) -> socket.socket:
            return await self._dialled(route, tell)

        return dialled

    async def _dialled(self, route: Route, tell: Tell) -> socket.socket:
        if route.peer is None:
            return await connected(route.address, route.host.ssh.port)
        if not route.peer.is_online:
            return await self._probed(route, route.peer, tell)
        return await self._patiently(route, route.peer, tell)

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
        return await connected(route.address, route.host.ssh.port)

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


class Handed:
    """A line that stands already, until somebody has it."""

    def __init__(self, line: socket.socket | None) -> None:
        """line: None when none stands."""
        self._line = line

    def before(self, again: Dial) -> Dial:
        """A Dial that hands it out, and dials again when another one is wanted."""

        async def dial(tell: Tell) -> Line:
            line, self._line = self._line, None
            return line or await again(tell)

        return dial

    def close(self) -> None:
        """Hang up, unless somebody has it."""
        if self._line:
            self._line.close()
