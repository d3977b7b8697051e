"""The next command to type for a host that did not succeed, and where its trouble lies. Pure words, no drawing."""

from __future__ import annotations

from saturn_orchestrator.state.model import HostState, Status

BACKUP, RESTORE = "backup", "restore"
"""What a run does that deploys nothing, and its one stage."""


def next_command(host: HostState) -> str:
    """What a person should type about this host; "" when it succeeded. A hint that came with the error goes first."""
    if host.status.is_success:
        return ""
    if host.status is Status.DEFERRED:
        return f"saturn catch-up --hosts {host.host}   # once it is back; or leave that to a timer"
    if host.status is Status.ROLLED_BACK:  # what failed is gone, so there is nothing to resume
        return f"saturn deploy --hosts {host.host}   # once it is mended"
    task = host.task or host.stage
    if host.status is Status.LOST and task in {BACKUP, RESTORE}:
        return f"saturn backup list --hosts {host.host}"
    if host.error and host.error.hint:
        return host.error.hint
    if host.left and host.left.hint:
        return host.left.hint
    if host.status is Status.UNREACHABLE:
        return f"saturn doctor --hosts {host.host}"
    if host.status in {Status.RUNNING, Status.CONFIRMED}:
        return f"saturn attach --hosts {host.host}"
    if task in {BACKUP, RESTORE}:
        return f"saturn backup{' list' if task == RESTORE else ''} --hosts {host.host}"
    return f"saturn deploy --hosts {host.host}{' --resume' if host.is_resumable else ''}"


def place(host: HostState) -> str:
    """`chelsty, verify, zigbee2mqtt`: host, stage and service of its error, as far as they are known."""
    parts = (host.host, host.error.stage, host.error.service) if host.error else (host.host, host.stage)
    return ", ".join(part for part in parts if part)
