"""The recorded configs of tests/cases/policy are what the real compose says; SATURN_RECORD=1 writes them anew."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.fleet.cache import compose_plugin
from support.fleet.requirements import COMMAND
from support.policy_cases import HOME, RESOLVED, Case, cases, recorded, resolved

CASES = tuple(cases())
TOPICS = tuple(dict.fromkeys(each.topic for each in CASES))


@pytest.fixture(scope="module")
def command() -> tuple[str, ...]:
    """The real compose as a program of its own: `config` asks no daemon."""
    plugin = compose_plugin()
    if plugin is None and (os.environ.get("CI") == "true" or os.environ.get("SATURN_E2E") == "required"):
        pytest.fail(f"Docker's Compose v2 plugin is missing: `{COMMAND}`", pytrace=False)
    if plugin is None:
        pytest.skip("Docker's Compose v2 plugin is missing")
    return (str(plugin.resolve()),)


def version(command: tuple[str, ...]) -> str:
    return subprocess.run((*command, "version", "--short"), check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("topic", TOPICS)
def test_real_compose_resolves_the_corpus_as_recorded(
    topic: str, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", HOME)
    own = [each for each in CASES if each.topic == topic]
    found = {each.name: resolved(each, command, tmp_path / str(index)) for index, each in enumerate(own)}
    told: dict[str, Any] = {"compose": version(command), "cases": found}
    if os.environ.get("SATURN_RECORD"):
        RESOLVED.mkdir(exist_ok=True)
        (RESOLVED / f"{topic}.json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    assert _differing(own, found) == []
    known = recorded(topic)
    if known["compose"] == told["compose"]:
        assert known == told


def _differing(own: list[Case], found: dict[str, dict[str, Any]]) -> list[tuple[str, list[str], list[str]]]:
    """Cases in which the node would find something else than they expect, whichever compose it has."""
    told = [(each.name, each.node_findings(found[each.name]), each.expected("node")) for each in own]
    return [each for each in told if each[1] != each[2]]
