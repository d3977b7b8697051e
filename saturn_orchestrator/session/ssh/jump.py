"""Machines that hosts outside the tailnet are reached through: one connection to each, shared by all behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import asyncssh

from saturn_orchestrator.errors import SessionError
from saturn_orchestrator.session.approval import Approvals
from saturn_orchestrator.session.base import Tell, patient
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.opening import Dial, Login
from saturn_orchestrator.topology.model import Host

AT_ONCE = 8
"""New connections through one machine at the same time; sshd begins to refuse at ten (MaxStartups)."""


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
        self._standing: dict[str, asyncio.Task[asyncssh.SSHClientConnection]] = {}
        self._room: dict[str, asyncio.Semaphore] = {}

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
        for task in self._standing.values():
            if task.done() and not task.cancelled() and not task.exception():
                task.result().abort()
            else:
                task.cancel()
        await asyncio.gather(*self._standing.values(), return_exceptions=True)
        self._standing.clear()

    async def _connection(self, machine: Host, host: Host, tell: Tell) -> asyncssh.SSHClientConnection:
        task = self._standing.get(machine.name)
        if task is None or _is_gone(task):
            task = self._standing[machine.name] = asyncio.create_task(self._connected(machine, tell))
        try:
            # A host that is given up must not take the connection from the others.
            return await asyncio.shield(task)
        except SessionError as error:
            raise _through(error, machine, host) from error

    async def _connected(self, machine: Host, tell: Tell) -> asyncssh.SSHClientConnection:
        route = await self._route(machine)
        login = Login(route, self._approvals, self._dial(route))
        try:
            async with patient(machine.ssh.connect_timeout_s, tell) as told:
                return await login.connection(told)
        except (OSError, asyncssh.Error) as error:
            raise login.failure(error) from error


def jump_host(host: Host, hosts: Mapping[str, Host]) -> Host:
    """The machine that a host's `ssh.jump` means: a host of the topology, or `[user@]address[:port]`.

    An address is known by the same known_hosts, and logged in to with the same identity, as the host behind it.
    """
    user, address, port = _parts(host.ssh.jump or "")
    base = hosts.get(address) or host.model_copy(
        update={
            "name": address,
            "address": address,
            "transport": "auto",
            "ssh": host.ssh.model_copy(update={"jump": None, "port": 22}),
        }
    )
    said = {key: value for key, value in (("user", user), ("port", port)) if value}
    return base.model_copy(update={"ssh": base.ssh.model_copy(update=said)})


def _parts(written: str) -> tuple[str, str, int]:
    """User, address and port; "" and 0 where they are not written. An IPv6 address with a port stands in brackets."""
    user, _, place = written.rpartition("@")
    head, _, tail = place.rpartition(":")
    has_port = tail.isdigit() and head and (":" not in head or head.startswith("["))
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


def _is_gone(task: asyncio.Task[asyncssh.SSHClientConnection]) -> bool:
    return task.done() and (task.cancelled() or bool(task.exception()) or task.result().is_closed())


def _through(error: SessionError, machine: Host, host: Host) -> SessionError:
    """The same failure, of the host behind the machine."""
    return type(error)(
        f"{host.name} is reached through {machine.name}, and {error.message}",
        code=error.code, place=error.place, notes=error.notes, hint=error.hint,
    )  # fmt: skip
