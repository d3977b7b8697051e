"""A host's keys as a person compares them, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from saturn_orchestrator.report.documents import VERSION
from saturn_orchestrator.report.style import look, unbroken, verbatim
from saturn_orchestrator.report.text import Group, Text
from saturn_orchestrator.session.introduction import Introduction, Outcome, Standing, Trusted
from saturn_orchestrator.session.known_hosts import Key

_CONSOLE = "ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub"
_SETTLED = {
    Standing.LOCAL: "{host} is this machine itself: no SSH, no key",
    Standing.TAILNET: "{host} is known by the tailnet, and offers a key that it tells: there is nothing to pin",
    Standing.PINNED: "{host} is known by the key that it offers; nothing to do",
}
_OUTCOMES = {
    Outcome.PINNED: "pinned the key of {host} in {file}; commit it",
    Outcome.REPLACED: "replaced the key of {host} in {file}; commit it, and tell the other admins",
    Outcome.DECLINED: "declined: nothing was written",
}


def introduction_text(found: Introduction) -> Group:
    """What a person compares before they answer: the key to pin, the one it would replace, and how to be sure."""
    return Group(*_lines(found))


def _lines(found: Introduction) -> Iterator[Text]:
    offer, key = found.offer, found.key
    assert offer
    assert key
    yield verbatim(found.host.name, "bold").append_text(verbatim(f"  {offer.where}"))
    if found.standing is Standing.CHANGED:
        yield unbroken("  ! THE HOST KEY HAS CHANGED since it was pinned", look("error").style)
        for entry in found.known.keys:
            yield unbroken(f"  - was    {entry.key.named}  (line {entry.number + 1})", look("remove").style)
    yield unbroken(f"  + shows  {key.named}", look("create").style)
    for other in offer.keys:
        if other != key:
            yield unbroken(f"  · also   {other.named}  (not pinned)", "dim")
    for entry in found.known.authorities:
        yield unbroken(f"  · an authority on line {entry.number + 1} may vouch for it: {entry.key.named}")
    kind = key.kind.removeprefix("ssh-").split("-")[0]
    yield unbroken(f"  · compare on the host's own console: {_CONSOLE.format(kind=kind)}")
    if found.standing is Standing.CHANGED:
        yield unbroken(
            "  ! if nobody installed it anew, an impostor may answer: say no, and find out", look("error").style
        )


def trusted_text(done: Trusted) -> Text:
    """What came of it, in a line."""
    found = done.introduction
    words = _SETTLED.get(found.standing) or _OUTCOMES[done.outcome]
    line = unbroken(words.format(host=found.host.name, file=found.host.ssh.known_hosts) + ".")
    shown = _shown(found)
    return line.append_text(Text(f"\n  {shown.named}")) if shown and done.outcome is not Outcome.DECLINED else line


def trust_document(done: Trusted) -> dict[str, Any]:
    """What `trust --json` prints."""
    found = done.introduction
    shown = _shown(found)
    return {
        "version": VERSION,
        "host": found.host.name,
        "standing": found.standing.value,
        "outcome": done.outcome.value,
        "key": _document(shown) if shown else None,
        "offered": [_document(key) for key in found.offer.keys] if found.offer else [],
        "before": [_document(entry.key) for entry in found.known.keys],
        "file": str(found.host.ssh.known_hosts) if found.key else None,
    }


def _shown(found: Introduction) -> Key | None:
    """The key that it is known by now, or would be."""
    if found.key or not found.offer:
        return found.key
    return next(key for key in found.offer.keys if key in found.offer.told)


def _document(key: Key) -> dict[str, str]:
    return {"type": key.kind, "fingerprint": key.fingerprint}
