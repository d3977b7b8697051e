"""Where a host stands between runs: what `saturn status` shows and its JSON says."""

from __future__ import annotations

from dataclasses import dataclass

from saturn_orchestrator.events import Facts
from saturn_orchestrator.state.model import HostError


@dataclass(frozen=True)
class Standing:
    """One host as it was last observed.

    reachability: online | offline | unreachable | denied. source: live (the node answered now) | journal (remembered).
    observed_at: RFC 3339, "" when never. behind: commits between the node's revision and the wanted one; None when
    SATURN cannot tell. error: why there are no live facts.
    """

    host: str
    reachability: str
    source: str = "live"
    observed_at: str = ""
    facts: Facts | None = None
    behind: int | None = None
    error: HostError | None = None
