"""A host that enters the topology: which files change, and when none may."""

from __future__ import annotations

from pathlib import Path

import pytest

from saturn_orchestrator.app.enrolment import Enrolment, enrolment
from saturn_orchestrator.errors import InventoryError, UsageError
from saturn_orchestrator.topology.load import load

TOPOLOGY = """# mine
version: 1
defaults:
  ssh: {user: ada}   # on all of them
  git: {url: "ssh://git@forge/x.git"}
hosts:
  # the first
  alpha:
    tags: [home]
    services: [web]
# the end
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "inventory" / "topology.yaml"
    file.parent.mkdir()
    file.write_text(TOPOLOGY)
    (tmp_path / "services" / "web").mkdir(parents=True)
    (tmp_path / "services" / "web" / "docker-compose.yml").write_text("services: {web: {image: a}}\n")
    return file


def written(file: Path, **entry: object) -> Enrolment:
    found = enrolment(file, "pi", entry)
    found.write()
    return found


def test_a_new_host_changes_the_topology_and_gets_a_starter(file):
    found = written(file, address="10.0.0.7", ssh={"user": "bob", "port": 2222}, services=["web"], tags=["lte"])

    entry = "  pi:\n    address: 10.0.0.7\n    ssh: {user: bob, port: 2222}\n    services: [web]\n    tags: [lte]\n"
    assert file.read_text() == TOPOLOGY.replace("# the end\n", entry + "# the end\n")
    assert [change.file.name for change in found.changes] == ["topology.yaml", "host.yaml"]
    assert load(file).hosts["pi"] == found.host
    assert (found.host.ssh.user, found.host.ssh.port, found.host.tags) == ("bob", 2222, ("lte",))


def test_what_would_be_so_anyway_is_not_written(file):
    written(file, address="pi", ssh={"user": "ada"})

    assert "  pi: {}\n" in file.read_text()


def test_the_difference_is_shown_as_git_shows_it(file):
    topology, starter = enrolment(file, "pi", {"tags": ["lte"]}).changes

    assert "+  pi:" in topology.diff.splitlines()
    assert [line for line in topology.diff.splitlines() if line.startswith("-") and not line.startswith("---")] == []
    assert starter.diff.startswith("--- /dev/null")


def test_a_second_time_changes_nothing(file):
    written(file, services=["web"], ssh={"port": 2222})

    assert enrolment(file, "pi", {"services": ["web"], "ssh": {"port": 2222}}).changes == ()
    assert enrolment(file, "pi", {}).changes == ()


@pytest.mark.parametrize(
    "entry", [{"address": "10.9.9.9"}, {"ssh": {"port": 1}}, {"services": []}, {"link": "metered"}]
)
def test_what_the_topology_contradicts_is_for_an_editor(file, entry):
    with pytest.raises(UsageError) as caught:
        enrolment(file, "alpha", entry)

    assert (caught.value.code, file.read_text()) == ("host_known", TOPOLOGY)


@pytest.mark.parametrize(
    "name, entry", [("pi", {"services": ["absent"]}), ("Not A Name", {}), ("pi", {"tags": ["no tag"]})]
)
def test_an_entry_that_would_be_wrong_is_an_error_and_nothing_is_written(file, name, entry):
    with pytest.raises(InventoryError):
        enrolment(file, name, entry)

    assert file.read_text() == TOPOLOGY


def test_the_first_host_of_a_topology_without_any(file):
    file.write_text(TOPOLOGY.split("hosts:")[0] + "hosts: {}  # none yet\n")

    assert written(file, services=["web"]).host.name == "pi"


def test_a_file_of_the_hosts_own_stays_and_counts(file):
    own = file.parent.parent / "hosts" / "pi" / "host.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("link: metered\n")

    found = written(file)

    assert (found.host.link, [change.file.name for change in found.changes]) == ("metered", ["topology.yaml"])


def test_a_topology_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InventoryError):
        enrolment(tmp_path / "topology.yaml", "pi", {})


def test_what_somebody_else_wrote_meanwhile_stays(file):
    found = enrolment(file, "pi", {})
    file.write_text(TOPOLOGY + "# more\n")

    with pytest.raises(UsageError):
        found.write()

    assert file.read_text() == TOPOLOGY + "# more\n"
