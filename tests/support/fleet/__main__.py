"""The fleet by hand: `PYTHONPATH=tests python -m support.fleet up|down|shell|install|missing`."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from support.fleet import bullseye, leftovers, requirements
from support.fleet.fleet import Fleet
from support.fleet.process import FleetError, wait_until

HOSTS = ("chelsty", "solaria", "vps")
FACTS = "by_hand.json"


def main() -> int:
    """Run one of the commands; a FleetError ends it with its sentence and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m support.fleet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring a fleet up and keep it until Ctrl-C or `down`")
    up.add_argument("hosts", nargs="*", default=HOSTS)
    commands.add_parser("down", help="end the fleet that `up` keeps, and sweep what dead ones left")
    shell = commands.add_parser("shell", help="log in to a host, or run a command there")
    shell.add_argument("host")
    shell.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("install", help="install what the end-to-end tests need (root, Debian)")
    commands.add_parser("missing", help="say what is missing; exit status 1 when something is")
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except FleetError as error:
        print(f"fleet: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "up":
            return _up(tuple(arguments.hosts))
        case "down":
            return _down()
        case "shell":
            return _shell(arguments.host, arguments.argv)
        case "install":
            requirements.install()
            bullseye.install()
            return _missing()
        case _:
            return _missing()


def _up(hosts: tuple[str, ...]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    try:
        with Fleet(leftovers.own_folder(), hosts) as fleet:
            logins = {host.name: fleet.ssh(f"deploy@{host.address}") for host in fleet.machines}
            (fleet.folder / FACTS).write_text(json.dumps({"pid": os.getpid(), "logins": logins}))
            for host in fleet.machines:
                print(f"{host.name:12} deploy@{host.address}")
            print(f"identity     {fleet.identity}\nknown hosts  {fleet.known_hosts}\nforge        {fleet.forge.url}")
            print("Ctrl-C, or `python -m support.fleet down`, ends it.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("fleet: down")
    return 0


def _end(number: int, frame: FrameType | None) -> None:
    """Leave the `with` block of `_up`, for Ctrl-C and the SIGTERM of `down` alike."""
    # A second Ctrl-C would only break the clearing up that the first one began.
    for every in (signal.SIGINT, signal.SIGTERM):
        signal.signal(every, signal.SIG_IGN)
    raise KeyboardInterrupt


def _down() -> int:
    kept = _kept_folders()
    for folder in kept:
        os.kill(_facts(folder)["pid"], signal.SIGTERM)
    wait_until("the fleets to go down", lambda: not any(folder.exists() for folder in kept), limit_s=60)
    with leftovers.one_at_a_time():
        leftovers.sweep()
    return 0


def _shell(host: str, argv: list[str]) -> int:
    for folder in _kept_folders():
        login = _facts(folder)["logins"].get(host)
        if login:
            os.execvp(login[0], (*login, *argv))
    raise FleetError(f"no fleet with a host {host} is up; run `python -m support.fleet up`")


def _missing() -> int:
    sentences = requirements.missing()
    print("\n".join(sentences) or "nothing is missing: the end-to-end tests can run")
    return 1 if sentences else 0


def _kept_folders() -> list[Path]:
    return [folder for folder in leftovers.live_folders() if (folder / FACTS).exists()]


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / FACTS).read_text())
    return facts


if __name__ == "__main__":
    sys.exit(main())
