"""The words of a notice: plain text that a phone shows whole, and the next command to type. Pure words, no drawing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from saturn_orchestrator.events import neutral
from saturn_orchestrator.report.advice import next_command
from saturn_orchestrator.state.model import HostState, RunState
from saturn_orchestrator.state.notices import Notice, Ruling, troubled

HOSTS_MAX = 20
"""Hosts that a body tells of, one by one."""

WORDS_MAX = 300
"""Characters of one sentence of a host."""

_ORDER = ("failure", "partial", "unreachable", "deferred", "recovered", "success")
_NAMED = 3

TEST = Notice("saturn: a test", "This is what `saturn notify` sends. Nothing has happened.")


def notice_of(run: RunState, occasions: Iterable[str], verb: str, ruling: Ruling) -> Notice:
    """What is told of a run. occasions: what it is about; the gravest stands in the title."""
    given = set(occasions)
    word = next(each for each in _ORDER if each in given)
    ill = troubled(run)
    names = [each.host for each in ill] or list(ruling.recovered) or list(run.hosts)
    what = f"{verb} {run.revision[:8]}" if run.revision else verb
    return Notice(f"saturn: {word} on {_listed(names)} ({what})", "\n".join(_lines(run, ill, ruling)))


def _lines(run: RunState, ill: Sequence[HostState], ruling: Ruling) -> Iterator[str]:
    others = [each for each in run.hosts.values() if each not in ill]
    told = (*ill, *others)
    for host in told[:HOSTS_MAX]:
        yield from _host_lines(host)
    if len(told) > HOSTS_MAX:
        yield f"... and more: {len(told)} hosts in all"
    if ruling.held:
        yield f"held back since the last notice, for being the same: {ruling.held}"
    yield f"saturn show {run.run}"


def _host_lines(host: HostState) -> Iterator[str]:
    error = host.error or host.left
    status = str(host.status).replace("_", " ")
    if error is None:
        yield f"{host.host}: {status}"
        return
    where = ", ".join(part for part in (error.stage, error.service) if part)
    yield f"{host.host}: {status}, {error.code}{f' ({where})' if where else ''}: {_short(error.message)}"
    if command := next_command(host):
        yield f"  help: {_short(command)}"


def _short(text: str) -> str:
    return neutral(text)[:WORDS_MAX]


def _listed(names: Sequence[str]) -> str:
    """`a, b and 2 more`."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
