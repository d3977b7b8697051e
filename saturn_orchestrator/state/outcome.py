"""The judgement over a finished run: outcome word and exit code (documented in docs/reference/exit-codes.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from saturn_orchestrator.records import dataclass
from saturn_orchestrator.state.model import HostState, RunState, Status

EXIT_SUCCESS = 0
EXIT_FAILED = 1
EXIT_INVALID = 2
EXIT_UNREACHABLE = 3
EXIT_ROLLED_BACK = 4
EXIT_LOCKED = 5
EXIT_DECLINED = 6
EXIT_INTERRUPTED = 130

MEANINGS: Mapping[int, str] = {
    EXIT_SUCCESS: "Success: every host is as its plan wanted it; with `--detach`, every node has taken the run.",
    EXIT_FAILED: "A host failed, was blocked by `validate`, or is lost; or a host denied the login or showed another"
    " key.",
    EXIT_INVALID: "The command line, the inventory or the repository is invalid. Nothing was touched.",
    EXIT_UNREACHABLE: "Nobody failed, but a host was unreachable or deferred, or the line to a node at work stayed away"
    " for too long.",
    EXIT_ROLLED_BACK: "A host was rolled back by itself: its run failed, and what the run had touched is as it was"
    " before.",
    EXIT_LOCKED: "The node is locked by another run.",
    EXIT_DECLINED: "A host was declined or skipped, or the run was cancelled.",
    EXIT_INTERRUPTED: "Interrupted: a second Ctrl-C left the nodes to go on by themselves, or Ctrl-C came before"
    " anything had begun.",
}
"""What each exit code says, in the words of docs/reference/exit-codes.md."""

_PRECEDENCE = (EXIT_INTERRUPTED, EXIT_FAILED, EXIT_ROLLED_BACK, EXIT_LOCKED, EXIT_UNREACHABLE, EXIT_DECLINED)
"""When several apply, the first of these is the exit code."""

_LEFT = {"detached": EXIT_SUCCESS, "interrupted": EXIT_INTERRUPTED, "link_lost": EXIT_UNREACHABLE}
"""What a host that was left to itself means; any other reason for leaving is a failure."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended. word: success | partial | failure | declined | cancelled."""

    word: str
    exit_code: int


def outcome(run: RunState) -> Outcome:
    """The outcome of the run, from its hosts alone."""
    hosts = tuple(run.hosts.values())
    return Outcome(_word(hosts), combined(host_exit_code(host) for host in hosts))


def combined(codes: Iterable[int]) -> int:
    """The exit code of several hosts or runs together."""
    given = set(codes)
    return next((code for code in _PRECEDENCE if code in given), EXIT_SUCCESS)


def host_exit_code(host: HostState) -> int:
    """What this host alone would make the exit code. One without an end was left, or its watcher was killed."""
    if host.status.is_success:
        return EXIT_SUCCESS
    if not host.status.is_final:
        return _LEFT.get(host.left.code, EXIT_FAILED) if host.left else EXIT_INTERRUPTED
    if host.error and host.error.code == "locked":
        return EXIT_LOCKED
    return {
        Status.UNREACHABLE: EXIT_UNREACHABLE,
        Status.DEFERRED: EXIT_UNREACHABLE,
        Status.ROLLED_BACK: EXIT_ROLLED_BACK,
        Status.DECLINED: EXIT_DECLINED,
        Status.CANCELLED: EXIT_DECLINED,
        Status.SKIPPED: EXIT_DECLINED,
    }.get(host.status, EXIT_FAILED)


def _word(hosts: Iterable[HostState]) -> str:
    statuses = [host.status for host in hosts]
    if all(status.is_success for status in statuses):
        return "success"
    if any(status.is_success or not status.is_final or status is Status.DEFERRED for status in statuses):
        return "partial"
    if all(status is Status.DECLINED for status in statuses):
        return "declined"
    if all(status in {Status.DECLINED, Status.CANCELLED} for status in statuses):
        return "cancelled"
    return "failure"
