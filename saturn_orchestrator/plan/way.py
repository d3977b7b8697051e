"""What the way to a host means for a plan: much to pull or to send over a slow or a metered line. Pure."""

from __future__ import annotations

from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.tailnet.model import Path

LARGE = 50_000_000
"""Bytes from which it matters which way they take: a minute at 6 Mbit/s, and a noticeable part of a small LTE plan."""


def way_warnings(plan: HostPlan, link: str, path: Path) -> tuple[str, ...]:
    """What is worth a word before a yes. link: as the topology has it. path: by which the host is reached."""
    ways = [f"the link of {plan.host} is metered"] if link == "metered" else []
    ways += [f"{plan.host} is reached only by {path.words}, which is slow"] if path.kind == "derp" else []
    loads = _loads(plan) if ways else ""
    return (f"{' and '.join(ways)}: {loads}",) if loads else ()


def _loads(plan: HostPlan) -> str:
    """`about 480 MB to pull`; "" when nothing is large. What is unknown counts as large."""
    images = {image.after: image.size for change in plan.changes for image in change.images if not image.after_id}
    known = sum(size for size in images.values() if size > 0)
    unknown = sum(size <= 0 for size in images.values())
    words = [f"up to {_megabytes(known)} to pull"] if known >= LARGE else []
    words += [f"{unknown} image{'' if unknown == 1 else 's'} of unknown size to pull"] if unknown else []
    words += [f"{_megabytes(plan.sent)} of git to send"] if plan.sent >= LARGE else []
    return ", ".join(words)


def _megabytes(size: int) -> str:
    return f"{round(size / 1e6)} MB"
