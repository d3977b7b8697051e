"""What validate looks up on the disk: owners, links, permission bits, zigbee2mqtt's own configuration."""

import json
import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saturn_node import policy, validation
from support.node import Node, compose_json


@pytest.mark.parametrize(
    ("configuration", "port"),
    [
        ("serial:\n  port: /dev/ttyUSB0\n", "/dev/ttyUSB0"),
        ("serial:\n  port: tcp://192.168.1.7:6638", "tcp://192.168.1.7:6638"),
        ("mqtt:\n  server: mqtt://x\nserial:  # the stick\n  adapter: ember\n  port: '/dev/a b'\n", "/dev/a"),
        ('serial:\n\n# a note\n  # another\n\tport: "/dev/ttyACM0" # the stick\n', "/dev/ttyACM0"),
        ("serial: {port: /dev/ttyUSB0, adapter: zstack}\n", "/dev/ttyUSB0"),
        ("serial: {adapter: zstack, port: tcp://slzb:6638}\n", "tcp://slzb:6638"),
        ("frontend:\n  port: 8080\nserial:\n  adapter: ember\n", ""),
        ("serial:\n  adapter: ember\nfrontend:\n  port: 8080\n", ""),
        ("# serial:\n#   port: /dev/ttyUSB0\n", ""),
        ("serial:\n", ""),
        ("serial:\n  port:\n", ""),
        ("", ""),
        ("\0", ""),
    ],
)
def test_serial_port_is_read_from_a_configuration(configuration, port):
    assert validation.serial_port(configuration) == port


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(("serial:", " port: a", "  x", "\t", "#", "", "{")), max_size=40).map("\n".join)
)
def test_any_text_has_a_serial_port_or_none(configuration):
    assert isinstance(validation.serial_port(configuration), str)


def test_long_configuration_without_a_port_is_given_up_soon():
    assert validation.serial_port("serial:\n" + "    x: y\n" * 5000) == ""


@pytest.fixture
def defined(tmp_path, monkeypatch):
    """The definition of a service on a node, given what compose makes of its files."""
    node = Node(tmp_path)

    def definition(service="web", **keys):
        node.commit_services(service)
        config = {"services": {service: {"image": "app:1", **keys}}}
        monkeypatch.setattr(validation.compose, "resolved", lambda project: config)
        return validation.definition(replace(node.order, checkout=node.origin), node.order.services[0])

    definition.node = node
    return definition


def test_owners_of_mounted_folders_are_looked_up_for_a_numeric_user(defined):
    folder = defined.node.path("root/data/web")
    os.makedirs(folder)
    mounts = [f"{folder}:/data", f"{folder}/none:/none", "data:/x"]
    assert defined(user="1234:7", volumes=mounts).owners == {folder: os.getuid()}
    assert defined(user="node", volumes=mounts).owners == {}


def test_folder_of_another_owner_is_named_with_the_command_that_mends_it(defined):
    folder, other = defined.node.path("root/data/web"), os.getuid() + 1
    os.makedirs(folder)
    found = policy.violations(defined.node.order, [defined(user=f"{other}:7", volumes=[f"{folder}:/data"])])
    told = [(each.key, each.hint) for each in found if each.code == "folder_owner"]
    assert told == [("services.web.volumes[0]", f"sudo chown -R {other}:7 {folder}")]


def test_devices_are_followed_to_what_they_are_links_to(defined):
    found = defined(devices=["/dev/stdin", "/dev/null", "/dev/none", "nvidia.com/gpu=all"]).real
    assert found == {"/dev/stdin": os.path.realpath("/dev/stdin"), "/dev/null": "/dev/null", "/dev/none": "/dev/none"}
    assert found["/dev/stdin"] != "/dev/stdin"


def test_mode_of_the_env_is_looked_at(defined):
    assert defined().env_mode == 0
    os.chmod(defined.node.env_file("web", "A=1\n"), 0o640)
    assert (defined().env_mode, defined().env) == (0o640, {"A": "1"})


@pytest.mark.parametrize("is_executable", [True, False])
def test_health_check_is_looked_at(defined, is_executable):
    os.chmod(defined.node.write("origin/services/web/healthcheck.sh", "exit 0"), 0o755 if is_executable else 0o644)
    found = defined()
    assert (found.healthcheck_exists, found.healthcheck_executable) == (True, is_executable)


@pytest.mark.parametrize("where", ["root/data/zigbee2mqtt", "elsewhere"])
def test_coordinator_is_read_where_the_container_will_read_it(defined, where):
    defined.node.write(f"{where}/configuration.yaml", "serial:\n  port: /dev/ttyUSB0\n")
    found = defined("zigbee2mqtt", volumes=[f"{defined.node.path(where)}:/app/data"])
    assert found.coordinator == "/dev/ttyUSB0"


def test_coordinator_is_looked_for_in_the_data_folder_of_a_service_that_mounts_none(defined):
    defined.node.write("root/data/zigbee2mqtt/configuration.yaml", "serial: {port: /dev/ttyACM0}\n")
    assert defined("zigbee2mqtt").coordinator == "/dev/ttyACM0"


def test_paths_that_are_none_are_no_trouble(defined):
    odd = ("/x\0y", "/\ud800", "/" + "a" * 5000, "/dev/\0", "/dev/\ud800")
    found = defined(user="7", devices=list(odd), volumes=[f"{each}:/app/data" for each in odd])
    assert (found.coordinator, found.owners) == ("", {})
    assert set(found.real) == {"/dev/\0", "/dev/\ud800"}


def test_service_without_files_is_told_as_it_is(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web")
    folder = replace(node.order, checkout=node.path("nowhere"))
    found = validation.definition(folder, node.order.services[0])
    assert (found.folder_exists, found.compose_file, found.config) == (False, "", None)


def test_errors_block_and_warnings_do_not(tmp_path):
    node = Node(tmp_path)
    node.commit_services("web", ports=["80:80"], healthcheck={"test": "true"}, restart="always")
    revision = node.git("rev-parse", "HEAD")
    events = node.deploy("r1", revision)
    assert events[-1]["outcome"] == "blocked"
    failed = next(each for each in events if each["type"] == "stage_failed")
    assert (failed["code"], failed["service"]) == ("port_exposed", "web")

    node.commit(**{"services/web/docker-compose.yml": compose_json("web", ports=["127.0.0.1:80:80"])})
    events = node.deploy("r2", node.git("rev-parse", "HEAD"))
    told = {each["code"]: each["severity"] for each in events if each["type"] == "finding"}
    assert set(told.values()) == {"warning"}
    assert events[-1]["outcome"] == "success", json.dumps(events[-1])
