"""Two people deploy to one node at the same moment, fifty times: just one wins, and the other is told who."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.fleet import Fleet
from support.fleet.hold import Hold
from support.homelab import Homelab, container
from support.saturn import Saturn

TIMES = 50
HOSTS = ("chelsty", "solaria", "vps")
PEOPLE = ("ada", "bob")


def deployed(saturn: Saturn, host: str) -> subprocess.Popen[str]:
    return saturn.start("deploy", "--hosts", host, "--yes", "--json")


def race(people: dict[str, Saturn], fleet: Fleet, host: str) -> str:
    """One race on one host: both begin, the winner is held until the other has ended; who won."""
    hold = Hold(fleet.host(host))
    hold.install()
    hold.set("validate")
    running = {name: deployed(saturn, host) for name, saturn in people.items()}
    hold.await_held()
    holder = fleet.host(host).read("/opt/homelab/state/deploy/lock.json")
    winner = next(name for name in people if f'"by": "{name}@' in holder)
    loser = next(name for name in people if name != winner)
    out, err = running[loser].communicate(timeout=60)
    assert running[winner].poll() is None, "the winner ended while it was held"
    assert running[loser].returncode == 5, (out, err)
    assert f"of {winner}@" in out, out
    hold.lift()
    out, err = running[winner].communicate(timeout=60)
    assert running[winner].returncode == 0, (out, err)
    return winner


@pytest.mark.timeout(600)
def test_of_two_controllers_just_one_wins_each_time(hosts: Fleet, tmp_path: Path) -> None:
    ssh = {"user": "deploy", "identity_file": str(hosts.identity), "known_hosts": str(hosts.known_hosts)}
    defaults = {"ssh": ssh, "git": {"url": hosts.forge.url}}
    lab = Homelab(tmp_path / "homelab", {name: {"address": hosts.host(name).address} for name in HOSTS}, defaults)
    lab.write_service("web", {"web": container()})
    for host in HOSTS:
        lab.assign(host, ["web"])
    lab.commit()
    hosts.push(lab.folder)

    def share(number: int) -> list[str]:
        host = HOSTS[number]
        people = {
            name: Saturn(lab.folder, tmp_path / f"{name}-{host}", {"USER": name, "LOGNAME": name}) for name in PEOPLE
        }
        return [race(people, hosts, host) for _ in range(number, TIMES, len(HOSTS))]

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        winners = [winner for each in pool.map(share, range(len(HOSTS))) for winner in each]
    for host in HOSTS:
        Hold(hosts.host(host)).remove()
    assert len(winners) == TIMES
