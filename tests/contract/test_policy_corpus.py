"""The rules find what a thoughtful reviewer would: in the file as SATURN reads it, and in what the node makes of it."""

from __future__ import annotations

import pytest
from saturn_node.policy import CODES
from support.policy_cases import RESOLVED, Case, cases, recorded

CASES = tuple(cases())


def named(case: Case) -> str:
    return f"{case.topic}: {case.name}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_saturn_finds_in_the_file_what_a_reviewer_would(case: Case):
    assert case.file_findings() == case.expected("file")


@pytest.mark.parametrize("case", CASES, ids=named)
def test_node_finds_in_the_resolved_config_what_a_reviewer_would(case: Case):
    assert case.node_findings(recorded(case.topic)["cases"][case.name]) == case.expected("node")


def test_every_finding_stands_in_the_corpus_but_those_that_no_compose_file_causes():
    told = {each.split()[0] for case in CASES for view in ("file", "node") for each in case.expected(view)}
    assert set(CODES) - told == {"service_missing", "env_missing", "healthcheck_not_executable"}


def test_names_of_cases_are_unique_in_their_topic():
    names = [(each.topic, each.name) for each in CASES]
    assert len(names) == len(set(names))


def test_what_is_recorded_belongs_to_a_case():
    written = {topic.stem: set(recorded(topic.stem)["cases"]) for topic in RESOLVED.glob("*.json")}
    wanted: dict[str, set[str]] = {}
    for each in CASES:
        wanted.setdefault(each.topic, set()).add(each.name)
    assert written == wanted
