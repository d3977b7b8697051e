"""One host from all that is written about it: where defaults, host entry and host.yaml are merged. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from saturn_orchestrator.topology.model import Host, HostEntry, Section, Service, Ssh

S = TypeVar("S", bound=Section)


def laid_over(base: S, over: Section) -> S:
    """base, with every key that the file behind `over` writes. Sections are merged, lists are replaced."""
    written = {key: getattr(over, key) for key in over.model_fields_set}
    merged = {
        key: laid_over(getattr(base, key), value) if isinstance(value, Section) else value
        for key, value in written.items()
    }
    return base.model_copy(update=merged)


def resolved(name: str, merged: HostEntry, services: tuple[Service, ...], folder: Path) -> Host:
    """The host; its paths made absolute (relative ones start at folder, the repository root) and `{root}` filled."""
    keys = {
        **dict(merged),
        "address": merged.address or name,
        "services": services,
        "ssh": _anchored(merged.ssh, folder),
        "git": merged.git.model_copy(update={"path": merged.git.path.replace("{root}", merged.root)}),
    }
    return Host(name=name, **keys)


def _anchored(ssh: Ssh, folder: Path) -> Ssh:
    identity_file = ssh.identity_file and folder / _expanded(ssh.identity_file)
    return ssh.model_copy(update={"identity_file": identity_file, "known_hosts": folder / _expanded(ssh.known_hosts)})


def _expanded(path: Path) -> Path:
    """The path with `~` expanded. Where there is no such home it stays, and opening it will say so."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
