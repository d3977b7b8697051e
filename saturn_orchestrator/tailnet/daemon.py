"""Asking tailscaled: over LocalAPI on its unix socket where there is one, else by the command line of tailscale.

Source: ipn/localapi/localapi.go and paths/paths.go of tailscale 1.102. Any local user may ask; nothing here writes.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path as File
from typing import Protocol
from urllib.parse import urlencode

from saturn_orchestrator.events import neutral
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.tailnet.document import path_of_ping, tailnet_of
from saturn_orchestrator.tailnet.model import Path, Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, NOT_RUNNING, UNREADABLE, Trouble

SOCKET_VARIABLE = "SATURN_TAILSCALED_SOCKET"
"""Names the socket of a tailscaled that was started with `--socket`."""

ANSWER_S = 10.0
"""A tailscaled that answers at all does so at once; one that hangs must not hold up hosts that need no tailnet."""

PONG_S = 5.0
"""A ping that is not answered has no answer at all."""

_SOCKETS = (
    ("/var/run/tailscaled.socket",)
    if sys.platform == "darwin"
    else ("/var/run/tailscale/tailscaled.sock", "/var/packages/Tailscale/var/tailscaled.sock")
)
_MAC_PROGRAM = "/Applications/Tailscale.app/Contents/MacOS/Tailscale"
_MAX_ANSWER = 64 * 1024 * 1024
_MAX_HEAD = 8192
_MAX_WORDS = 300
_HOST = "Host: local-tailscaled.sock"


class Tailscaled(Protocol):
    """What SATURN wants of its tailscaled."""

    async def status(self) -> Tailnet | Trouble:
        """The tailnet as it stands now, or why there is nothing to tell."""

    async def ping(self, address: str) -> Path:
        """The path to a peer, found by sending it a packet and waiting for its answer; unknown when none comes."""

    async def dial(self, address: str, port: int) -> socket.socket | None:
        """A connection to a peer through tailscaled; None when the system itself has the route.

        Raises:
            OSError: the peer refused, or did not answer.
        """


@dataclass(frozen=True)
class LocalDaemon:
    """The tailscaled of this machine.

    socket_file: of its LocalAPI; program: its command line; "" for none.
    """

    socket_file: str = ""
    program: str = ""

    @classmethod
    def found(cls, environ: Mapping[str, str] = os.environ) -> LocalDaemon:
        """As it is installed here."""
        import shutil  # takes long to load, and most commands ask no tailnet

        named = environ.get(SOCKET_VARIABLE, "")
        sockets = [each for each in _SOCKETS if _is_socket(each)]
        mac = _MAC_PROGRAM if sys.platform == "darwin" and File(_MAC_PROGRAM).exists() else ""
        program = shutil.which("tailscale", path=environ.get("PATH")) or mac
        return cls(named or (sockets[0] if sockets else ""), program)

    async def status(self) -> Tailnet | Trouble:
        """See Tailscaled.status."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._status()
        except TimeoutError:
            return UNREADABLE

    async def ping(self, address: str) -> Path:
        """See Tailscaled.ping."""
        if not self.socket_file:
            return Path()
        try:
            async with asyncio.timeout(PONG_S):
                return path_of_ping(await self._asked("POST", "ping?" + urlencode({"ip": address, "type": "disco"})))
        except (OSError, ValueError):
            return Path()

    async def dial(self, address: str, port: int) -> socket.socket | None:
        """See Tailscaled.dial."""
        if not self.socket_file:
            raise OSError(f"there is no socket of tailscaled to dial through; {SOCKET_VARIABLE} can name it")
        line = socket.socket(socket.AF_UNIX)
        is_ours = True
        try:
            line.setblocking(False)
            status, head = await _dialled(line, self.socket_file, address, port)
            is_ours = status != 101
        finally:
            if is_ours:
                line.close()
        if status == 101:
            return line
        if "dial-self: true" in head.lower():
            return None
        words = neutral(head.partition("\r\n\r\n")[2].strip())[:_MAX_WORDS] or f"tailscaled answered {status}"
        raise ConnectionRefusedError(words) if "refused" in words else OSError(words)

    async def _status(self) -> Tailnet | Trouble:
        if self.socket_file:
            with suppress(OSError, ValueError):  # the command line may still know, and tells why else
                return tailnet_of(await self._asked("GET", "status"))
        if not self.program:
            return NOT_RUNNING if self.socket_file else NOT_INSTALLED
        return await self._told()

    async def _told(self) -> Tailnet | Trouble:
        """What `tailscale status --json` says: exit 0 in every state, unless tailscaled is not there."""
        of_it = (f"--socket={self.socket_file}",) if self.socket_file else ()
        try:
            process = await asyncio.create_subprocess_exec(
                self.program, *of_it, "status", "--json",
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
        except OSError:
            return NOT_INSTALLED
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and what it started, when it is a script
                await process.wait()
        try:
            return tailnet_of(json.loads(out))
        except (ValueError, RecursionError):
            return NOT_RUNNING if b"tailscaled" in err else UNREADABLE

    async def _asked(self, method: str, path: str) -> object:
        """What LocalAPI answers.

        Raises:
            OSError: nobody listens there, or it does not let us ask.
            ValueError: the answer is no JSON.
        """
        reader, writer = await asyncio.open_unix_connection(self.socket_file)
        try:
            # HTTP/1.0 ends an answer with the connection: no pieces to put together.
            writer.write(f"{method} /localapi/v0/{path} HTTP/1.0\r\n{_HOST}\r\nContent-Length: 0\r\n\r\n".encode())
            answer = b""
            while chunk := await reader.read(1 << 20):
                answer += chunk
                if len(answer) > _MAX_ANSWER:
                    raise ValueError("the answer of tailscaled has no end")
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.split(b" ")[1:2] != [b"200"]:
            raise OSError(neutral(body.decode("utf-8", "replace").strip()))
        try:
            return json.loads(body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _is_socket(file: str) -> bool:
    try:
        return File(file).is_socket()
    except OSError:  # in a folder that nobody else may look into
        return False


async def _dialled(line: socket.socket, file: str, address: str, port: int) -> tuple[int, str]:
    """The status and all that was said, after asking over `line` for a connection that goes on over it."""
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, file)
    asked = (
        "POST /localapi/v0/dial HTTP/1.1", _HOST, "Connection: upgrade", "Upgrade: ts-dial", f"Dial-Host: {address}",
        f"Dial-Port: {port}", "Dial-Network: tcp", "Content-Length: 0",
    )  # fmt: skip
    await loop.sock_sendall(line, "\r\n".join((*asked, "", "")).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n") and len(head) < _MAX_HEAD:
        # One byte at a time: what follows an upgrade is the peer's, and its server speaks first.
        byte = await loop.sock_recv(line, 1)
        if not byte:
            break
        head += byte
    status = head.split(b" ")[1:2]
    known = int(status[0]) if status and status[0].isdigit() else 0
    told = head.decode("utf-8", "replace")
    length = re.search(r"(?im)^content-length: *([0-9]{1,6})\r?$", told)
    if known != 101 and length and int(length[1]):  # the connection stays open, so nothing else ends an answer
        told += (await loop.sock_recv(line, _MAX_HEAD)).decode("utf-8", "replace")
    return known, told
