"""The control server of the tailnet: headscale on the forge, with its own DERP relay, over plain http."""

import json
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from support.fleet.host import FleetHost
from support.tailnet.daemon import Daemon
from support.tailnet.requirements import HEADSCALE, program

FOLDER = "/var/lib/saturn-tailnet"
PROGRAM = f"{FOLDER}/headscale"
CONFIG = f"{FOLDER}/config.yaml"
POLICY = f"{FOLDER}/policy.json"
CHECK = "SSH check pending"
DOMAIN = "tail.example"


class Headscale:
    """headscale with its users `saturn`, who owns the controller, and `lab`, in whose name nodes are tagged."""

    def __init__(self, host: FleetHost, log: Path) -> None:
        self.url = f"http://{host.address}:8080"
        self._host = host
        self._daemon = Daemon(host, (PROGRAM, "--config", CONFIG, "serve"), log)

    def start(self, policy: Mapping[str, object]) -> None:
        """Install it, start it with a policy and make its users."""
        self._host.exec("mkdir", "-p", FOLDER, user="root")
        shutil.copy2(program(HEADSCALE), self._host.path(PROGRAM))
        self._host.write(CONFIG, yaml.safe_dump(self._configuration()), owner="root")
        self._write_policy(policy)
        self._daemon.start()
        self._daemon.await_answer(PROGRAM, "--config", CONFIG, "users", "list")
        for name in ("saturn", "lab"):
            self.call("users", "create", name)

    def _configuration(self) -> dict[str, object]:
        server = {
            "enabled": True,
            "region_id": 999,
            "region_code": "lab",
            "region_name": "lab",
            "verify_clients": False,
            "stun_listen_addr": "0.0.0.0:3478",
            "private_key_path": f"{FOLDER}/derp.key",
            "automatically_add_embedded_derp_region": True,
            "ipv4": self._host.address,
            "ipv6": "",
        }
        return {
            "server_url": self.url,
            "listen_addr": "0.0.0.0:8080",
            "metrics_listen_addr": "",
            "grpc_listen_addr": "127.0.0.1:50443",
            "unix_socket": f"{FOLDER}/headscale.sock",
            "noise": {"private_key_path": f"{FOLDER}/noise.key"},
            "prefixes": {"v4": "100.64.0.0/10", "v6": "fd7a:115c:a1e0::/48"},
            "derp": {"server": server, "urls": [], "paths": [], "auto_update_enabled": False},
            "disable_check_updates": True,
            "database": {"type": "sqlite", "sqlite": {"path": f"{FOLDER}/db.sqlite"}},
            "dns": {
                "magic_dns": True,
                "base_domain": DOMAIN,
                "override_local_dns": False,
                "nameservers": {"global": []},
            },
            "policy": {"mode": "file", "path": POLICY},
        }

    def call(self, *words: str) -> Any:
        """Run one of headscale's commands and return what it printed, read as JSON."""
        argv = (PROGRAM, "--config", CONFIG, *words, "--output", "json", "--force")
        printed = self._host.exec(*argv, user="root", timeout_s=30).stdout
        return json.loads(printed) if printed.strip() else None

    def key(self, user: str, *tags: str) -> str:
        """Return a key that lets a machine join, as the user's or under these tags."""
        number = next(each["id"] for each in self.call("users", "list") if each["name"] == user)
        tagged = ("--tags", ",".join(tags)) if tags else ()
        made: dict[str, Any] = self.call("preauthkeys", "create", "--user", str(number), "--reusable", *tagged)
        return str(made["key"])

    def checks(self) -> list[str]:
        """Return the ids of the approvals that were asked for so far, in order."""
        return [
            found[1]
            for line in self._daemon.log.read_text(errors="replace").splitlines()
            if CHECK in line and (found := re.search(r"auth_id=(\S+)", line))
        ]

    def node_id(self, name: str) -> str:
        """Return headscale's number of a node."""
        return str(next(each["id"] for each in self.call("nodes", "list") if each["given_name"] == name))

    def reload(self, policy: Mapping[str, object]) -> None:
        """Take another policy; the nodes hear of it a little later."""
        self._write_policy(policy)
        self._daemon.signal(signal.SIGHUP)

    def _write_policy(self, policy: Mapping[str, object]) -> None:
        self._host.write(POLICY, json.dumps(policy), owner="root")

    def stop(self) -> None:
        """End it: nodes that know each other go on."""
        self._daemon.stop()

    def restart(self) -> None:
        """Start it again."""
        self._daemon.start()
        self._daemon.await_answer(PROGRAM, "--config", CONFIG, "users", "list")
