from __future__ import annotations

import os
from pathlib import Path

import pytest
from orchestrator.topology.homelab import GIT, homelab, services

from saturn_orchestrator.topology.load import find, load
from saturn_orchestrator.topology.model import (
    Backup,
    Compose,
    Git,
    Healthcheck,
    Host,
    Ingress,
    Layout,
    Policy,
    Rollout,
    Service,
    Ssh,
    Topology,
    login_name,
)

HEAD = "version: 1\n" + GIT
INVENTORY = Path(__file__).parents[3] / "inventory"


def test_host_with_nothing_behind_it_has_all_defaults(tmp_path: Path):
    file = homelab(tmp_path, HEAD + "hosts:\n  vps:\n")
    assert load(file) == Topology(
        version=1,
        controller="saturn",
        hosts={
            "vps": Host(
                name="vps",
                address="vps",
                ssh=Ssh(
                    user=login_name(),
                    identity_file=Path.home() / ".ssh/id_ed25519",
                    known_hosts=tmp_path / "inventory/known_hosts",
                ),
                git=Git(url="ssh://git@forge/homelab.git", path="/opt/homelab/repo"),
            )
        },
        folder=tmp_path,
        file=file,
    )


def test_defaults_entry_and_host_file_are_merged_in_this_order(tmp_path: Path):
    topology = """
        version: 1
        defaults:
          root: /srv/lab
          ssh: {user: homelab, port: 2222, jump: bastion}
          git: {url: "ssh://forge/lab.git", branch: stable}
          compose: {command: [docker, compose]}
        hosts:
          vps:
            ack_timeout_s: 30
            ssh: {port: 2200, identity_file: keys/vps, jump: null}
            compose: {command: [podman, compose]}
            tags: [one]
          plain:
    """
    host_file = "ssh: {user: admin, identity_file: null}\ntags: [two]\nlink: metered\ncompose:\n"
    hosts = load(homelab(tmp_path, topology, {"hosts/vps/host.yaml": host_file})).hosts
    known_hosts = tmp_path / "inventory/known_hosts"
    git = Git(url="ssh://forge/lab.git", branch="stable", path="/srv/lab/repo")
    assert hosts == {
        "vps": Host(
            name="vps",
            address="vps",
            root="/srv/lab",
            ack_timeout_s=30,
            link="metered",
            tags=("two",),
            ssh=Ssh(user="admin", port=2200, identity_file=None, known_hosts=known_hosts, jump=None),
            git=git,
            compose=Compose(command=("podman", "compose")),
        ),
        "plain": Host(
            name="plain",
            address="plain",
            root="/srv/lab",
            ssh=Ssh(
                user="homelab",
                port=2222,
                identity_file=Path.home() / ".ssh/id_ed25519",
                known_hosts=known_hosts,
                jump="bastion",
            ),
            git=git,
        ),
    }


def test_service_file_is_read_and_its_folder_follows_the_layout(tmp_path: Path):
    metadata = """
        description: Zigbee bridge
        exposure: public
        depends_on: [mosquitto]
        required_env: [MQTT_PASSWORD]
        healthcheck: {timeout_s: 90}
        backup: {paths: [data], keep: 2}
    """
    files = {
        "machines/vps/zigbee/compose.yaml": "services: {}\n",
        "machines/vps/zigbee/service.yaml": metadata,
        "machines/vps/mosquitto/docker-compose.yaml": "services: {}\n",
    }
    topology = HEAD + (
        "layout: {service: 'machines/{host}/{service}', host: 'machines/{host}'}\n"
        "hosts: {vps: {services: [zigbee, mosquitto], ingress: {public: [zigbee]}}}\n"
    )
    host = load(homelab(tmp_path, topology, files)).hosts["vps"]
    assert (host.ingress, host.services) == (
        Ingress(public=("zigbee",)),
        (
            Service(name="mosquitto", folder="machines/vps/mosquitto"),
            Service(
                name="zigbee",
                folder="machines/vps/zigbee",
                description="Zigbee bridge",
                exposure="public",
                depends_on=("mosquitto",),
                required_env=("MQTT_PASSWORD",),
                healthcheck=Healthcheck(timeout_s=90),
                backup=Backup(paths=("data",), keep=2),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("word", "image", "is_carrier"),
    [
        ("", "tailscale/tailscale:latest", True),
        ("connectivity: null", "ghcr.io/tailscale/tailscale", True),
        ("connectivity: false", "tailscale/tailscale:latest", False),
        ("", "busybox", False),
        ("connectivity: true", "busybox", True),
    ],
)
def test_a_service_carries_the_connection_when_it_says_so_or_its_image_does(
    tmp_path: Path, word: str, image: str, is_carrier: bool
):
    files = {
        "services/net/compose.yaml": f"services: {{main: {{image: {image}}}}}\n",
        "services/net/service.yaml": word,
    }
    host = load(homelab(tmp_path, HEAD + "hosts: {vps: {services: [net]}}\n", files)).hosts["vps"]
    assert (host.services[0].connectivity, host.carriers) == (is_carrier, frozenset({"net"} if is_carrier else ()))


def test_what_carries_the_connection_is_deployed_last(tmp_path: Path):
    files = services("net", "web", dns="connectivity: true", app="depends_on: [dns]")
    files["services/net/docker-compose.yml"] = "services: {main: {image: linuxserver/wireguard}}\n"
    host = load(homelab(tmp_path, HEAD + "hosts: {vps: {services: [net, app, dns, web]}}\n", files)).hosts["vps"]
    assert [each.name for each in host.services] == ["web", "dns", "app", "net"]


def test_sections_of_the_whole_topology_are_read(tmp_path: Path):
    topology = HEAD + (
        "controller: desk\nlayout:\nrollout: {parallel: 3, batches: [1, '25%'], max_failures: '10%'}\n"
        "policy: {forbidden_devices: ['/dev/ttyUSB*']}\nhosts: {vps: }\n"
    )
    loaded = load(homelab(tmp_path, topology))
    assert (loaded.controller, loaded.layout, loaded.rollout, loaded.policy) == (
        "desk",
        Layout(),
        Rollout(parallel=3, batches=("1", "25%"), max_failures="10%"),
        Policy(forbidden_devices=("/dev/ttyUSB*",)),
    )


def test_hosts_keep_the_order_of_the_file(tmp_path: Path):
    assert list(load(homelab(tmp_path, HEAD + "hosts: {zulu: , alpha: , mike: }\n")).hosts) == ["zulu", "alpha", "mike"]


def test_aliases_of_moderate_size_are_followed(tmp_path: Path):
    topology = HEAD + "hosts:\n  one: {tags: &tags [a, b]}\n  two: {tags: *tags}\n"
    assert load(homelab(tmp_path, topology)).hosts["two"].tags == ("a", "b")


def test_byte_order_mark_is_passed_over(tmp_path: Path):
    assert load(homelab(tmp_path, (HEAD + "hosts: {vps: }\n").encode("utf-8-sig"))).version == 1


def test_empty_host_and_service_files_are_fine(tmp_path: Path):
    files = services(web="# nothing yet\n") | {"hosts/vps/host.yaml": ""}
    host = load(homelab(tmp_path, HEAD + "hosts: {vps: {services: [web]}}\n", files)).hosts["vps"]
    assert host.services == (Service(name="web", folder="services/web"),)


def test_topology_outside_an_inventory_folder_lies_in_the_repository_root(tmp_path: Path):
    file = homelab(tmp_path, HEAD + "hosts: {vps: }\n").rename(tmp_path / "lab.yaml")
    assert load(file).folder == tmp_path


def test_find_looks_upwards(tmp_path: Path):
    file = homelab(tmp_path, HEAD)
    deep = tmp_path / "services" / "web"
    deep.mkdir(parents=True)
    assert [find(start) for start in (tmp_path, deep, tmp_path / "inventory")] == [file, file, file]


@pytest.mark.parametrize("name", ["topology.yaml", "topology.example.yaml"])
def test_sample_inventory_loads(name: str):
    hosts = load(INVENTORY / name).hosts
    assert {name: [each.name for each in host.services] for name, host in hosts.items() if host.services} == {
        "chelsty": ["mosquitto", "zigbee2mqtt", "homeassistant"],
        "solaria": ["ollama"],
        "vps": ["caddy"],
    }


def test_sample_chelsty_is_autonomous_and_only_the_vps_is_open_to_the_world():
    hosts = load(INVENTORY / "topology.yaml").hosts.values()
    assert [host.name for host in hosts if host.autonomous] == ["chelsty"]
    assert {host.name: host.ingress.public for host in hosts if host.ingress.public} == {"vps": ("caddy",)}


def test_sample_health_checks_are_executable():
    checks = sorted(INVENTORY.rglob("healthcheck.sh"))
    assert checks
    assert [check for check in checks if not os.access(check, os.X_OK)] == []
