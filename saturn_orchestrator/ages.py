"""How long ago, in words. Times come from other machines: nothing here raises on a wrong one."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(at: str) -> datetime | None:
    """The moment an RFC 3339 text names; None when it names none. Without an offset it counts as UTC."""
    try:
        parsed = datetime.fromisoformat(at)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def seconds_between(start: str, end: str) -> float | None:
    """Seconds from one time to a later one; None when either is missing or the clocks contradict each other."""
    first, last = moment(start), moment(end)
    if first is None or last is None or last < first:
        return None
    return (last - first).total_seconds()


def age_text(seconds: float | None) -> str:
    """`just now`, `12 s ago`, `5 min ago`, `3 h ago`, `2 days ago`; `-` for no age."""
    if seconds is None:
        return "-"
    return "just now" if seconds < 5 else f"{span_text(seconds)} ago"


def span_text(seconds: float) -> str:
    """A span in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`."""
    if seconds < 60:
        return f"{int(seconds)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 48 * 3600:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} days"
