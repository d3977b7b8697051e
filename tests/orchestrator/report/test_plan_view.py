from __future__ import annotations

from dataclasses import replace

import pytest
from rich.text import Text
from support.backup_node import snapshot
from support.build import facts, host, service
from support.report_values import NEW, OLD, shown

from saturn_orchestrator.errors import ExecutorRefused, Unreachable
from saturn_orchestrator.events import ImageChange, Judgement
from saturn_orchestrator.plan.backups import backup_plan, restore_plan
from saturn_orchestrator.plan.model import Action, Change, HostPlan, Prospect, Step
from saturn_orchestrator.report.plan_view import diff_text, plan_text, prospects_text
from saturn_orchestrator.topology.model import Backup


def plan_of(**fields) -> HostPlan:
    """A plan that the node could compare."""
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
            is_foreseen=True,
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
    assert "".join(text.split()) == "".join(shown(plan_text(plan), width=1000).split())


# --- what stands between headline and count ---------------------------------------------------------------------------


def lines_of(**fields) -> list[str]:
    """The lines between the headline and the counted one."""
    return shown(plan_text(plan_of(**{"changes": (), **fields})), width=200).splitlines()[1:-1]


def test_commits_are_told_with_their_authors_newest_first():
    steps = (Step(NEW, "Ada", "Mosquitto 2.0.20"), Step(OLD, "Bartholomew Featherstone", "[red]a[/red]"))

    assert lines_of(commits=12, steps=steps) == [
        "    8be02d44  Ada               Mosquitto 2.0.20",
        "    3f2a91c0  Bartholomew Fea…  [red]a[/red]",
        "    … and 10 commits before",
    ]


def test_a_single_commit_names_its_author():
    assert lines_of(commits=1, steps=(Step(NEW, "Ada", "Mosquitto 2.0.20"),)) == [
        "    8be02d44  Ada  Mosquitto 2.0.20",
    ]


def test_one_commit_more_is_one():
    assert lines_of(commits=2, steps=(Step(NEW, "Ada", "a"),))[-1] == "    … and 1 commit before"


@pytest.mark.parametrize(
    "image, words",
    [
        (
            ImageChange("web", "caddy:2.8", "caddy:2.9", "sha256:" + "1" * 64, "sha256:" + "2" * 64),
            "caddy:2.8 (sha256:111111111111) -> caddy:2.9 (sha256:222222222222)",
        ),
        (
            ImageChange("web", "caddy:2.8", "caddy:2.9", "sha256:" + "1" * 64, "", 15_400_000),
            "caddy:2.8 (sha256:111111111111) -> caddy:2.9 (to be pulled, at most 15 MB)",
        ),
        (ImageChange("web", after="caddy:2.9"), "caddy:2.9 (to be pulled, its size is not known)"),
        (ImageChange("web", "caddy", "caddy", "sha256:1", "sha256:2"), "caddy (sha256:1) -> caddy (sha256:2)"),
        (ImageChange("web", after="caddy", after_id="0123456789abcdef"), "caddy (0123456789ab)"),
    ],
)
def test_an_image_is_shown_old_to_new(image, words):
    change = Change("caddy", Action.RECREATE, "image", (image,))

    assert lines_of(changes=(change,)) == ["  ~ recreate   caddy  image", f"               image {words}"]


def test_an_image_that_two_containers_share_is_told_once():
    images = tuple(ImageChange(name, "a:1", "a:2", after_id="x") for name in ("web", "worker"))

    assert lines_of(changes=(Change("caddy", Action.RECREATE, "image", images),))[1:] == [
        "               image a:1 -> a:2 (x)",
    ]


def test_ports_that_are_opened_stand_below_their_service():
    change = Change("caddy", Action.CREATE, "no containers yet", ports=("0.0.0.0:80->80/tcp", "127.0.0.1:81->81/tcp"))

    assert lines_of(changes=(change,)) == [
        "  + create     caddy  no containers yet",
        "               opens 0.0.0.0:80->80/tcp, 127.0.0.1:81->81/tcp",
    ]


@pytest.mark.parametrize(
    "change, fields, words",
    [
        (
            Change("vpn", Action.RECREATE, "image", carries=True), {},
            "goes back by itself unless acknowledged within 120 s",
        ),
        (
            Change("vpn", Action.CREATE, "image", carries=True), {"ack_timeout_s": 5.0},
            "goes back by itself unless acknowledged within 5 s",
        ),
        (
            Change("vpn", Action.CREATE, "image", carries=True), {"is_first": True},
            "fails unless acknowledged within 120 s, and has nothing to go back to",
        ),
        (Change("vpn", Action.UNCHANGED, carries=True), {}, ""),
        (Change("vpn", Action.RECREATE, "image"), {}, ""),
    ],
)  # fmt: skip
def test_what_may_cut_the_connection_says_what_becomes_of_it(change, fields, words):
    details = lines_of(changes=(change,), **fields)[1:]

    assert details == ([f"               carries the connection: {words}"] if words else [])


@pytest.mark.parametrize(
    "fields, words",
    [
        ({}, []),
        ({"local": (".env",)}, ["with .env of the node"]),
        (
            {"local": (".env", "docker-compose.override.yml")},
            ["with .env and docker-compose.override.yml of the node"],
        ),
        ({"local": (".env",), "is_local_new": True}, ["with .env of the node, changed since the last deploy"]),
        ({"is_local_new": True}, ["with nothing of the node's own, changed since the last deploy"]),
    ],
)  # fmt: skip
def test_what_lies_on_the_node_alone_is_named(fields, words):
    change = Change("caddy", Action.UNCHANGED, **fields)

    assert lines_of(changes=(change,))[1:] == [f"               {each}" for each in words]


def finding(code: str, severity: str = "warning", **fields: str) -> Judgement:
    return Judgement(code, severity, **{"message": f"{code} is so", "service": "caddy", **fields})


def test_findings_stand_below_the_changes_and_errors_have_their_way_out():
    findings = (
        finding("port_exposed", "error", hint="bind it"), finding("network_host", "waived", hint="no"),
        finding("privileged", hint="cap_add"), finding("compose_invalid", "error", service=""),
    )  # fmt: skip

    assert lines_of(findings=findings, warnings=("a lock",)) == [
        "  ! a lock",
        "  ✘ caddy: port_exposed is so [port_exposed]",
        "    help: bind it",
        "  ~ caddy: network_host is so [network_host]",
        "  ! caddy: privileged is so [privileged]",
        "    help: cap_add",
        "  ✘ compose_invalid is so [compose_invalid]",
        "  validate will block chelsty: 2 errors",
    ]


def test_of_many_warnings_some_are_counted_and_no_error_is_left_out():
    errors = tuple(finding(f"e{number}", "error") for number in range(9))
    warnings = tuple(finding(f"w{number}") for number in range(10))

    assert len([line for line in lines_of(findings=errors + warnings) if "✘" in line]) == 9
    assert "  ! … and 10 warnings more: saturn plan --hosts chelsty --json" in lines_of(findings=errors + warnings)
    assert lines_of(findings=warnings)[-1] == "  ! … and 2 warnings more: saturn plan --hosts chelsty --json"
    assert len(lines_of(findings=warnings[:8])) == 8


def test_words_of_a_node_do_nothing_to_the_screen():
    (line,) = lines_of(findings=(finding("privileged", message="[red]x[/red]\x1b[2J", service="\x1b]0;a\x07"),))

    assert "[red]x[/red]" in line
    assert not {"\x1b", "\x07"} & set(line)


def test_downtime_is_told_with_the_count():
    changes = (
        Change("caddy", Action.RECREATE, "image", downtime=True), Change("old", Action.REMOVE, downtime=True),
        Change("web", Action.CREATE), Change("bad", Action.INVALID), Change("new", Action.UNKNOWN),
    )  # fmt: skip

    assert shown(plan_text(plan_of(changes=changes)), width=200).splitlines()[-1] == (
        "Plan: 1 to create, 1 to recreate, 1 to remove, 1 invalid, 1 unknown. Downtime: caddy, old."
    )


def test_notes_go_before_warnings():
    assert lines_of(orphans=("old", "older"), sent=3400, is_foreseen=False, warnings=("a lock",)) == [
        "  · assigned to chelsty no more, and left alone: old, older (--prune removes them)",
        "  · SATURN sends 3.4 kB of git",
        "  · the node could not compare its containers: this is what git alone tells",
        "  ! a lock",
    ]


def test_a_return_says_whose_images_come_back():
    assert lines_of(restores="20261122T090000Z-0001") == [
        "  images as run 20261122T090000Z-0001 left them, as far as they are still here",
    ]


# --- the plans of many hosts ------------------------------------------------------------------------------------------


def test_plans_of_many_hosts_end_with_a_count():
    stays = plan_of(host="vps", revision_before=NEW, commits=0, subject="", changes=(Change("web", Action.UNCHANGED),))
    prospects = (
        Prospect("chelsty", plan_of(changes=(Change("web", Action.CREATE),), subject="")),
        Prospect("vps", stays),
        Prospect("pi", error=Unreachable("no route to pi", hint="ping pi")),
        Prospect("nas", error=ExecutorRefused("docker is not there", code="no_docker", notes=["it is ill"])),
    )

    assert shown(prospects_text(prospects)) == (
        "chelsty  3f2a91c0 -> 8be02d44  (main, 4 commits)\n"
        "  + create     web\n"
        "Plan: 1 to create.\n"
        "\n"
        "vps  stays at 8be02d44  (main)\n"
        "  = unchanged  web\n"
        "Plan: 1 unchanged.\n"
        "\n"
        "warning[unreachable]: no route to pi\n"
        "  --> pi\n"
        "  help: ping pi\n"
        "\n"
        "error[no_docker]: docker is not there\n"
        "  --> nas\n"
        "  note: it is ill\n"
        "\n"
        "4 hosts: 1 with changes, 1 without changes, 1 away, 1 not planned.\n"
    )


def test_differences_stand_below_their_plan():
    prospect = Prospect("chelsty", plan_of(changes=(), subject=""), diff="+one\n-two\n")

    assert shown(prospects_text((prospect,))).splitlines()[1:] == [
        "Plan: no services.", "+one", "-two", "", "1 host: 1 with changes.",
    ]  # fmt: skip


DIFF = "diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-[red]old[/red]\n+new \x1b[2J\n same\n"


def test_differences_wear_their_colours_and_hide_no_escape():
    drawn = diff_text(DIFF)

    assert drawn.plain == DIFF.replace("\x1b", "").rstrip("\n")
    assert styles_of(drawn) == {
        "diff --git a/x b/x": "bold", "index 1..2": "bold", "--- a/x": "bold", "+++ b/x": "bold",
        "@@ -1 +1 @@": "cyan", "-[red]old[/red]": "red", "+new [2J": "green",
    }  # fmt: skip


def styles_of(text: Text) -> dict[str, str]:
    return {text.plain[span.start : span.end]: str(span.style) for span in text.spans if str(span.style)}


def test_a_line_of_a_difference_is_never_broken():
    assert shown(diff_text("+" + "word " * 40), width=40) == "+" + ("word " * 40).rstrip() + "\n"


# --- plans of runs that deploy nothing --------------------------------------------------------------------------------


def test_a_plan_of_backups_tells_each_service_its_folders_and_what_is_down():
    services = (
        service("mosquitto", backup=Backup(keep=1)),
        service("zigbee2mqtt", backup=Backup(paths=("data",), quiesce="none")),
        service("ollama"),
    )
    told = facts("chelsty", revision=NEW)

    assert shown(plan_text(backup_plan(host("chelsty", services=services), told)), width=120) == (
        "chelsty  stays at 8be02d44\n"
        "  + backup     mosquitto    config and data; down meanwhile; one is kept\n"
        "  + backup     zigbee2mqtt  data; goes on meanwhile; the newest 5 are kept\n"
        "  · left out, without backup in their service.yaml: ollama\n"
        "Plan: 2 to back up. Downtime: mosquitto.\n"
    )


def test_a_plan_of_a_restore_tells_what_comes_and_what_stays():
    lab = host("chelsty", services=(service("web"),))
    backup = snapshot("20261122T161002Z", at="2026-11-22T16:10:02Z", revision=OLD)
    plan = restore_plan(lab, facts("chelsty", revision=NEW), backup, "2026-11-23T16:10:02Z")

    assert shown(plan_text(plan), width=120) == (
        "chelsty  stays at 8be02d44\n"
        "  < restore    web  backup 20261122T161002Z, 24 h ago, written as ordered, at 3f2a91c0\n"
        "  · web is stopped meanwhile, and what stands now is kept as a backup of its own\n"
        "  · .env and override on the node stay as they are\n"
        "  ! the backup is of 3f2a91c0, and 8be02d44 is deployed: it may not suit what runs now\n"
        "Plan: 1 to restore. Downtime: web.\n"
    )


def test_a_node_to_which_nothing_was_deployed_yet_is_told_so():
    plan = backup_plan(host("chelsty", services=(service("web", backup=Backup()),)), facts("chelsty"))

    assert shown(plan_text(plan)).splitlines()[0] == "chelsty  nothing is deployed yet"
