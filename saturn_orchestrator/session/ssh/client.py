"""What a server says before it lets anybody in: its key, and banners, by which Tailscale SSH asks and denies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import asyncssh

from saturn_orchestrator.events import SessionWaiting, neutral, now
from saturn_orchestrator.session.approval import Approvals, Turn
from saturn_orchestrator.session.base import Tell
from saturn_orchestrator.session.route import Route
from saturn_orchestrator.session.ssh.channel import TAIL
from saturn_orchestrator.session.ssh.keys import fingerprint
from saturn_orchestrator.session.trip import Trip

APPROVAL_S = 1800.0
"""How long Tailscale SSH waits for an approval: clientAuth in ssh/tailssh/tailssh.go."""

EXCHANGE_SHARE = 0.5
"""The part of a host's patience after which a key exchange that has begun counts as stalled."""

_ASKS = re.compile(r"To authenticate, visit:\s*(https?://[!-~]{1,500})", re.IGNORECASE)
_DENIES = re.compile(
    r"^tailscale: |policy does not permit|access denied|failed to look up local user|failed to evaluate"
    r"|check mode unavailable",
    re.IGNORECASE | re.MULTILINE,
)


class Client(asyncssh.SSHClient):
    """Remembers what was shown and said. It accepts no key that is not known already."""

    def __init__(self, route: Route, tell: Tell, approvals: Approvals, turn: Turn | None, trip: Trip) -> None:
        """turn: the login's, where Tailscale SSH may ask for an approval."""
        self._trip = trip
        self._route = route
        self._tell = tell
        self._approvals = approvals
        self._turn = turn
        self._connection: asyncssh.SSHClientConnection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.shown = ""
        self.banner = ""
        self.is_asked = False
        self.is_stalled = False
        self.is_let_in = False
        self.is_lost = False

    @property
    def is_denied(self) -> bool:
        """Whether the last word was that the tailnet's policy does not let us in."""
        return bool(_DENIES.search(self.banner)) and self.is_of_tailscale

    @property
    def is_of_tailscale(self) -> bool:
        """Whether tailscaled is the server."""
        return "Tailscale" in self._extra("server_version")

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        """asyncssh: the line stands, and nothing was said on it."""
        self._connection = conn
        self._trip.reach("dial")
        if self._turn:
            self._turn.abort = conn.abort
        patience_s = self._route.host.ssh.connect_timeout_s * EXCHANGE_SHARE
        self._timer = asyncio.get_running_loop().call_later(patience_s, self._look_at_exchange, conn.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """asyncssh: the line is gone."""
        self.is_lost = True
        if self._timer:
            self._timer.cancel()

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        """Never accepts: only notes the fingerprint for the error."""
        self.shown = fingerprint(key)
        return False

    def auth_banner_received(self, msg: str, lang: str) -> None:  # noqa: ARG002
        """Keep what the server says before the login, and pass on what a person must open."""
        self.banner = (self.banner + msg)[-TAIL:]
        found = _ASKS.search(self.banner)
        if found and not self.is_asked:
            self.is_asked = True
            if self._turn:
                self._approvals.asked(self._turn)
            if not (self._turn and self._turn.is_void):
                url = neutral(found[1])
                self._tell(SessionWaiting(now(), "approval", f"needs approval: {url}", url, APPROVAL_S))

    def auth_completed(self) -> None:
        """asyncssh: the login was accepted."""
        self.is_let_in = True
        self._trip.reach("login")

    def _look_at_exchange(self, abort: Callable[[], None]) -> None:
        """A server that introduced itself and then falls silent got small packets through, and no large one."""
        if self._extra("server_version") and not self._extra("send_cipher"):
            self.is_stalled = True
            abort()

    def _extra(self, name: str) -> str:
        return str(self._connection.get_extra_info(name) or "") if self._connection else ""
