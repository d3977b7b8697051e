"""The demo's homelab, written from saturn's own sample for either docker."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from saturn_orchestrator.app import sample
from saturn_orchestrator.app.demo_docker import DemoDocker
from saturn_orchestrator.app.demo_homelab import BROKER, COMPOSE, MISSPELT, DemoHomelab, Sample, stand_in
from saturn_orchestrator.app.demo_node import DemoNode
from saturn_orchestrator.topology.load import load


def written(folder: Path, docker: DemoDocker) -> DemoHomelab:
    """The homelab of three nodes, committed and pushed."""
    homelab_sample = Sample.of(sample.folder())
    nodes = [DemoNode(host, folder / host, {}) for host in homelab_sample.services]
    homelab = DemoHomelab(folder)
    homelab.write(homelab_sample, docker, {node.host: 2200 + index for index, node in enumerate(nodes)}, nodes)
    homelab.trust(["[127.0.0.1]:2200 ssh-ed25519 AAAA"])
    homelab.create()
    return homelab


def git(folder: Path, *words: str) -> str:
    return subprocess.run(("git", "-C", str(folder), *words), check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("docker", [DemoDocker(), DemoDocker("there is none")], ids=["real", "simulated"])
def test_the_homelab_is_the_sample_on_this_machine(tmp_path, docker):
    topology = load(written(tmp_path, docker).folder / "inventory/topology.yaml")
    hosts = {
        name: (host.address, host.ssh.port, host.root, [service.name for service in host.services])
        for name, host in topology.hosts.items()
    }
    bridge = ["demo-mosquitto", "demo-zigbee2mqtt", "demo-homeassistant"]
    assert hosts == {
        "chelsty": ("127.0.0.1", 2200, f"{tmp_path}/chelsty/homelab", bridge),
        "solaria": ("127.0.0.1", 2201, f"{tmp_path}/solaria/homelab", ["demo-ollama"]),
        "vps": ("127.0.0.1", 2202, f"{tmp_path}/vps/homelab", ["demo-caddy"]),
    }
    assert topology.hosts["vps"].ingress.public == ("demo-caddy",)
    depends_on = {service.name: service.depends_on for service in topology.hosts["chelsty"].services}
    assert depends_on["demo-zigbee2mqtt"] == ("demo-mosquitto",)


def test_a_real_docker_gets_one_tiny_image(tmp_path):
    files = sorted(written(tmp_path, DemoDocker()).folder.glob("services/*/docker-compose.yml"))
    images = {each["image"] for file in files for each in yaml.safe_load(file.read_text())["services"].values()}
    assert (len(files), images) == (5, {"busybox:1.36"})


def test_the_simulated_docker_gets_the_samples_own_compose_files(tmp_path):
    homelab = written(tmp_path, DemoDocker("there is none"))
    own = (sample.folder() / "services/zigbee2mqtt/docker-compose.yml").read_text()
    assert (homelab.folder / COMPOSE).read_text() == own


def test_a_pushed_change_reaches_the_forge_as_one_line(tmp_path):
    homelab = written(tmp_path, DemoDocker("there is none"))
    homelab.point_bridge_at(MISSPELT, BROKER)
    homelab.push("another broker")
    assert (
        git(homelab.forge, "log", "--format=%an: %s", "main")
        == "saturn demo: another broker\nsaturn demo: The homelab\n"
    )
    assert git(homelab.forge, "diff", "--numstat", "main~1", "main") == f"1\t1\t{COMPOSE}\n"


def test_a_stand_in_keeps_nothing_of_the_machine():
    real = {
        "services": {
            "bridge": {
                "image": "bridge:1",
                "environment": {"SERVER": "mqtt://mosquitto:1883"},
                "ports": ["80:80"],
                "volumes": ["/data:/data"],
                "devices": ["/dev/dri"],
                "privileged": True,
                "restart": "always",
                "networks": ["mqtt"],
            }
        },
        "networks": {"mqtt": {"name": "mqtt", "external": True}},
    }
    made = stand_in(real)
    assert set(made["services"]["bridge"]) == {"image", "init", "command", "healthcheck", "environment", "networks"}
    assert made["services"]["bridge"]["image"] == "busybox:1.36"
    assert '"http:$${SERVER#*:}/"' in made["services"]["bridge"]["healthcheck"]["test"][1]
    assert made["networks"] == {"mqtt": {"name": "demo-mqtt", "external": True}}
