"""Where a host stands between runs: what `saturn status` shows and its JSON says."""

from __future__ import annotations

from collections.abc import Iterable

from saturn_orchestrator.events import Facts, RunFact, ServiceFact
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.state.model import HostError, HostState, ServiceState
from saturn_orchestrator.state.outcome import EXIT_FAILED, EXIT_SUCCESS, EXIT_UNREACHABLE
from saturn_orchestrator.tailnet.model import Peer


@dataclass(frozen=True)
class Deferred:
    """What a person confirmed for a host that was away. See events.HostDeferred. run: in which it was said."""

    run: str
    by: str
    at: str
    revision: str
    revision_before: str
    services: tuple[str, ...]
    scope: tuple[str, ...]
    expires_at: str
    prune: bool = False
    rollback: bool = False


@dataclass(frozen=True)
class Standing:
    """One host as it was last observed.

    reachability: online | offline | unreachable | denied. source: live (the node answered now) | journal |
    watch (remembered: from its last run, or from when it last answered in this very watch). observed_at: RFC 3339, ""
    when never. behind, ahead: commits of the wanted revision that the node's lacks, and the other way round; None when
    SATURN cannot tell. error: why there are no live facts. deferred: what waits for the host to be back. peer: the host
    on the tailnet.
    """

    host: str
    reachability: str
    source: str = "live"
    observed_at: str = ""
    facts: Facts | None = None
    behind: int | None = None
    ahead: int | None = None
    error: HostError | None = None
    deferred: Deferred | None = None
    peer: Peer | None = None


@dataclass(frozen=True)
class Surroundings:
    """What the tailnet tells beside the hosts that were asked for.

    trouble: what keeps SATURN off it, or is about to. twins: hosts of the topology that are one and the same machine.
    strangers: machines with Tailscale SSH that no host of the topology means.
    """

    trouble: HostError | None = None
    twins: tuple[tuple[str, ...], ...] = ()
    strangers: tuple[str, ...] = ()


def exit_code(standings: Iterable[Standing]) -> int:
    """Of a look at hosts: whether all of them answered, and could be worked with."""
    words = {each.reachability for each in standings} - {"online"}
    if "denied" in words:
        return EXIT_FAILED
    return EXIT_UNREACHABLE if words else EXIT_SUCCESS


def remembered(run: str, host: HostState, at: str) -> Facts:
    """What a run that reached the host tells of it: how it stood when the run was last heard of, `at`."""
    services = tuple(_service(name, service) for name, service in host.services.items())
    outcome = str(host.status) if host.status.is_final else ""
    revision = host.revision_after
    last = RunFact(run, outcome, revision, host.stage, at)
    return Facts(0, at, run, host.host, revision, stage=host.stage, services=services, last_run=last)


def _service(name: str, service: ServiceState) -> ServiceFact:
    if service.health in {"healthy", "running", "finished"}:
        return ServiceFact(name, "running", "healthy" if service.health == "healthy" else "none")
    return ServiceFact(name, "unknown", "unhealthy" if service.health in {"failed", "unhealthy"} else "none")
