"""`saturn status --watch`: one login a host, hosts that go and come back, and an end that leaves nothing behind."""

import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

import pytest
from support.fleet.process import wait_until
from support.homelab import IMAGE_2, container
from support.saturn import Saturn
from support.world import World

LIMIT_S = 150
"""A line that is cut is given up after 45 s of silence, and then a host is tried again for 8 s."""

ANSWER_S = 10
"""What an executor takes at most to give an answer that nobody waits for any more, on a machine with much to do."""

Document = dict[str, Any]


class Watching:
    """A `saturn status --watch 1 --json` at work."""

    def __init__(self, saturn: Saturn, *words: str) -> None:
        self.process = saturn.start("status", "--watch", "1", "--json", *words)
        self.seen: list[Document] = []
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._reader.join()
        with self.process:
            pass

    def until(self, wanted: Callable[[Document], bool]) -> Document:
        """The first document from now on that is as wanted."""
        while True:
            try:
                document = json.loads(self._lines.get(timeout=LIMIT_S))
            except Empty:
                raise AssertionError(f"it did not come to that; the last was {self.seen[-1:]}") from None
            self.seen.append(document)
            if wanted(document["hosts"]):
                return document["hosts"]

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Exit code and what was said on standard error."""
        self.process.send_signal(number)
        assert self.process.stderr
        words = self.process.stderr.read()
        return self.process.wait(60), words


@pytest.fixture
def watching(world: World) -> Iterator[Watching]:
    world.saturn.run("deploy", "--all", "--yes")
    with Watching(world.saturn) as watch:
        yield watch


def words(hosts: Document) -> dict[str, str]:
    return {name: host["reachability"] for name, host in hosts.items()}


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.timeout(500)
def test_a_host_that_goes_and_comes_back_is_told_and_harms_nobody(world: World, watching: Watching) -> None:
    before = {name: world.fleet.host(name).logins() for name in ("chelsty", "solaria", "vps")}
    watching.until(lambda hosts: set(words(hosts).values()) == {"online"})

    world.fleet.host("chelsty").cut_network()
    gone = watching.until(lambda hosts: words(hosts)["chelsty"] == "unreachable")
    assert words(gone) == {"chelsty": "unreachable", "solaria": "online", "vps": "online"}
    assert (gone["chelsty"]["source"], gone["chelsty"]["stage"]) == ("watch", "complete")
    assert gone["chelsty"]["again_at"]

    world.fleet.host("chelsty").heal_network()
    back = watching.until(lambda hosts: words(hosts)["chelsty"] == "online")
    assert back["chelsty"]["since"] > gone["chelsty"]["since"] > back["vps"]["since"]

    code, said = watching.end()
    assert (code, said) == (0, "")
    after = {name: world.fleet.host(name).logins() - before[name] for name in before}
    assert after["chelsty"] <= 2
    assert (after["solaria"], after["vps"]) == (1, 1), "one session a host, asked again and again"


def test_a_run_at_work_is_seen_with_its_lock(world: World, watching: Watching) -> None:
    watching.until(lambda hosts: set(words(hosts).values()) == {"online"})
    world.homelab.write_service("llm", {"llm": container(image=IMAGE_2)}, healthcheck="sleep 4")
    revision = world.push("a slow one")

    deploy = world.saturn.start("deploy", "--hosts", "solaria", "--yes", "--json")
    held = watching.until(lambda hosts: bool(hosts["solaria"]["lock"]))
    done = watching.until(lambda hosts: not hosts["solaria"]["lock"] and hosts["solaria"]["revision"] == revision)
    deploy.communicate(timeout=LIMIT_S)

    assert held["solaria"]["lock"]["by"].startswith("ada@")
    assert (done["solaria"]["behind"], done["solaria"]["last_run"]["revision"]) == (0, revision)
    assert done["vps"]["behind"] == 1
    assert watching.end()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_with_what_was_seen_and_leaves_no_process(world: World, number: int) -> None:
    world.fleet.host("vps").refuse_ssh()
    with Watching(world.saturn, "--hosts", "vps,solaria") as watch:
        watch.until(lambda hosts: words(hosts) == {"vps": "unreachable", "solaria": "online"})

        code, said = watch.end(number)

    assert (code, said) == (3, "")
    assert not Path(f"/proc/{watch.process.pid}").exists()
    wait_until("no executor stays on the node", lambda: not _is_asked(world), limit_s=ANSWER_S)


def _is_asked(world: World) -> bool:
    return bool(world.fleet.host("solaria").exec("pgrep", "-u", "deploy", "-f", "python3", check=False).stdout)


def test_a_reader_that_leaves_ends_it(world: World) -> None:
    command = f"{world.saturn.command[0]} status --watch --hosts solaria | head -1"
    done = subprocess.run(
        ("bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"), cwd=world.saturn.folder, env=world.saturn.environ,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert (done.stderr, json.loads(done.stdout.splitlines()[0])["version"]) == ("", 1)


def test_a_person_sees_a_table_that_stays(world: World) -> None:
    said = world.saturn.type(("status", "--watch", "1", "--hosts", "solaria"), {"1 online": "\x03"})

    assert said.exit_code == 0
    assert re.sub(r"\x1b\[[\d;]*m", "", said.out).rstrip().endswith("\n1 host: 1 online.")


def test_this_machine_is_watched_without_ssh(world: World, tmp_path: Path) -> None:
    hosts = {"here": {"transport": "local", "root": str(tmp_path / "root")}}
    world.homelab.topology["hosts"] = hosts
    world.homelab.commit("this machine alone")

    with Watching(world.saturn) as watch:
        watch.until(lambda hosts: words(hosts) == {"here": "online"})
        pids = children(watch.process.pid)
        code, said = watch.end()

    assert (code, said) == (0, "")
    assert pids
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
