"""Where every host stands, in Prometheus' text format, for node_exporter's textfile collector. Pure, and no rich.

What is not known has no sample: an absent series is honest, a zero is not. No two samples have the same labels whatever
a node says, since one such pair makes a collector refuse the whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from saturn_orchestrator.ages import moment
from saturn_orchestrator.events import Facts, RunFact, ServiceFact, neutral
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.state.standing import Standing

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float]

REACHABILITIES = ("online", "offline", "unreachable", "denied")
OUTCOMES = ("success", "failed", "blocked", "cancelled", "refused", "rolled_back", "lost", "running", "other")
"""How a last run may have ended; `running` has no end yet, `other` is a word of a newer executor."""

WRITTEN = "saturn_status_timestamp_seconds"
"""The one metric that is no host's."""

SERVICES_MAX = 500
"""Services of one host, however many it tells of."""

_LABEL_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBERED = {"changed": "success", "unchanged": "success"}
"""What the journal says of a run that the node calls a success."""


@dataclass(frozen=True)
class Metric:
    """A gauge: its name, what it tells, the labels beside `host`, and its samples of one host."""

    name: str
    told: str
    labels: tuple[str, ...]
    samples: Callable[[Standing], Iterator[Sample]]


def exposition(standings: Sequence[Standing], now: str) -> str:
    """All metrics of the hosts as text. now: the present moment, RFC 3339."""
    blocks = [_head(metric.name, metric.told) + "".join(_lines(metric, standings)) for metric in METRICS]
    told = "When saturn status wrote this, in seconds since 1970."
    return "".join((*blocks, _head(WRITTEN, told), *(f"{WRITTEN} {_number(value)}\n" for value in _seconds(now))))


def _head(name: str, told: str) -> str:
    return f"# HELP {name} {told}\n# TYPE {name} gauge\n"


def _lines(metric: Metric, standings: Sequence[Standing]) -> Iterator[str]:
    """A line a sample; of several with the same labels the first."""
    found: dict[str, float] = {}
    for standing in standings:
        for labels, value in metric.samples(standing):
            found.setdefault(_labels((("host", standing.host), *labels)), value)
    return (f"{metric.name}{{{labels}}} {_number(value)}\n" for labels, value in found.items())


def _labels(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(neutral(value)[:_LABEL_MAX])}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _seconds(at: str) -> Iterator[float]:
    """The time in seconds since 1970; nothing when the text names none."""
    known = moment(at)
    if known:
        yield (known - _EPOCH).total_seconds()


# --- the samples of one host ------------------------------------------------------------------------------------------


def _plain(value: Callable[[Standing], Iterator[float]]) -> Callable[[Standing], Iterator[Sample]]:
    """Samples without further labels."""
    return lambda standing: (((), each) for each in value(standing))


def _flag(is_so: Callable[[Facts], object]) -> Callable[[Standing], Iterator[Sample]]:
    """1 or 0 by what the node said just now; nothing of a host that did not answer."""
    return _count(lambda facts: bool(is_so(facts)))


def _count(count: Callable[[Facts], int]) -> Callable[[Standing], Iterator[Sample]]:
    return lambda standing: (((), count(facts)) for facts in _live(standing))


def _live(standing: Standing) -> Iterator[Facts]:
    if standing.facts and standing.source == "live":
        yield standing.facts


def _reachability(standing: Standing) -> Iterator[Sample]:
    return ((((("state", word),)), word == standing.reachability) for word in REACHABILITIES)


def _known(count: int | None) -> Iterator[float]:
    if count is not None:
        yield count


def _last_run(standing: Standing) -> Iterator[RunFact]:
    if standing.facts and standing.facts.last_run:
        yield standing.facts.last_run


def _outcomes(standing: Standing) -> Iterator[Sample]:
    for run in _last_run(standing):
        word = _REMEMBERED.get(run.outcome, run.outcome) or "running"
        word = word if word in OUTCOMES else "other"
        yield from (((("outcome", each),), each == word) for each in OUTCOMES)


def _services(standing: Standing) -> Iterator[ServiceFact]:
    if standing.facts:
        yield from standing.facts.services[:SERVICES_MAX]


def _running(standing: Standing) -> Iterator[Sample]:
    told = (each for each in _services(standing) if each.state != "unknown")
    return (((("service", each.name),), each.state == "running") for each in told)


def _healthy(standing: Standing) -> Iterator[Sample]:
    checked = (each for each in _services(standing) if each.health != "none")
    return (((("service", each.name),), each.health == "healthy") for each in checked)


def _drifted(standing: Standing) -> Iterator[Sample]:
    told = _services(standing) if standing.source == "live" else iter(())
    return (((("service", each.name),), bool(each.drift)) for each in told)


METRICS: tuple[Metric, ...] = (
    Metric("saturn_host_up", "Whether the host answered just now and can be worked with.", (),
           _plain(lambda standing: iter((standing.reachability == "online",)))),
    Metric("saturn_host_reachability", "1 for the state that the host is in, 0 for the others.", ("state",),
           _reachability),
    Metric("saturn_host_observed_timestamp_seconds", "When what is told of the host was so, in seconds since 1970.", (),
           _plain(lambda standing: _seconds(standing.observed_at))),
    Metric("saturn_host_behind_commits", "Commits of the branch that the host lacks.", (),
           _plain(lambda standing: _known(standing.behind))),
    Metric("saturn_host_ahead_commits", "Commits of the host that the branch lacks.", (),
           _plain(lambda standing: _known(standing.ahead))),
    Metric("saturn_host_stale", "Whether origin could not be asked when the host was last deployed to.", (),
           _flag(lambda facts: facts.stale)),
    Metric("saturn_host_problems", "What keeps the host from being deployed to.", (),
           _count(lambda facts: len(facts.problems))),
    Metric("saturn_host_orphans", "Services that stand on the host and are assigned to it no more.", (),
           _count(lambda facts: len(facts.orphans))),
    Metric("saturn_host_deferred", "Whether a confirmed deploy waits for the host to be back.", (),
           _plain(lambda standing: iter((standing.deferred is not None,)))),
    Metric("saturn_last_run_timestamp_seconds", "When the host's last run ended, in seconds since 1970.", (),
           _plain(lambda standing: (value for run in _last_run(standing) for value in _seconds(run.at)))),
    Metric("saturn_last_run_outcome", "1 for how the host's last run ended, 0 for the others.", ("outcome",),
           _outcomes),
    Metric("saturn_service_running", "Whether all containers of the service run.", ("service",), _running),
    Metric("saturn_service_healthy", "Whether docker's own checks of the service are well.", ("service",), _healthy),
    Metric("saturn_service_drifted", "Whether the service is not as its last deploy left it.", ("service",), _drifted),
    Metric("saturn_lock_held", "Whether a run is at work on the host.", (), _flag(lambda facts: facts.lock)),
)  # fmt: skip
"""Every metric of a host."""
