"""Why SATURN has no tailnet to speak of, told apart in words, with the next command. Pure."""

from __future__ import annotations

from saturn_orchestrator.ages import seconds_between, span_text
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.tailnet.model import RUNNING, Peer, Tailnet

WARN_S = 7 * 86400
"""How long before a key expires a person is told: a machine nobody can log in to is far away by then."""


@dataclass(frozen=True)
class Trouble:
    """A stable code, a sentence about SATURN, and the next command to type."""

    code: str
    message: str
    hint: str


NOT_INSTALLED = Trouble(
    "tailscale_missing",
    "tailscale is not installed on SATURN",
    "install it (https://tailscale.com/download), then: sudo tailscale up",
)
NOT_RUNNING = Trouble(
    "tailscaled_down",
    "tailscaled does not run on SATURN",
    "sudo systemctl start tailscaled   # on macOS: open the Tailscale app",
)
UNREADABLE = Trouble(
    "tailscale_unreadable",
    "tailscale on SATURN did not answer with a status that can be read",
    "what does it say? tailscale status --json",
)

_STATES = {
    "NeedsLogin": Trouble("tailnet_needs_login", "SATURN is not logged in to its tailnet", "sudo tailscale up"),
    "NeedsMachineAuth": Trouble(
        "tailnet_needs_approval",
        "SATURN waits for an administrator of the tailnet to approve it",
        "approve it under Machines in the admin console, then: tailscale status",
    ),
    "Stopped": Trouble("tailnet_stopped", "tailscale is switched off on SATURN", "sudo tailscale up"),
    "InUseOtherUser": Trouble(
        "tailnet_other_user",
        "tailscale on SATURN is in use by another user of this machine",
        "log that user out of tailscale, then: sudo tailscale up",
    ),
}


def trouble_of(tailnet: Tailnet, now: str) -> Trouble | None:
    """What keeps SATURN off its tailnet; None when it is part of one."""
    own = tailnet.own
    if own and (own.is_expired or _left_s(own, now) == 0):
        return Trouble(
            "tailnet_key_expired",
            "SATURN's key for its tailnet has expired",
            "sudo tailscale up --force-reauth",
        )
    if tailnet.state == RUNNING:
        return None
    if tailnet.is_starting:
        reason = next((words for words in tailnet.health if "starting" not in words), "")
        message = f"tailscale on SATURN is only starting{f'; it says: {reason}' if reason else ''}"
        return Trouble("tailnet_starting", message, "wait a moment, then: tailscale status")
    known = _STATES.get(tailnet.state)
    if known and tailnet.login_url.startswith(("https://", "http://")):
        return Trouble(known.code, known.message, f"{known.hint}   # or open {tailnet.login_url}")
    return known or UNREADABLE


def usable(known: Tailnet | Trouble, now: str) -> Tailnet | Trouble:
    """The tailnet that SATURN is part of, or why it is part of none. known: what tailscaled said."""
    return known if isinstance(known, Trouble) else trouble_of(known, now) or known


def expiry_warning(peer: Peer, now: str) -> str:
    """`its tailnet key expires in 3 days`, while that is near; "" otherwise."""
    left_s = _left_s(peer, now)
    if peer.is_expired or left_s == 0:
        return "its tailnet key has expired"
    return f"its tailnet key expires in {span_text(left_s)}" if left_s is not None and left_s <= WARN_S else ""


def _left_s(peer: Peer, now: str) -> float | None:
    """Seconds until the key expires, 0 when it has; None when it never does."""
    if not peer.key_expiry:
        return None
    return seconds_between(now, peer.key_expiry) or 0
