"""A run belongs to its node: whoever watches may go, come back, come from elsewhere, or ask it to stop."""

import json
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.fleet import Fleet
from support.fleet.host import FleetHost
from support.fleet.process import wait_until
from support.homelab import Homelab, container
from support.saturn import SATURN, Saturn

HELD = "/opt/homelab/held"
HOLD = "/opt/homelab/hold"
CHECK = f"touch {HELD}; while [ -e {HOLD} ]; do sleep 0.1; done"
HOST = "chelsty"
PATIENCE_S = 60


class Held:
    """A host with two services; the check of the first waits for as long as the hold stands."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.host: FleetHost = fleet.host(HOST)
        ssh = {"user": "deploy", "identity_file": str(fleet.identity), "known_hosts": str(fleet.known_hosts)}
        defaults = {"ssh": {**ssh, "connect_timeout_s": 8}, "git": {"url": fleet.forge.url}}
        self.homelab = Homelab(folder / "homelab", {HOST: {"address": self.host.address}}, defaults)
        self.homelab.write_service("first", {"first": container()}, healthcheck=CHECK)
        self.homelab.write_service("second", {"second": container()})
        self.homelab.assign(HOST, ["first", "second"])
        self.homelab.commit()
        fleet.push(self.homelab.folder)
        self.saturn = Saturn(self.homelab.folder, folder / "home")
        self.elsewhere = Saturn(self.homelab.folder, folder / "elsewhere", {"USER": "bob"})
        self.host.write(HOLD, "")

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Deploy in the background, up to the hold."""
        process = self.saturn.start("deploy", "--hosts", HOST, "--yes", *words)
        wait_until("the hold", lambda: self.host.path(HELD).exists(), limit_s=PATIENCE_S)
        return process

    def release(self) -> None:
        """Let the check go on."""
        self.host.path(HOLD).unlink(missing_ok=True)

    def node_events(self) -> list[dict[str, Any]]:
        """The newest run's events as the node wrote them down."""
        (*_, newest) = sorted(self.host.path("/opt/homelab/state/deploy/runs").iterdir())
        return [json.loads(line) for line in (newest / "events.jsonl").read_text().splitlines()]

    def is_journalled_once(self, saturn: Saturn) -> bool:
        """Whether the journal holds just the node's events of its newest run, each once and in order."""
        events = self.node_events()
        with closing(sqlite3.connect(saturn.state / "journal.db")) as database:
            query = "SELECT seq, type FROM events WHERE run = ? AND seq > 0 ORDER BY rowid"
            journalled = database.execute(query, (events[0]["run"],)).fetchall()
        return journalled == [(event["seq"], event["type"]) for event in events]


@pytest.fixture
def held(hosts: Fleet, tmp_path: Path) -> Iterator[Held]:
    held = Held(hosts, tmp_path)
    yield held
    held.release()


def test_attach_after_the_controller_was_killed_brings_the_whole_run_home(held: Held) -> None:
    deploy = held.begin()
    deploy.send_signal(signal.SIGKILL)
    deploy.communicate()
    watching = held.saturn.start("attach", "--json")
    time.sleep(1)
    held.release()

    out, err = watching.communicate(timeout=60)

    assert watching.returncode == 0, err
    (run,) = json.loads(out)["runs"]
    assert (run["outcome"], run["hosts"][HOST]["status"]) == ("success", "changed")
    assert held.is_journalled_once(held.saturn)
    again = held.saturn.run("attach")
    assert (again.exit_code, "nothing to attach to on chelsty" in again.err) == (0, True)


def test_attach_from_another_machine_with_an_empty_journal(held: Held) -> None:
    deploy = held.begin("--json")
    watching = held.elsewhere.start("attach", "--hosts", HOST, "--json")
    wait_until("the other's journal", lambda: (held.elsewhere.state / "journal.db").exists(), limit_s=PATIENCE_S)
    held.release()

    (out, err), (own, _) = watching.communicate(timeout=60), deploy.communicate(timeout=60)

    assert (watching.returncode, deploy.returncode) == (0, 0), err
    (run,) = json.loads(out)["runs"]
    assert run["run"] == json.loads(own)["run"]
    assert run["hosts"][HOST]["services"] == json.loads(own)["hosts"][HOST]["services"]
    assert held.is_journalled_once(held.saturn)
    assert held.is_journalled_once(held.elsewhere)


def test_a_run_that_ended_unseen_is_brought_home(held: Held) -> None:
    deploy = held.begin()
    deploy.send_signal(signal.SIGKILL)
    deploy.communicate()
    held.release()
    wait_until("the end", lambda: held.node_events()[-1]["type"] == "goodbye", limit_s=PATIENCE_S)
    held.saturn.forget()

    said = held.saturn.run("attach", "--hosts", HOST)

    assert said.exit_code == 0, said.err
    assert "1 host: 1 changed." in said.out
    assert held.is_journalled_once(held.saturn)


def test_a_document_that_nobody_takes_is_no_success(held: Held) -> None:
    held.release()
    words = (str(SATURN), "deploy", "--hosts", HOST, "--yes", "--json")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            words, stdout=full, stderr=subprocess.PIPE, text=True, cwd=held.homelab.folder, env=held.saturn.environ,
            check=False, timeout=60,
        )  # fmt: skip

    assert done.returncode == 1
    assert "note: the document could not be written (No space left on device); again: saturn show 20" in done.stderr


def test_a_line_that_breaks_is_taken_up_again(held: Held) -> None:
    deploy = held.begin("--json")
    held.host.exec("pkill", "-KILL", "-f", "sshd: deploy", user="root")
    time.sleep(2)
    held.release()

    out, err = deploy.communicate(timeout=60)

    assert deploy.returncode == 0, err
    assert json.loads(out)["hosts"][HOST]["status"] == "changed"
    assert "link lost, the node works on" in err
    assert "link restored" in err
    assert held.is_journalled_once(held.saturn)


def test_the_row_of_a_lost_line_says_that_the_node_works_on(held: Held) -> None:
    words = ("deploy", "--hosts", HOST)
    with ThreadPoolExecutor(1) as pool:
        typing = pool.submit(held.saturn.type, words, {"[q]uit: ": "y\n"}, columns=140)
        wait_until("the hold", lambda: held.host.path(HELD).exists(), limit_s=PATIENCE_S)
        held.host.refuse_ssh()
        held.host.exec("pkill", "-KILL", "-f", "sshd: deploy", user="root")
        time.sleep(3)
        held.host.allow_ssh()
        held.release()
        said = typing.result()

    assert said.exit_code == 0, said.out
    assert re.search(r"running.*link lost, node still working \([1-9] s\)", said.out)


def test_a_line_that_stays_away_leaves_the_run_and_says_how_to_come_back(held: Held) -> None:
    deploy = held.begin("--json", "--link-patience", "2s")
    held.host.refuse_ssh()
    held.host.exec("pkill", "-KILL", "-f", "sshd: deploy", user="root")

    out, err = deploy.communicate(timeout=60)

    assert deploy.returncode == 3, err
    host = json.loads(out)["hosts"][HOST]
    assert (host["status"], host["error"]["code"]) == ("running", "link_lost")
    assert host["error"]["hint"] == "saturn attach --hosts chelsty"
    assert "watch: saturn attach --hosts chelsty" in err.splitlines()[-2]
    held.host.allow_ssh()
    held.release()
    assert held.saturn.run("attach").exit_code == 0
    assert held.is_journalled_once(held.saturn)


def test_cancel_stops_softly_and_said_again_at_once(held: Held) -> None:
    deploy = held.begin("--json")

    soft = held.elsewhere.run("cancel", "--hosts", HOST)
    assert (soft.exit_code, "stops after the service in hand, verify" in soft.out) == (0, True), soft.err
    time.sleep(0.5)
    assert deploy.poll() is None
    hard = held.elsewhere.run("cancel", "--hosts", HOST, "--json")

    assert json.loads(hard.out)["hosts"][HOST]["now"] is True
    out, err = deploy.communicate(timeout=60)
    assert deploy.returncode == 6, err
    assert json.loads(out)["hosts"][HOST]["status"] == "cancelled"
    assert held.host.exec("pgrep", "-f", "healthcheck.sh", user="root", check=False).stdout == ""
    held.release()
    resumed = held.saturn.run("deploy", "--hosts", HOST, "--resume", "--yes", "--json")
    assert (resumed.exit_code, resumed.hosts[HOST]["services"]["first"]["health"]) == (0, "healthy"), resumed.err
    idle = held.saturn.run("cancel")
    assert (idle.exit_code, idle.out) == (0, "chelsty: no run is at work\n")


def test_detach_starts_the_run_and_leaves(held: Held) -> None:
    said = held.saturn.run("deploy", "--hosts", HOST, "--yes", "--detach", "--json")

    assert (said.exit_code, said.hosts[HOST]["status"], said.hosts[HOST]["error"]) == (0, "running", None), said.err
    assert "watch: saturn attach --hosts chelsty" in said.err
    held.release()
    home = held.saturn.run("attach", "--json")
    (run,) = home.document["runs"]
    assert (run["run"], run["hosts"][HOST]["status"]) == (said.document["run"], "changed")
    assert held.is_journalled_once(held.saturn)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_detaches_and_the_screen_says_what_runs(held: Held, number: signal.Signals) -> None:
    deploy = held.begin("--json")
    deploy.send_signal(number)

    out, err = deploy.communicate(timeout=60)

    assert deploy.returncode == 130
    assert json.loads(out)["hosts"][HOST]["status"] == "running"
    assert err.splitlines()[-2:] == [
        "note: still at work: chelsty; watch: saturn attach --hosts chelsty",
        "note: to stop: saturn cancel --hosts chelsty",
    ]
    held.release()
    assert held.saturn.run("attach").exit_code == 0


def test_a_second_deploy_is_told_who_holds_the_node(held: Held) -> None:
    deploy = held.begin("--json")

    said = held.elsewhere.run("deploy", "--hosts", HOST, "--yes", "--json")

    assert said.exit_code == 5
    error = said.hosts[HOST]["error"]
    assert error["code"] == "locked"
    assert "ada" in error["message"]
    assert error["hint"] == "saturn attach --hosts chelsty"
    held.release()
    deploy.communicate(timeout=60)
    assert deploy.returncode == 0


def test_a_killed_worker_is_lost_with_its_last_event(held: Held) -> None:
    deploy = held.begin("--json")
    held.host.exec("pkill", "-KILL", "-f", "saturn-node.* worker ", user="root")

    out, err = deploy.communicate(timeout=60)

    assert deploy.returncode == 1, err
    error = json.loads(out)["hosts"][HOST]["error"]
    assert error["code"] == "worker_lost"
    assert "died in verify" in error["message"]
    assert "its last event was service_started" in error["message"]
    held.release()
    assert held.saturn.run("deploy", "--hosts", HOST, "--resume", "--yes").exit_code == 0
