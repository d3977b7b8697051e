"""One host from all that is written about it: where defaults, host entry and host.yaml are merged. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from saturn_orchestrator.records import replace
from saturn_orchestrator.topology import entries, model
from saturn_orchestrator.topology.model import Host, Service, Ssh

S = TypeVar("S", bound=entries.Section)

_RESOLVED: dict[type, type] = {
    getattr(entries, kind.__name__): kind
    for kind in (
        model.Ssh, model.Git, model.Compose, model.Ingress, model.Healthcheck, model.Backup, model.Secrets,
        model.Layout, model.Rollout, model.Waiver, model.Policy, model.Hooks, model.Target, model.Notify,
    )
}  # fmt: skip
"""What becomes of each section: the value of the same name."""


def laid_over(base: S, over: entries.Section) -> S:
    """base, with every key that the file behind `over` writes. Sections are merged, lists are replaced."""
    written = {key: getattr(over, key) for key in over.model_fields_set}
    merged = {
        key: laid_over(getattr(base, key), value) if isinstance(value, entries.Section) else value
        for key, value in written.items()
    }
    return base.model_copy(update=merged)


def section(written: Any) -> Any:
    """A section, and the sections within it, as values of the model; anything else as it is."""
    if isinstance(written, tuple):
        return tuple(map(section, written))
    if not isinstance(written, entries.Section):
        return written
    return _RESOLVED[type(written)](**keys(written))


def keys(written: entries.Section) -> dict[str, Any]:
    """What stands in a section, or is so unless it is written, by its keys."""
    return {key: section(value) for key, value in written}


def resolved(name: str, merged: entries.HostEntry, services: tuple[Service, ...], folder: Path) -> Host:
    """The host; its paths made absolute (relative ones start at folder, the repository root) and `{root}` filled."""
    said = keys(merged)
    git = replace(said["git"], path=said["git"].path.replace("{root}", merged.root))
    own = {"address": merged.address or name, "services": services, "ssh": _anchored(said["ssh"], folder), "git": git}
    return Host(name=name, **{**said, **own})


def _anchored(ssh: Ssh, folder: Path) -> Ssh:
    identity_file = ssh.identity_file and folder / _expanded(ssh.identity_file)
    return replace(ssh, identity_file=identity_file, known_hosts=folder / _expanded(ssh.known_hosts))


def _expanded(path: Path) -> Path:
    """The path with `~` expanded. Where there is no such home it stays, and opening it will say so."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path
