from __future__ import annotations

import pytest
from support.report_values import NEW, OLD, RUN, at, shown

from saturn_orchestrator.events import Facts, LockFact, Problem, RunFact, ServiceFact
from saturn_orchestrator.report.status_view import status_table
from saturn_orchestrator.state.model import HostError
from saturn_orchestrator.state.standing import Standing


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
    return shown(status_table(standings, later), width=width)


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
