from __future__ import annotations

import pytest
from support.build import deferred
from support.report_values import NEW, OLD, RUN, at, shown
from support.tailscaled import peer

from saturn_orchestrator.events import Facts, LockFact, Problem, RunFact, ServiceFact
from saturn_orchestrator.report.status_view import status_table
from saturn_orchestrator.state.model import HostError
from saturn_orchestrator.state.standing import Standing, Surroundings
from saturn_orchestrator.tailnet.model import Path


def later() -> str:
    return at(0, minute=40)


def facts(**fields) -> Facts:
    known = {
        "revision": OLD, "stage": "complete", "last_run": RunFact(RUN, "success", OLD, "complete", at(0)),
        "services": (
            ServiceFact("mosquitto", "running", "healthy"),
            ServiceFact("zigbee2mqtt", "running", "unhealthy"),
            ServiceFact("caddy", "stopped"),
        ),
    }  # fmt: skip
    return Facts(1, at(0), RUN, "chelsty", **{**known, **fields})


def text_of(*standings: Standing, width: int = 120) -> str:
    return shown(status_table(standings, clock=later), width=width)


LOCK = LockFact(RUN, "ada", "saturn", at(0), 12, "deploy", "zigbee2mqtt")


def test_status_of_a_fleet_is_one_table():
    standings = (
        Standing("chelsty", "online", facts=facts(), behind=3),
        Standing("vps", "online", facts=facts(revision=NEW, services=(), last_run=None, stage=""), behind=0),
    )
    assert text_of(*standings) == (
        "host     reachability  revision            stage     last run             services"
        "                             lock\n"
        "chelsty  ✔ online      3f2a91c0, 3 behind  complete  success, 30 min ago  "
        "2/3 running, 1 healthy, 1 unhealthy  -\n"
        "vps      ✔ online      8be02d44            -         -                    -"
        "                                    -\n"
        "\n"
        "2 hosts: 2 online.\n"
    )


def test_what_is_wrong_stands_below_with_its_hint():
    standings = (
        Standing(
            "chelsty", "online",
            facts=facts(lock=LOCK, problems=(Problem("no_compose", "docker compose is missing", "apt install x"),)),
            behind=0,
        ),
        Standing(
            "pi", "unreachable", "journal", at(0), facts(),
            error=HostError("unreachable", "timed out after 20 s", "saturn status --hosts pi"),
        ),
        Standing("vps", "denied", error=HostError("permission_denied", "the host denied the login")),
    )  # fmt: skip
    assert text_of(*standings).split("\n", 5)[5] == (
        "error[no_compose]: docker compose is missing\n"
        "  --> chelsty\n"
        "  help: apt install x\n"
        "\n"
        f"note[locked]: run {RUN} holds the lock (by ada from saturn since 30 min ago), in deploy zigbee2mqtt\n"
        "  --> chelsty\n"
        "  help: saturn attach --hosts chelsty\n"
        "\n"
        "warning[unreachable]: timed out after 20 s\n"
        "  --> pi\n"
        "  note: the row above is remembered: 30 min ago\n"
        "  help: saturn status --hosts pi\n"
        "\n"
        "error[permission_denied]: the host denied the login\n"
        "  --> vps\n"
        "\n"
        "3 hosts: 1 online, 1 unreachable, 1 denied.\n"
    )


def test_a_host_that_is_worked_on_says_so():
    row = text_of(Standing("chelsty", "online", facts=facts(lock=LOCK, last_run=RunFact(RUN)))).splitlines()[1]
    assert row.split("  ")[-1] == "ada"
    assert "running, -" in row


def test_no_hosts_are_no_rows():
    assert text_of().splitlines()[-1] == "0 hosts."


@pytest.mark.parametrize("width", [40, 60, 80, 132])
@pytest.mark.parametrize("name", ["pi", "h" * 63])
def test_a_table_fits_and_never_cuts_the_reachability(width, name):
    standings = [Standing(f"{name}{number}", "unreachable", facts=facts(), behind=12) for number in range(30)]
    table = text_of(*standings, width=width).split("\n\n")[0].splitlines()
    assert max(len(line) for line in table) <= width
    assert sum("! unreachable" in line for line in table) == 30


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (120, "host reachability revision stage last run services lock"),
        (105, "host reachability revision last run services lock"),
        (80, "host reachability revision last run services"),
        (60, "host reachability revision"),
        (30, "host reachability"),
    ],
)
def test_a_narrow_table_has_fewer_columns(width, titles):
    standing = Standing("chelsty", "online", facts=facts(), behind=3)
    assert text_of(standing, width=width).splitlines()[0].split() == titles.split()


def test_hostile_facts_are_shown_as_typed():
    lock = LockFact("[red]r[/red]", by=":boom:", since="long ago")
    text = text_of(Standing("chelsty", "online", facts=facts(lock=lock, stage="[bold]")))
    assert "note[locked]: run [red]r[/red] holds the lock (by :boom: since -)" in text
    assert "[bold]" in text


def test_a_host_that_is_away_is_no_error():
    standing = Standing("chelsty", "offline", error=HostError("offline", "last seen 3 h ago"))
    assert text_of(standing).split("\n\n")[1:] == [
        "note[offline]: last seen 3 h ago\n  --> chelsty",
        "1 host: 1 offline.\n",
    ]


# --- how far a host is from what git wants ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, told, words",
    [
        ({"behind": 0, "ahead": 0}, {}, "3f2a91c0"),
        ({"behind": 3, "ahead": 0}, {}, "3f2a91c0, 3 behind"),
        ({"behind": 0, "ahead": 2}, {}, "3f2a91c0, 2 ahead"),
        ({"behind": 3, "ahead": 2}, {}, "3f2a91c0, 3 behind, 2 ahead"),
        ({}, {}, "3f2a91c0, unknown here"),
        ({"source": "journal"}, {}, "3f2a91c0"),
        ({}, {"revision": ""}, "-"),
        ({"behind": 1, "ahead": 0}, {"stale": True}, "3f2a91c0, 1 behind, stale"),
    ],
)
def test_a_revision_says_how_far_it_is_from_the_wanted_one(fields, told, words):
    row = text_of(Standing("pi", "online", **fields, facts=facts(**told)), width=200).splitlines()[1]

    assert row.split("online")[1].split("complete")[0].strip() == words


# --- what stands below the table --------------------------------------------------------------------------------------


def blocks_of(standing: Standing) -> list[str]:
    return text_of(standing).split("\n\n")[1:-1]


def test_drift_is_told_service_by_service():
    services = (
        ServiceFact("caddy", "running", drift=("caddy-1 was stopped", "caddy-2 is not there")),
        ServiceFact("web", "running"),
        ServiceFact("db", "running", drift=("its image is another one",)),
    )
    standing = Standing("chelsty", "online", facts=facts(services=services), behind=0, ahead=0)

    assert "3/3 running, 2 drifted" in text_of(standing, width=200)
    assert blocks_of(standing) == [
        (
            "warning[drift]: caddy is not as its last deploy left it: caddy-1 was stopped; caddy-2 is not there\n"
            "  --> chelsty, caddy\n"
            "  help: saturn plan --hosts chelsty"
        ),
        (
            "warning[drift]: db is not as its last deploy left it: its image is another one\n"
            "  --> chelsty, db\n"
            "  help: saturn plan --hosts chelsty"
        ),
    ]


def test_a_host_that_could_not_ask_origin_is_stale():
    assert blocks_of(Standing("chelsty", "online", facts=facts(stale=True), behind=0)) == [
        (
            "warning[stale]: chelsty could not ask origin when it was last deployed to\n"
            "  --> chelsty\n"
            "  help: saturn deploy --hosts chelsty"
        )
    ]


def test_orphans_are_told_with_both_ways_out():
    assert blocks_of(Standing("chelsty", "online", facts=facts(orphans=("old", "older")), behind=0)) == [
        (
            "note[orphans]: still there, and assigned to chelsty no more: old, older\n"
            "  --> chelsty\n"
            "  help: saturn plan --hosts chelsty --prune   # then deploy so, or assign them again"
        )
    ]


@pytest.mark.parametrize(
    "expires_at, until",
    [("2026-11-30T16:10:00Z", "good for 6 days more"), (at(50, minute=40), "good for 50 s more"), (at(0), "expired")],
)
def test_what_waits_for_a_host_says_for_how_long(expires_at, until):
    waiting = deferred(revision=NEW, at=at(0), expires_at=expires_at)
    standing = Standing("chelsty", "unreachable", error=HostError("unreachable", "no route"), deferred=waiting)

    assert blocks_of(standing) == [
        "warning[unreachable]: no route\n  --> chelsty",
        (
            f"note[deferred]: 8be02d44 waits for chelsty, confirmed by ada@saturn 30 min ago, {until}\n"
            "  --> chelsty\n"
            "  help: saturn catch-up --hosts chelsty"
        ),
    ]


# --- the tailnet ------------------------------------------------------------------------------------------------------


def test_the_path_is_a_column_where_a_host_has_one():
    standings = (
        Standing(
            "chelsty", "online", facts=facts(services=()), behind=0, peer=peer("chelsty", path=Path("derp", "fra"))
        ),
        Standing("saturn", "online", facts=facts(services=()), behind=0, peer=peer("saturn", is_self=True)),
        Standing("solaria", "online", facts=facts(services=()), behind=0, peer=peer("solaria")),
        Standing("vps", "online", facts=facts(services=()), behind=0),
    )

    lines = text_of(*standings, width=140).splitlines()

    column = lines[0].index("path")
    assert [line[column : column + 13].strip() for line in lines[1:5]] == ["DERP fra", "this machine", "not known", "-"]
    assert "path" not in text_of(standings[-1], width=140)


def test_a_host_that_the_tailnet_calls_offline_is_no_error():
    error = HostError("offline", "chelsty is offline, last seen 3 h ago", "saturn deploy --hosts chelsty")

    assert blocks_of(Standing("chelsty", "offline", error=error, peer=peer("chelsty", is_online=False))) == [
        ("note[offline]: chelsty is offline, last seen 3 h ago\n  --> chelsty\n  help: saturn deploy --hosts chelsty")
    ]


def test_a_key_that_expires_soon_is_said_before_nobody_can_log_in():
    soon = Standing("chelsty", "online", facts=facts(), behind=0, peer=peer("chelsty", key_expiry=at(0, minute=50)))

    assert blocks_of(soon) == [
        (
            "warning[tailnet_key_expiring]: chelsty: its tailnet key expires in 10 min\n"
            "  --> chelsty\n"
            "  help: renew it, or switch its expiry off, under Machines in the admin console"
        )
    ]


def test_what_the_tailnet_tells_beside_the_hosts_stands_below():
    around = Surroundings(
        HostError("tailnet_stopped", "tailscale is switched off on SATURN", "sudo tailscale up"),
        (("gpu", "solaria"),),
        tuple("abcdefghi"),
    )

    text = shown(status_table((Standing("vps", "online", facts=facts(), behind=0),), around, later), width=120)

    assert text.split("\n\n")[1:-1] == [
        "warning[tailnet_stopped]: tailscale is switched off on SATURN\n  help: sudo tailscale up",
        (
            "warning[tailnet_twins]: gpu and solaria are one and the same machine on the tailnet\n"
            "  help: keep one of them in the topology"
        ),
        "note[tailnet_strangers]: on the tailnet with Tailscale SSH, and in no topology: a, b, c, d, e, f, g, h …",
    ]


def test_a_thousand_hosts_are_a_screen_and_what_is_wrong_stands_whole():
    well = facts(services=(ServiceFact("mosquitto", "running", "healthy"),))
    standings = [Standing(f"h{number}", "online", facts=well, behind=0) for number in range(990)]
    standings += [Standing(f"late{number}", "online", facts=well, behind=3) for number in range(8)]
    standings += [Standing("sick", "online", facts=facts(), behind=0)]
    standings += [Standing("pi", "unreachable", error=HostError("unreachable", "timed out"))]

    lines = text_of(*standings).splitlines()

    assert [line.split()[0] for line in lines[:3]] == ["host", "sick", "pi"]
    assert "and 990 hosts online at 3f2a91c0, last run success: h0, h1, h2, …" in lines
    assert "and 8 hosts online at 3f2a91c0, 3 behind, last run success: late0, late1, late2, …" in lines
    assert "all of them: saturn status --json   # or some: saturn status --hosts NAME,NAME" in lines
    assert lines[-1] == "1000 hosts: 999 online, 1 unreachable."


def test_hosts_that_are_all_alike_need_no_table():
    lines = text_of(*(Standing(f"h{n}", "online", facts=facts(services=()), behind=0) for n in range(50))).splitlines()

    assert lines[0] == "and 50 hosts online at 3f2a91c0, last run success: h0, h1, h2, …"
