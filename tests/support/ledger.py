"""What must be true of a host after any fault: no event lost or doubled, no work done twice, no lock left."""

import json
import sqlite3
from contextlib import closing
from typing import Any

from support.fleet.hold import Hold
from support.fleet.host import FleetHost
from support.saturn import Saturn

ROOT = "/opt/homelab"
MARK = "[STRUCT] "


class Ledger:
    """The node's own books and SATURN's, of everything that was done on one host since it was emptied."""

    def __init__(self, host: FleetHost, saturn: Saturn) -> None:
        self.host = host
        self._saturn = saturn
        runs = host.path(f"{ROOT}/state/deploy/runs")
        self.runs = {run.name: self._events(run.name) for run in sorted(runs.iterdir())}

    def _events(self, run: str) -> list[dict[str, Any]]:
        text = self.host.path(f"{ROOT}/state/deploy/runs/{run}/events.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def check_sequences(self) -> None:
        """1..N in the node's file, its log and the journal alike."""
        for run, events in self.runs.items():
            told = [(event["seq"], event["type"]) for event in events]
            assert [seq for seq, _ in told] == list(range(1, len(told) + 1)), f"{run}: {told}"
            assert self._logged(events[0]["log"]) == events, f"{run}: the deploy log differs from events.jsonl"
            assert self._journalled(run) == told, f"{run}: the journal differs from events.jsonl"

    def _logged(self, path: str) -> list[dict[str, Any]]:
        lines = self.host.path(path).read_text().splitlines()
        return [json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK)]

    def _journalled(self, run: str) -> list[tuple[int, str]]:
        with closing(sqlite3.connect(self._saturn.state / "journal.db")) as database:
            query = "SELECT seq, type FROM events WHERE run = ? AND host = ? AND seq > 0 ORDER BY rowid"
            return list(database.execute(query, (run, self.host.name)))

    def check_nothing_ran_twice(self, hold: Hold) -> None:
        """A service that was completed is not brought up again, and none is brought up unseen."""
        completed: set[str] = set()
        begun: list[str] = []
        for events in self.runs.values():
            deploy = [event for event in events if event.get("stage") == "deploy"]
            begun += (started := [event["service"] for event in deploy if event["type"] == "service_started"])
            assert not completed & set(started), f"completed and begun again: {completed & set(started)}"
            completed |= {event["service"] for event in deploy if event["type"] == "service_finished"}
        ups = hold.ups()
        assert len(ups) <= len(begun), f"brought up {ups}, told {begun}"

    def check_no_lock(self) -> None:
        """Nobody holds the node."""
        free = self.host.exec("flock", "--nonblock", f"{ROOT}/state/deploy/lock", "true", user="root", check=False)
        assert free.returncode == 0, "the node's lock is held"

    def check_containers(self, *services: str) -> None:
        """Just these services run, and nothing else."""
        assert {each["Names"]: each["State"] for each in self.host.containers()} == {
            f"{service}-{service}-1": "running" for service in services
        }
