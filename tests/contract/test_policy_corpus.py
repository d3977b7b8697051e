"""The rules have the findings that a thoughtful reviewer would have: as SATURN reads the files, and as the node does."""

from __future__ import annotations

import pytest
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


def test_names_of_cases_are_unique_in_their_topic():
    names = [(each.topic, each.name) for each in CASES]
    assert len(names) == len(set(names))


def test_what_is_recorded_belongs_to_a_case():
    written = {topic.stem: set(recorded(topic.stem)["cases"]) for topic in RESOLVED.glob("*.json")}
    wanted: dict[str, set[str]] = {}
    for each in CASES:
        wanted.setdefault(each.topic, set()).add(each.name)
    assert written == wanted
