"""How long ago something was, from times as events and state files have them."""

from __future__ import annotations

import time

from .late import calendar


def seconds_since(at: str, now_s: float) -> float:
    """Seconds from an RFC 3339 time in UTC to now (seconds since 1970); 0 for what is no such time."""
    try:
        return now_s - calendar.timegm(time.strptime(at[:19], "%Y-%m-%dT%H:%M:%S"))
    except (ValueError, OverflowError):
        return 0.0


def span_text(seconds: float) -> str:
    """A span in its largest unit: `12 s`, `5 min`, `3 h`, `2 days`."""
    for unit, word in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= (2 * unit if word == "days" else unit):
            return f"{int(seconds // unit)} {word}"
    return f"{int(seconds)} s"
