"""A line to a host before anybody speaks SSH on it: TCP by asyncio alone, and what it means that there is none."""

from __future__ import annotations

import asyncio
import shlex
import socket
from collections.abc import Sequence

from saturn_orchestrator.errors import Unreachable
from saturn_orchestrator.events import neutral
from saturn_orchestrator.session.route import Route

MAX_WORDS = 300
"""Characters of what a system or a server says that an error repeats."""


async def connected(address: str, port: int) -> socket.socket:
    """The line to the first address that answers. Raises OSError."""
    failures: list[OSError] = []
    for family, where in await _places(address, port):
        line = socket.socket(family, socket.SOCK_STREAM)
        line.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(line, where)
        except OSError as error:
            line.close()
            failures.append(error)
        except BaseException:
            line.close()
            raise
        else:
            return line
    if len({str(each) for each in failures}) == 1:
        raise failures[0]
    raise OSError(f"Multiple exceptions: {', '.join(map(str, failures))}")


async def _places(address: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    """What an address or a name means; a bare address is not looked up, which would take a thread."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return [(family, (address, port))]
    found = await asyncio.get_running_loop().getaddrinfo(address, port, type=socket.SOCK_STREAM)
    return [(family, where) for family, _, _, _, where in found]


def unreached(error: OSError, route: Route, notes: Sequence[str] = ()) -> Unreachable:
    """Why there is no line to a host, or none any more. notes: what is known beside it."""
    host = route.host
    if isinstance(error, TimeoutError):
        ping = f"{'tailscale ' if route.peer else ''}ping {shlex.quote(route.address)}"
        return Unreachable(
            f"{route.where} did not answer within {host.ssh.connect_timeout_s:g} s",
            notes=notes,
            hint=f"is it powered and online? try: {by_hand(route) if host.ssh.jump else ping}",
        )
    if isinstance(error, socket.gaierror):
        hint = "mend its address in the topology, or DNS"
        return Unreachable(f"the name {host.address} does not resolve", notes=notes, hint=hint)
    if isinstance(error, ConnectionRefusedError):
        hint = "is sshd running there, on that port?"
        return Unreachable(f"{route.where} refused the connection", notes=notes, hint=hint)
    words = neutral(str(error))[:MAX_WORDS]
    if isinstance(error, ConnectionError):
        return Unreachable(f"{route.where} closed the connection: {words}", notes=notes)
    return Unreachable(f"{route.where} cannot be reached: {words}", notes=notes)


def by_hand(route: Route) -> str:
    """The command by which a person logs in there."""
    ssh = route.host.ssh
    through = ("-J", ssh.jump) if ssh.jump else ()
    return shlex.join(("ssh", *through, "-p", str(ssh.port), f"{ssh.user}@{route.address}"))
