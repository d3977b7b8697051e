"""Machines that hosts outside the tailnet are reached through: one connection to each, shared by all behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import asyncssh

from saturn_orchestrator.errors import HostKeyRejected, SessionError
from saturn_orchestrator.events import OwnEvent, SessionWaiting
from saturn_orchestrator.records import replace
from saturn_orchestrator.session.approval import Approvals
from saturn_orchestrator.session.base import Patience, Tell
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.flight import Line
from saturn_orchestrator.session.ssh.keys import keyscan
from saturn_orchestrator.session.ssh.opening import Dial, Login
from saturn_orchestrator.session.trip import Trip
from saturn_orchestrator.topology.model import Host, Ssh

AT_ONCE = 8
"""New connections through one machine at the same time; sshd begins to refuse at ten (MaxStartups)."""


_Way = tuple[str, Ssh]
"""A machine, and how it is logged in to: two that go there as different users share nothing."""


class Shared:
    """A connection that is being made for several hosts: what it waits for is told to all of them."""

    def __init__(self, connect: Callable[[Tell], Awaitable[asyncssh.SSHClientConnection]], machine: str) -> None:
        """machine: by whose name it is told."""
        self._machine = machine
        self._listeners: list[Tell] = []
        self._said: SessionWaiting | None = None
        self.task: asyncio.Task[asyncssh.SSHClientConnection] = asyncio.ensure_future(connect(self._tell))

    @property
    def is_gone(self) -> bool:
        """Whether it came to nothing, or broke since."""
        task = self.task
        return task.done() and (task.cancelled() or bool(task.exception()) or task.result().is_closed())

    async def connection(self, tell: Tell) -> asyncssh.SSHClientConnection:
        """The connection, once it stands. A host that is given up does not take it from the others.

        Raises:
            SessionError: there is none.
        """
        self._listeners.append(tell)
        try:
            if self._said and not self.task.done():
                tell(self._said)
            return await asyncio.shield(self.task)
        finally:
            self._listeners.remove(tell)

    def _tell(self, event: OwnEvent) -> None:
        if isinstance(event, SessionWaiting):
            self._said = replace(event, message=f"{self._machine}: {event.message}")
            for listener in tuple(self._listeners):
                listener(self._said)


class Jumps:
    """The connections of one command."""

    def __init__(
        self,
        hosts: Mapping[str, Host],
        route: Callable[[Host], Awaitable[Route]],
        dial: Callable[[Route], Dial],
        approvals: Approvals,
    ) -> None:
        """hosts: of the topology, which a jump may name. route, dial: how the machine itself is reached."""
        self._hosts = hosts
        self._route = route
        self._dial = dial
        self._approvals = approvals
        self._standing: dict[_Way, Shared] = {}
        self._room: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def dial(self, route: Route, tell: Tell) -> AsyncIterator[Dial]:
        """How a host is dialled, while the block lasts: through the machine that its `ssh.jump` means, or directly.

        Raises:
            SessionError: see `line`.
        """
        if not route.host.ssh.jump:
            yield self._dial(route)
            return
        async with self.line(route.host, tell) as connection:

            async def stands(_: Tell) -> Line:
                return connection

            yield stands

    @asynccontextmanager
    async def line(self, host: Host, tell: Tell) -> AsyncIterator[asyncssh.SSHClientConnection]:
        """The connection to go through, with room for one more beginning while the block lasts.

        Raises:
            SessionError: the machine cannot be reached, or the way leads in a circle.
        """
        machine = jump_host(host, self._hosts)
        _check_way(host, self._hosts)
        async with self._room.setdefault(machine.name, asyncio.Semaphore(AT_ONCE)):
            yield await self._connection(machine, host, tell)

    async def close(self) -> None:
        """Hang up."""
        tasks = [shared.task for shared in self._standing.values()]
        for task in tasks:
            task.cancel()
        for made in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(made, asyncssh.SSHClientConnection):
                made.abort()
                await made.wait_closed()
        self._standing.clear()

    async def _connection(self, machine: Host, host: Host, tell: Tell) -> asyncssh.SSHClientConnection:
        way = machine.name, machine.ssh
        shared = self._standing.get(way)
        if shared is None or shared.is_gone:
            shared = self._standing[way] = Shared(lambda told: self._connected(machine, told), machine.name)
        try:
            return await shared.connection(tell)
        except SessionError as error:
            raise _through(error, machine, host, is_host=machine.name in self._hosts) from error

    async def _connected(self, machine: Host, tell: Tell) -> asyncssh.SSHClientConnection:
        route = await self._route(machine)
        async with self.dial(route, tell) as dial:
            login = Login(route, self._approvals, dial, Trip())
            try:
                async with Patience(machine.ssh.connect_timeout_s, tell) as told:
                    return await login.connection(told)
            except (OSError, asyncssh.Error) as error:
                raise login.failure(error) from error


def jump_host(host: Host, hosts: Mapping[str, Host]) -> Host:
    """The machine that a host's `ssh.jump` means: a host of the topology, or `[user@]address[:port]`.

    An address is known by the same known_hosts, and logged in to with the same identity, as the host behind it.
    """
    user, address, port = _parts(host.ssh.jump or "")
    base = hosts.get(address) or replace(
        host, name=address, address=address, transport="auto", ssh=replace(host.ssh, jump=None, port=22)
    )
    return replace(base, ssh=replace(base.ssh, user=user or base.ssh.user, port=port or base.ssh.port))


def _parts(written: str) -> tuple[str, str, int]:
    """User, address and port; "" and 0 where they are not written. An IPv6 address with a port stands in brackets."""
    user, _, place = written.rpartition("@")
    head, _, tail = place.rpartition(":")
    has_port = tail.isascii() and tail.isdigit() and head and (":" not in head or head.startswith("["))
    address = head if has_port else place
    return user, address.removeprefix("[").removesuffix("]"), int(tail) if has_port else 0


def _check_way(host: Host, hosts: Mapping[str, Host]) -> None:
    seen = [host.name]
    while host.ssh.jump:
        host = jump_host(host, hosts)
        if host.name in seen:
            raise SessionError(
                f"the way to {seen[0]} leads in a circle: {' -> '.join((*seen, host.name))}",
                code="jump_circle",
                hint="mend ssh.jump in the topology",
            )
        seen.append(host.name)


def _through(error: SessionError, machine: Host, host: Host, *, is_host: bool) -> SessionError:
    """The same failure, of the host behind the machine. is_host: whether `saturn trust` knows the machine, too."""
    hint = error.hint
    if isinstance(error, HostKeyRejected) and error.code != "host_key_revoked" and not is_host:
        hint = f"{keyscan(machine)}   # compare the fingerprint, and put the line into {machine.ssh.known_hosts}"
    return type(error)(
        f"{host.name} is reached through {machine.name}, and {error.message}",
        code=error.code, place=error.place, notes=error.notes, hint=hint,
    )  # fmt: skip
