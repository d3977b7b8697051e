"""The homelab that the end-to-end tests deploy: five services on three hosts, and a person on SATURN."""

import json
from pathlib import Path
from typing import Any

from support.fleet import Fleet
from support.homelab import FOREVER, Homelab, checked, container
from support.saturn import Saturn

SECRET = "s3cr3t-of-the-bridge"


class World:
    """A person's homelab, pushed to the forge of a fleet, and their saturn."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self.fleet = fleet
        folder.mkdir(parents=True, exist_ok=True)
        known_hosts = folder / "known_hosts"
        known_hosts.write_text(fleet.known_hosts.read_text())
        self.known_hosts = known_hosts
        ssh = {
            "user": "deploy",
            "identity_file": str(fleet.identity),
            "known_hosts": str(known_hosts),
            "connect_timeout_s": 8,
        }
        defaults = {"ssh": ssh, "git": {"url": fleet.forge.url}, "compose": {"up_timeout_s": 60}}
        hosts = {name: {"address": fleet.host(name).address} for name in ("chelsty", "solaria", "vps")}
        self.homelab = Homelab(folder / "homelab", hosts, defaults)
        self.saturn = Saturn(self.homelab.folder, folder / "home")
        self._write_services()
        fleet.host("chelsty").write("/opt/homelab/config/bridge/.env", f"BROKER_PASSWORD={SECRET}\n", mode=0o600)
        self.push("the homelab")

    def push(self, message: str = "a change") -> str:
        """Commit everything and push it to the forge; return the revision."""
        revision = self.homelab.commit(message)
        self.fleet.push(self.homelab.folder)
        return revision

    def containers(self, host: str) -> dict[str, str]:
        """Container name to state, for the running and the ended alike."""
        return {each["Names"]: each["State"] for each in self.fleet.host(host).containers()}

    def container_ids(self, host: str) -> dict[str, str]:
        """Container name to its id."""
        return {each["Names"]: each["ID"] for each in self.fleet.host(host).containers()}

    def events(self, host: str) -> list[dict[str, Any]]:
        """The events of the newest run, as the node wrote them down."""
        runs = self.fleet.host(host).exec("ls", "/opt/homelab/state/deploy/runs").stdout.split()
        lines = self.fleet.host(host).read(f"/opt/homelab/state/deploy/runs/{max(runs)}/events.jsonl").splitlines()
        return [json.loads(line) for line in lines]

    def _write_services(self) -> None:
        lab = self.homelab
        lab.write_service("broker", {"broker": checked()})
        lab.write_service(
            "bridge",
            {"bridge": container(environment={"PASSWORD": "${BROKER_PASSWORD}"})},
            healthcheck='test "$(docker compose exec -T bridge sh -c \'echo $PASSWORD\')" = "$BROKER_PASSWORD"',
            depends_on=["broker"],
            required_env=["BROKER_PASSWORD"],
        )
        lab.write_service("llm", {"llm": container(environment={"GPU": "none"})})
        lab.write_service("proxy", {"proxy": checked()})
        lab.write_service(
            "site",
            {
                "build": container("echo built; exit 0", restart="no"),
                "site": container(
                    f"echo hello; {FOREVER}", depends_on={"build": {"condition": "service_completed_successfully"}}
                ),
            },
            depends_on=["proxy"],
        )
        lab.assign("chelsty", ["bridge", "broker"])
        lab.assign("solaria", ["llm"])
        lab.assign("vps", ["proxy", "site"])
