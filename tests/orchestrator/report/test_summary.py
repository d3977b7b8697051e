from __future__ import annotations

from dataclasses import replace

import pytest
from support.report_values import NEW, OLD, RUN, at, run_of, shown

from saturn_orchestrator.events import Finding
from saturn_orchestrator.report.summary import summary
from saturn_orchestrator.state.model import HostError, HostState, RunState, ServiceState, Status
from saturn_orchestrator.state.outcome import outcome


def services(*statuses: str) -> dict[str, ServiceState]:
    return {f"service-{number}": ServiceState(status) for number, status in enumerate(statuses)}


def changed(host: str = "solaria", **fields) -> HostState:
    known = {
        "stage": "complete", "services": services("changed", "changed", "unchanged"), "revision_before": OLD,
        "revision_after": NEW, "started_at": at(2), "finished_at": at(11),
    }  # fmt: skip
    return HostState(host, Status.CHANGED, **{**known, **fields})


def unchanged(host: str = "vps") -> HostState:
    return HostState(
        host, Status.UNCHANGED, "complete", services=services("unchanged"), revision_before=NEW, revision_after=NEW,
        started_at=at(2), finished_at=at(4),
    )  # fmt: skip


def failed(host: str = "chelsty", **fields) -> HostState:
    tail = ("connecting to adapter", "[red]error[/red]: no answer :boom:")
    error = HostError(
        "healthcheck_failed", "zigbee2mqtt is not healthy", "saturn deploy --hosts chelsty --resume", "verify",
        "zigbee2mqtt", tail,
    )  # fmt: skip
    known = {
        "stage": "verify", "services": services("changed", "failed"), "revision_before": OLD, "revision_after": NEW,
        "error": error, "log": "/opt/homelab/logs/deploy/deploy_20261123T161002Z.log",
        "diagnostics": "/opt/homelab/logs/deploy/diagnostics_20261123T161014Z.txt",
        "started_at": at(2), "finished_at": at(14),
    }  # fmt: skip
    return HostState(host, Status.FAILED, **{**known, **fields})


def text_of(run: RunState, width: int = 120) -> str:
    return shown(summary(run, outcome(run)), width=width)


def test_summary_of_success_is_the_table_and_the_count():
    assert text_of(run_of(changed(), unchanged())) == (
        "host     status       stage     services                   revision              duration\n"
        "solaria  ✔ changed    complete  3: 2 changed, 1 unchanged  3f2a91c0 -> 8be02d44  9.0 s\n"
        "vps      = unchanged  complete  1: 1 unchanged             8be02d44              2.0 s\n"
        "\n"
        "2 hosts: 1 changed, 1 unchanged. Run 20261123T161002Z-7f3a, 9.0 s.\n"
    )


def test_summary_of_a_failure_shows_the_evidence_and_the_way_out():
    assert text_of(run_of(failed(), changed())) == (
        "host     status     stage     services                   revision              duration\n"
        "chelsty  ✘ failed   verify    2: 1 changed, 1 failed     3f2a91c0 -> 8be02d44  12.0 s\n"
        "solaria  ✔ changed  complete  3: 2 changed, 1 unchanged  3f2a91c0 -> 8be02d44  9.0 s\n"
        "\n"
        "error[healthcheck_failed]: zigbee2mqtt is not healthy\n"
        "  --> chelsty, verify, zigbee2mqtt\n"
        "   | connecting to adapter\n"
        "   | [red]error[/red]: no answer :boom:\n"
        "  note: log /opt/homelab/logs/deploy/deploy_20261123T161002Z.log\n"
        "  note: diagnostics /opt/homelab/logs/deploy/diagnostics_20261123T161014Z.txt\n"
        "  help: saturn deploy --hosts chelsty --resume\n"
        "\n"
        "2 hosts: 1 changed, 1 failed. Run 20261123T161002Z-7f3a, 12.0 s.\n"
    )


def blocks_of(*hosts: HostState) -> list[str]:
    """The lines between the table and the count."""
    lines = text_of(run_of(*hosts)).splitlines()
    return lines[len(hosts) + 2 : -2]


def test_blocked_host_shows_every_finding():
    findings = (
        Finding(1, at(1), RUN, "vps", "validate", "published_port", "error", "port 8080 is open to everybody", "caddy",
                "services/caddy/docker-compose.yml", "services.caddy.ports[0]", "bind it to 127.0.0.1"),
        Finding(2, at(1), RUN, "vps", "validate", "unpinned_image", "warning", "caddy has no tag", "caddy"),
    )  # fmt: skip
    error = HostError("policy", "validate found 1 error", stage="validate")
    assert blocks_of(HostState("vps", Status.BLOCKED, "validate", error=error, findings=findings)) == [
        "error[published_port]: port 8080 is open to everybody",
        "  --> vps, caddy, services/caddy/docker-compose.yml services.caddy.ports[0]",
        "  help: bind it to 127.0.0.1",
        "",
        "warning[unpinned_image]: caddy has no tag",
        "  --> vps, caddy",
        "",
        "error[policy]: validate found 1 error",
        "  --> vps, validate",
        "  help: saturn deploy --hosts vps",
    ]


def test_stale_success_is_said_loudly():
    assert blocks_of(changed(stale=True, revision_after=OLD)) == [
        "warning[stale]: origin could not be asked: solaria stands at 3f2a91c0 from its cache, not at 8be02d44",
        "  --> solaria",
        "  help: saturn deploy --hosts solaria",
    ]


@pytest.mark.parametrize(
    ("host", "line"),
    [
        (
            HostState("vps", Status.UNREACHABLE, error=HostError("unreachable", "timed out after 20 s")),
            "unreachable: vps could not be reached: timed out after 20 s; help: saturn doctor --hosts vps",
        ),
        (
            HostState("vps", Status.DECLINED),
            "declined: vps was declined, nothing was touched; help: saturn deploy --hosts vps",
        ),
        (
            HostState("vps", Status.CANCELLED),
            "cancelled: vps was cancelled, nothing was touched; help: saturn deploy --hosts vps",
        ),
        (
            HostState("vps", Status.CANCELLED, "deploy"),
            "cancelled: vps was stopped in deploy; help: saturn deploy --hosts vps --resume",
        ),
        (
            HostState("vps", Status.SKIPPED),
            "skipped: vps was not started; help: saturn deploy --hosts vps",
        ),
        (
            HostState("vps", Status.SKIPPED, error=HostError("halted", "canary pi unhealthy", "saturn deploy --all")),
            "skipped: vps was not started: canary pi unhealthy; help: saturn deploy --all",
        ),
        (
            HostState("vps", Status.DEFERRED, by="ada"),
            ("deferred: vps is away, and what was confirmed for it waits; "
            "help: saturn catch-up --hosts vps   # once it is back; or leave that to a timer"),
        ),
        (
            HostState("vps", Status.RUNNING, "deploy"),
            "running: vps goes on by itself; help: saturn attach --hosts vps",
        ),
        (
            HostState("vps", Status.RUNNING, left=HostError("link_lost", "the line was away", "saturn attach")),
            "running: vps goes on by itself: the line was away; help: saturn attach",
        ),
        (
            HostState("vps", Status.PENDING),
            "pending: vps was not begun; help: saturn deploy --hosts vps",
        ),
    ],
)  # fmt: skip
def test_a_host_on_which_nothing_broke_gets_one_line(host, line):
    assert blocks_of(host) == [line]


@pytest.mark.parametrize("status", [status for status in Status if not status.is_success])
def test_every_host_that_did_not_succeed_gets_a_next_command(status):
    assert "help: saturn " in "\n".join(blocks_of(HostState("vps", status)))


def test_a_lost_run_says_where_to_look():
    error = HostError("session_lost", "the line broke", stage="deploy")
    assert blocks_of(HostState("vps", Status.LOST, "deploy", error=error)) == [
        "error[session_lost]: the line broke",
        "  --> vps, deploy",
        "  help: saturn deploy --hosts vps --resume",
    ]


def test_a_host_that_went_back_shows_its_evidence_and_where_it_stands():
    host = failed(services=services("restored", "restored"), revision_after=OLD, stage="rollback")

    assert text_of(run_of(replace(host, status=Status.ROLLED_BACK))) == (
        "host     status         stage     services       revision  duration\n"
        "chelsty  ✘ rolled back  rollback  2: 2 restored  3f2a91c0  12.0 s\n"
        "\n"
        "error[healthcheck_failed]: zigbee2mqtt is not healthy\n"
        "  --> chelsty, verify, zigbee2mqtt\n"
        "   | connecting to adapter\n"
        "   | [red]error[/red]: no answer :boom:\n"
        "  note: rolled back: what this run touched is as it was at 3f2a91c0\n"
        "  note: log /opt/homelab/logs/deploy/deploy_20261123T161002Z.log\n"
        "  note: diagnostics /opt/homelab/logs/deploy/diagnostics_20261123T161014Z.txt\n"
        "  help: saturn deploy --hosts chelsty   # once it is mended\n"
        "\n"
        "1 host: 1 rolled back. Run 20261123T161002Z-7f3a, 12.0 s.\n"
    )


def test_a_halted_rollout_counts_every_end():
    run = run_of(failed(), HostState("vps", Status.SKIPPED), HostState("pi", Status.DEFERRED), changed())

    assert text_of(run).splitlines()[-1].startswith("4 hosts: 1 changed, 1 failed, 1 skipped, 1 deferred. Run ")


def test_services_that_were_removed_and_restored_are_counted():
    row = text_of(run_of(changed(services=services("restored", "removed", "changed")))).splitlines()[1]

    assert "3: 1 changed, 1 removed, 1 restored" in row


def test_lines_that_were_left_out_are_counted():
    assert blocks_of(HostState("vps", Status.CHANGED, noise=3)) == [
        "warning[lines_left_out]: vps sent 3 lines that were no events; they were left out",
        "  --> vps",
    ]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (120, "host status stage services revision duration"),
        (85, "host status services revision duration"),
        (70, "host status services reached duration"),
        (66, "host status services reached duration"),
        (50, "host status reached duration"),
        (37, "host status duration"),
        (20, "host status"),
    ],
)
def test_a_narrow_table_has_fewer_columns(width, titles):
    assert text_of(run_of(failed(), changed()), width).splitlines()[0].split() == titles.split()


@pytest.mark.parametrize("width", [40, 60, 80, 132])
@pytest.mark.parametrize("name", ["pi", "h" * 63])
def test_a_table_fits_and_never_cuts_host_nor_status(width, name):
    hosts = [HostState(f"{name}{number}", Status.UNREACHABLE) for number in range(30)]
    table = text_of(run_of(*hosts), width).split("\n\n")[0].splitlines()
    assert max(len(line) for line in table) <= width
    assert sum("! unreachable" in line for line in table) == 30
    assert "".join(line.split("!")[0].strip() for line in table).count(name) == 30


def test_a_folded_table_keeps_every_word_at_80_columns():
    many = changed("homeassistant", services=services(*["changed"] * 9, *["unchanged"] * 20, "skipped"))
    table = text_of(run_of(many, unchanged()), 80).split("\n\n")[0]
    assert table == (
        "host           status       services                reached   duration\n"
        "homeassistant  ✔ changed    30: 9 changed, 20       8be02d44  9.0 s\n"
        "                            unchanged, 1 skipped\n"
        "vps            = unchanged  1: 1 unchanged          8be02d44  2.0 s"
    )


# --- runs that deploy nothing -----------------------------------------------------------------------------------------


def restored(status: Status = Status.CHANGED, **fields) -> HostState:
    services = {"zigbee2mqtt": ServiceState("changed", "healthy", "20261126T100000Z")}
    known = {"services": services, "revision_before": NEW, "revision_after": NEW, "finished_at": at(9)}
    return HostState("chelsty", status, "restore", **{**known, "started_at": at(2), **fields})


def test_a_restore_ends_with_the_way_back():
    assert text_of(run_of(restored())).splitlines()[-2:] == [
        "to go back to what stood before: saturn restore chelsty zigbee2mqtt --from 20261126T100000Z",
        "1 host: 1 changed. Run 20261123T161002Z-7f3a, 7.0 s.",
    ]


def test_a_backup_before_a_deploy_is_no_way_back_of_its_own():
    kept = {"web": ServiceState("changed", "healthy", "20261126T100000Z")}

    assert "saturn restore" not in text_of(run_of(changed(services=kept)))


def test_services_that_were_saved_are_counted():
    host = unchanged()
    row = text_of(run_of(replace(host, stage="backup", services=services("saved", "saved", "failed")))).splitlines()[1]

    assert "3: 2 saved, 1 failed" in row


@pytest.mark.parametrize(
    ("status", "stage", "error", "help_line"),
    [
        (Status.FAILED, "backup", HostError("backup_no_room", "full"), "saturn backup --hosts chelsty"),
        (Status.FAILED, "restore", HostError("backup_damaged", "cut"), "saturn backup list --hosts chelsty"),
        (Status.FAILED, "backup", HostError("backup_no_room", "full", "df -h /opt"), "df -h /opt"),
        (
            Status.LOST, "restore", HostError("worker_lost", "gone", "saturn deploy --hosts chelsty --resume"),
            "saturn backup list --hosts chelsty",
        ),
        (Status.CANCELLED, "backup", None, "saturn backup --hosts chelsty"),
    ],
)  # fmt: skip
def test_whoever_backed_up_is_never_told_to_deploy(status, stage, error, help_line):
    begun = HostState("chelsty", status, stage, error=error, started_at=at(2), finished_at=at(9))
    planned = replace(begun, stage="", task=stage)

    assert f"help: {help_line}\n" in text_of(run_of(begun))
    assert f"help: {help_line}\n" in text_of(run_of(planned))


def test_whoever_declined_a_backup_is_told_how_to_have_it_after_all():
    host = HostState("chelsty", Status.DECLINED, task="backup", started_at=at(2), finished_at=at(9))

    assert "help: saturn backup --hosts chelsty\n" in text_of(run_of(host))


def test_a_thousand_hosts_are_a_screen_and_what_is_wrong_stands_whole():
    hosts = [unchanged(f"h{number}") for number in range(940)] + [changed(f"new{number}") for number in range(58)]
    text = text_of(run_of(*hosts, failed(), HostState("away", Status.UNREACHABLE, error=HostError("unreachable", "x"))))

    lines = text.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["host", "chelsty", "away"]
    assert "and 940 hosts unchanged at 8be02d44: h0, h1, h2, …" in lines
    assert "and 58 hosts changed at 8be02d44: new0, new1, new2, …" in lines
    assert f"all of them: saturn show {RUN} --json" in lines
    assert "error[healthcheck_failed]" in text
    assert lines[-1].startswith("1000 hosts: 58 changed, 940 unchanged, 1 failed, 1 unreachable.")
    assert len(lines) < 24


def test_many_hosts_that_were_not_started_are_told_once_why():
    hosts = [HostState(f"h{n}", Status.SKIPPED, error=HostError("halted", "canary chelsty failed")) for n in range(99)]

    assert (
        "and 99 hosts skipped (canary chelsty failed): h0, h1, h2, …" in text_of(run_of(failed(), *hosts)).splitlines()
    )
