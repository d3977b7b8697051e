"""Reading the times that events carry.

Two clocks meet here, the node's and SATURN's, and a node can send anything: nothing may raise on a wrong time.
"""

from __future__ import annotations

from datetime import tzinfo

from saturn_orchestrator.ages import moment, seconds_between
from saturn_orchestrator.state.model import HostState, RunState


def local_time(at: str, zone: tzinfo | None = None) -> str:
    """`HH:MM:SS` in the zone (None: this machine's), or dashes of the same width."""
    parsed = moment(at)
    try:
        return parsed.astimezone(zone).strftime("%H:%M:%S") if parsed else "--:--:--"
    except (OverflowError, ValueError):  # year 1 and year 9999 leave the calendar on their way to another zone
        return "--:--:--"


def host_duration_s(host: HostState) -> float | None:
    """How long the host took, from its confirmation to its end; None while it is not over.

    The node's own measure comes first: its clock may be hours away from SATURN's.
    """
    if host.duration_s is not None:
        return host.duration_s
    return seconds_between(host.started_at, host.finished_at)


def run_duration_s(run: RunState) -> float | None:
    """How long the run took, from its beginning to the end of its last host."""
    hosts = [host for host in run.hosts.values() if host.started_at]
    start = run.started_at or min((host.started_at for host in hosts), default="")
    ends = [(seconds_between(start, host.started_at), host_duration_s(host)) for host in hosts]
    return max((before + taken for before, taken in ends if before is not None and taken is not None), default=None)
