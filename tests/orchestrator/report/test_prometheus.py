"""What is written is read back by a strict reader of the text format, which refuses what a collector would refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import build
from support.build import AT, OLD, RUN
from support.exposition import read

from saturn_orchestrator.events import LockFact, Problem, RunFact, ServiceFact
from saturn_orchestrator.report.prometheus import METRICS, OUTCOMES, REACHABILITIES, SERVICES_MAX, WRITTEN, exposition
from saturn_orchestrator.state.standing import Standing

AT_S = 1795450202.0


def of(*standings: Standing) -> dict[str, Any]:
    """`name{label=value}` without the host, for tests of one host alone."""
    found = read(exposition(standings, AT))
    return {shown(name, dict(labels)): value for (name, labels), value in found.items()}


def shown(name: str, labels: dict[str, str]) -> str:
    return " ".join((name.removeprefix("saturn_"), *(value for key, value in sorted(labels.items()) if key != "host")))


def live(**fields: Any) -> Standing:
    known = {"revision": OLD, "last_run": RunFact(RUN, "success", OLD, "complete", AT), **fields}
    return Standing("alpha", "online", "live", AT, build.facts(**known), behind=3, ahead=0)


def test_of_a_host_that_answers_everything_is_told():
    services = (
        ServiceFact("web", "running", "healthy", drift=("by hand",)), ServiceFact("db", "partial", "unhealthy"),
        ServiceFact("job", "unknown", "none"),
    )  # fmt: skip
    found = of(live(services=services, problems=(Problem("a", "b"),), orphans=("old",), stale=True, lock=LockFact("r")))

    assert found == {
        "host_up": 1, **{f"host_reachability {word}": float(word == "online") for word in REACHABILITIES},
        "host_observed_timestamp_seconds": AT_S, "host_behind_commits": 3, "host_ahead_commits": 0, "host_stale": 1,
        "host_problems": 1, "host_orphans": 1, "host_deferred": 0, "last_run_timestamp_seconds": AT_S,
        **{f"last_run_outcome {word}": float(word == "success") for word in OUTCOMES},
        "service_running web": 1, "service_running db": 0, "service_healthy web": 1, "service_healthy db": 0,
        "service_drifted web": 1, "service_drifted db": 0, "service_drifted job": 0, "lock_held": 1,
        "status_timestamp_seconds": AT_S,
    }  # fmt: skip


def test_of_a_host_that_is_away_only_what_is_remembered_is_told():
    facts = build.facts(
        last_run=RunFact(RUN, "unchanged", OLD, "complete", AT), services=(ServiceFact("web", "running"),)
    )
    found = of(Standing("alpha", "unreachable", "journal", AT, facts, deferred=build.deferred()))

    assert {name for name in found if name.startswith("host_")} == {
        "host_up", "host_observed_timestamp_seconds", "host_deferred",
        *(f"host_reachability {word}" for word in REACHABILITIES),
    }  # fmt: skip
    assert (found["host_up"], found["host_reachability unreachable"], found["host_deferred"]) == (0, 1, 1)
    assert (found["last_run_outcome success"], found["service_running web"]) == (1, 1)
    assert "lock_held" not in found
    assert "service_drifted web" not in found


@pytest.mark.parametrize("outcome, word", [("", "running"), ("lost", "lost"), ("melted", "other")])
def test_exactly_one_outcome_is_so(outcome, word):
    found = of(live(last_run=RunFact(RUN, outcome, OLD)))

    assert [name for name, value in found.items() if value and name.startswith("last_run_o")] == [
        f"last_run_outcome {word}"
    ]
    assert "last_run_timestamp_seconds" not in found


def test_of_a_host_that_was_never_seen_little_is_told():
    found = of(Standing("alpha", "denied"))

    assert set(found) == {
        "host_up", "host_deferred", "status_timestamp_seconds",
        *(f"host_reachability {word}" for word in REACHABILITIES),
    }  # fmt: skip


def test_label_values_are_escaped():
    text = exposition((live(services=(ServiceFact('a"b\\c', "running"),)),), AT)

    assert 'saturn_service_running{host="alpha",service="a\\"b\\\\c"} 1\n' in text


def test_what_a_node_repeats_stands_there_once_as_it_was_said_first():
    services = (ServiceFact("web", "running"), ServiceFact("web", "stopped"), ServiceFact("w\x1beb", "stopped"))

    assert of(live(services=services))["service_running web"] == 1


def test_a_node_cannot_make_the_file_grow_without_end():
    services = tuple(ServiceFact(f"s{number}" + "x" * 10_000, "running") for number in range(5000))

    assert len(exposition((live(services=services),), AT)) < SERVICES_MAX * 1500


def some(text: st.SearchStrategy[str]) -> st.SearchStrategy[Standing]:
    return st.builds(
        Standing, text, text | st.sampled_from(REACHABILITIES), st.sampled_from(("live", "journal")),
        text | st.just(AT), st.none() | build.instances(type(build.facts())), st.none() | st.integers(0, 9),
    )  # fmt: skip


@given(st.lists(some(st.text(max_size=8)), max_size=4))
def test_whatever_nodes_say_a_collector_can_read_it(standings):
    assert read(exposition(standings, AT))


@pytest.mark.parametrize(
    "text",
    [
        "a 1", "a 1\n", "# HELP a b\n# TYPE a gauge\na 1\na 1\n", "# HELP a b\n# TYPE a gauge\nb 1\n",
        "# HELP a b\na 1\n", "# HELP a b\n# TYPE a gauge\na{x=\"1} 1\n", "# HELP a b\n# TYPE a gauge\na{x=\"1\"}\n",
        "# HELP a b\n# TYPE a gauge\na{x=\"1\",x=\"2\"} 1\n", "# HELP a b\n# TYPE a gauge\na True\n",
    ],
)  # fmt: skip
def test_the_reader_is_strict(text):
    with pytest.raises((ValueError, StopIteration)):
        read(text)


def metrics_of(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, labels in re.findall(r"^\| `(saturn_\w+)` \|([^|]*)\|", text, re.MULTILINE):
        yield name, tuple(re.findall(r"`(\w+)`", labels))


def test_the_reference_has_exactly_the_metrics_and_their_labels():
    text = (Path(__file__).parents[3] / "docs/reference/metrics.md").read_text()

    known = [(metric.name, ("host", *metric.labels)) for metric in METRICS]
    assert sorted(metrics_of(text)) == sorted((*known, (WRITTEN, ())))
