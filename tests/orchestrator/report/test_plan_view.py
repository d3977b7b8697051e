from __future__ import annotations

from dataclasses import replace

import pytest
from support.report_values import NEW, OLD, shown

from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.report.plan_view import plan_text


def plan_of(**fields) -> HostPlan:
    return replace(
        HostPlan(
            "chelsty",
            OLD,
            NEW,
            "main",
            "Mosquitto 2.0.20",
            4,
            (
                Change("mosquitto", Action.UNCHANGED),
                Change("zigbee2mqtt", Action.RECREATE, "docker-compose.yml changed"),
                Change("homeassistant", Action.CREATE, "no containers yet"),
                Change("caddy", Action.START, "it is stopped"),
            ),
        ),
        **fields,
    )


def test_plan_shows_every_service_and_counts_last():
    assert shown(plan_text(plan_of(warnings=("zigbee2mqtt is unhealthy already",)))) == (
        'chelsty  3f2a91c0 -> 8be02d44  (main, 4 commits) "Mosquitto 2.0.20"\n'
        "  = unchanged  mosquitto\n"
        "  ~ recreate   zigbee2mqtt    docker-compose.yml changed\n"
        "  + create     homeassistant  no containers yet\n"
        "  > start      caddy          it is stopped\n"
        "  ! zigbee2mqtt is unhealthy already\n"
        "Plan: 1 to create, 1 to recreate, 1 to start, 1 unchanged.\n"
    )


def test_plan_of_a_resume_says_where_it_continues():
    plan = plan_of(
        revision_before=NEW, commits=0, resume_stage="deploy",
        changes=(Change("mosquitto", Action.COMPLETED, "completed before the failure"),),
    )  # fmt: skip
    assert shown(plan_text(plan)) == (
        'chelsty  stays at 8be02d44  (main) "Mosquitto 2.0.20"\n'
        "  resumes at deploy\n"
        "  - completed  mosquitto  completed before the failure\n"
        "Plan: 1 completed before.\n"
    )


@pytest.mark.parametrize(
    ("fields", "headline"),
    [
        ({"revision_before": ""}, 'chelsty  first deploy of 8be02d44  (main) "Mosquitto 2.0.20"'),
        ({"commits": None, "subject": ""}, "chelsty  3f2a91c0 -> 8be02d44  (main, number of commits unknown)"),
        ({"commits": 1, "subject": ""}, "chelsty  3f2a91c0 -> 8be02d44  (main, 1 commit)"),
        (
            {"subject": "[red]a[/] :bug: \x1b[2J"},
            'chelsty  3f2a91c0 -> 8be02d44  (main, 4 commits) "[red]a[/] :bug: [2J"',
        ),
    ],
)
def test_headline_says_where_the_host_goes(fields, headline):
    assert shown(plan_text(plan_of(**fields))).splitlines()[0] == headline


def test_plan_without_services_says_so():
    assert shown(plan_text(plan_of(changes=()))).splitlines()[-1] == "Plan: no services."


@pytest.mark.parametrize("width", [40, 80, 200])
def test_plan_keeps_every_word_at_any_width(width):
    plan = plan_of(changes=(Change("s" * 63, Action.CREATE, "no containers yet"),))
    text = shown(plan_text(plan), width=width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "".join(text.split()) == "".join(plan_text(plan).plain.split())
