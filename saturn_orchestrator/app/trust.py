"""`saturn trust`: the one place where a host key is ever accepted. A person looked at it, or named its fingerprint."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from saturn_orchestrator import files
from saturn_orchestrator.errors import HostKeyRejected, UsageError
from saturn_orchestrator.session import known_hosts
from saturn_orchestrator.session.base import Offer, Scan, nobody
from saturn_orchestrator.session.introduction import Introduction, Outcome, Standing, Trusted
from saturn_orchestrator.session.known_hosts import Key, Known
from saturn_orchestrator.topology.model import Host

Ask = Callable[[Introduction], Awaitable[bool]]
"""Shows a person the keys; whether they accept the one to pin."""


async def trust(host: Host, scan: Scan, ask: Ask | None, fingerprint: str = "") -> Trusted:
    """Pin the key that the host shows, or put it in the place of another, if a person says so.

    ask: None when nobody can be asked. fingerprint: `SHA256:…` of the key that it must have; nobody is asked then.

    Raises:
        SessionError: the host cannot be reached, shows a revoked key, or does not show the one that was named.
        UsageError: nobody can be asked, or the file cannot be written.
    """
    found = await introduced(host, scan, fingerprint)
    if not found.needs_pin:
        return Trusted(found, Outcome.NOTHING)
    if not fingerprint:
        if ask is None:
            raise _nobody_to_ask(host)
        if not await ask(found):
            return Trusted(found, Outcome.DECLINED)
    _pin(found)
    return Trusted(found, Outcome.REPLACED if found.known.keys else Outcome.PINNED)


async def introduced(host: Host, scan: Scan, fingerprint: str = "") -> Introduction:
    """What the host shows, beside what is known of it; nothing is written.

    Raises:
        SessionError: see `trust`.
    """
    offer = await scan(host, nobody)
    if offer is None:
        return Introduction(host, Standing.LOCAL)
    if fingerprint and fingerprint not in {key.fingerprint for key in offer.keys}:
        raise HostKeyRejected(
            f"{offer.where} does not offer the key {fingerprint}",
            code="fingerprint_not_offered",
            notes=_listed(offer.keys),
            hint="nothing was written; compare with the host's own console",
        )
    if offer.told:
        return _by_the_tailnet(host, offer)
    before, known = _on_file(host, offer)
    _refuse_revoked(host, offer, known)
    key = next((key for key in offer.keys if key.fingerprint == fingerprint), offer.keys[0])
    return Introduction(host, _standing(offer, known, key, fingerprint), offer, key, known, before)


def _by_the_tailnet(host: Host, offer: Offer) -> Introduction:
    if not set(offer.keys) & set(offer.told):
        raise HostKeyRejected(
            f"{offer.where} offers other host keys than the tailnet tells",
            place="the tailnet",
            notes=(*_listed(offer.told, "tailnet: "), *_listed(offer.keys, "shown:   ")),
            hint="does another sshd answer there? A pin would not count: the tailnet's word is final",
        )
    return Introduction(host, Standing.TAILNET, offer)


def _on_file(host: Host, offer: Offer) -> tuple[files.Content, Known]:
    file = host.ssh.known_hosts
    try:
        before = files.content(file)
        return before, known_hosts.known(known_hosts.text_of(before), offer.names, host.ssh.port)
    except (ValueError, OSError) as error:
        raise HostKeyRejected(f"{file} cannot be read: {error}", code="known_hosts_unreadable") from error


def _refuse_revoked(host: Host, offer: Offer, known: Known) -> None:
    revoked = {entry.key for entry in known.revoked} & set(offer.keys)
    if revoked:
        raise HostKeyRejected(
            f"{offer.where} offers a host key that is revoked",
            code="host_key_revoked",
            place=str(host.ssh.known_hosts),
            notes=_listed(tuple(revoked)),
            hint="do not log in there: whoever holds a revoked key may be an impostor",
        )


def _standing(offer: Offer, known: Known, key: Key, fingerprint: str) -> Standing:
    """Pinned: a key on file is offered, and none on file is another one than that offered of its kind."""
    on_file = {entry.key for entry in known.keys}
    if not on_file:
        return Standing.NEW
    kinds = {each.kind for each in offer.keys}
    strays = {each for each in on_file - set(offer.keys) if each.kind in kinds}
    is_known = key in on_file if fingerprint else bool(on_file & set(offer.keys))
    return Standing.PINNED if is_known and not strays else Standing.CHANGED


def _pin(found: Introduction) -> None:
    assert found.offer
    assert found.key
    file = found.host.ssh.known_hosts
    text = known_hosts.text_of(found.before)
    try:
        after = known_hosts.pinned(text, found.offer.names, found.host.ssh.port, found.key)
    except ValueError as error:
        raise UsageError(
            f"{file}: {error}", code="known_hosts_pattern", hint="take the host out of that line by hand, then again"
        ) from error
    files.write(file, known_hosts.data_of(after), over=found.before)


def _listed(keys: tuple[Key, ...], label: str = "") -> tuple[str, ...]:
    return tuple(f"{label}{key.named}" for key in keys)


def _nobody_to_ask(host: Host) -> UsageError:
    return UsageError(
        f"the key of {host.name} must be accepted by a person, and there is no terminal",
        code="no_terminal",
        hint=f"saturn trust {host.name} --fingerprint SHA256:…   # as the host's own console tells it",
    )
