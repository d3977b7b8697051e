"""What is kept of a topology: never believed when a reading would say something else, and never trusted blindly."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from orchestrator.topology.homelab import COMPOSE, homelab, services

from saturn_orchestrator.errors import InventoryError
from saturn_orchestrator.topology import cache
from saturn_orchestrator.topology.cache import cache_folder, cached, decoded, encoded
from saturn_orchestrator.topology.load import load
from saturn_orchestrator.topology.model import Topology

EVERYTHING = """\
version: 1
defaults:
  git: {url: "ssh://git@forge/homelab.git"}
  ssh: {identity_file: ~/.ssh/id, user: ada}
  compose: {command: [docker, compose]}
rollout: {batches: ["1", "25%"], max_failures: "10%"}
policy:
  severity: {privileged: error}
  waivers: [{code: privileged, host: alpha, service: web, reason: because, until: 2099-12-31}]
notify: {targets: [{url: "env:URL", when: [failure]}]}
hosts:
  alpha: {services: [web, db], autonomous: true, tags: [lte]}
  beta: {address: 10.0.0.2, services: [db], roles: [store]}
"""
WEB = "depends_on: [db]\nrequired_env: [TOKEN]\nbackup: {exclude: [cache]}\nsecrets: {command: [pass, '{name}']}\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return homelab(tmp_path / "lab", EVERYTHING, {**services("db", web=WEB), "hosts/beta/host.yaml": "tags: [attic]\n"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def silent(said: str) -> None:
    raise AssertionError(said)


def ask(file: Path, folder: Path) -> Topology:
    return cached(file, folder, silent)


def kept(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the inventory was read")

    monkeypatch.setattr("saturn_orchestrator.topology.load.load", refused)


def test_what_is_kept_is_what_was_read(file, folder, monkeypatch):
    read = ask(file, folder)
    forbid_reading(monkeypatch)

    assert read == load(file) == ask(file, folder)
    assert list(read.hosts) == list(ask(file, folder).hosts)


def test_the_sample_comes_back_from_its_rows():
    sample = load(Path(__file__).parents[3] / "inventory" / "topology.example.yaml")

    assert decoded(json.loads(json.dumps(encoded(sample)))) == sample


def test_neither_pydantic_nor_yaml_is_loaded_for_what_is_kept(file, folder):
    program = (
        "import sys; from pathlib import Path; from saturn_orchestrator.topology.cache import cached\n"
        f"topology = cached(Path({str(file)!r}), Path({str(folder)!r}), print)\n"
        "print(len(topology.hosts), sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    )
    said = [
        subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]

    assert said == ["2 ['pydantic', 'yaml']\n", "2 []\n"]


def rewritten(place: str, old: str, new: str) -> Callable[[Path], None]:
    """The file in the repository with a word in it changed, of the same length and with the same times."""

    def edit(lab: Path) -> None:
        path = lab / place
        before, text = path.stat(), path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return edit


def written(place: str, text: str) -> Callable[[Path], None]:
    def edit(lab: Path) -> None:
        (lab / place).parent.mkdir(parents=True, exist_ok=True)
        (lab / place).write_text(text)

    return edit


EDITS: dict[str, Callable[[Path], object]] = {
    "topology": rewritten("inventory/topology.yaml", "lte", "lan"),
    "host.yaml": rewritten("hosts/beta/host.yaml", "attic", "cells"),
    "host.yaml appears": written("hosts/alpha/host.yaml", "link: metered\n"),
    "host.yaml goes": lambda lab: (lab / "hosts/beta/host.yaml").unlink(),
    "host's folder renamed": lambda lab: (lab / "hosts/beta").rename(lab / "hosts/alpha"),
    "service.yaml": rewritten("services/web/service.yaml", "TOKEN", "TOKEM"),
    "service.yaml appears": written("services/db/service.yaml", "description: the database\n"),
    "service.yaml goes": lambda lab: (lab / "services/web/service.yaml").unlink(),
    "image": written("services/db/docker-compose.yml", COMPOSE.replace("busybox:1", "tailscale/tailscale")),
    "image, same size": rewritten("services/db/docker-compose.yml", "busybox:1", "headscale"),
    "other compose file": lambda lab: (lab / "services/db/docker-compose.yml").rename(lab / "services/db/compose.yaml"),
}
SAME = {"other compose file"}
"""Read again, and with the same result."""

BREAKS: dict[str, Callable[[Path], object]] = {
    "compose file goes": lambda lab: (lab / "services/db/docker-compose.yml").unlink(),
    "service's folder renamed": lambda lab: (lab / "services/db").rename(lab / "services/bd"),
    "host.yaml becomes a folder": lambda lab: (lab / "hosts/alpha/host.yaml").mkdir(parents=True),
    "service.yaml spoilt": rewritten("services/web/service.yaml", "[db]", "[bd]"),
    "topology spoilt": rewritten("inventory/topology.yaml", "version: 1", "version: 2"),
    "topology grows": lambda lab: (lab / "inventory/topology.yaml").write_text(EVERYTHING + "#" * 1024 * 1024),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_never_missed(edit, file, folder):
    before = ask(file, folder)
    EDITS[edit](file.parent.parent)

    after = ask(file, folder)

    assert after == load(file)
    assert (after == before) is (edit in SAME)
    assert after == ask(file, folder)


@pytest.mark.parametrize("edit", BREAKS)
def test_an_inventory_that_became_wrong_is_refused_each_time(edit, file, folder):
    ask(file, folder)
    BREAKS[edit](file.parent.parent)

    for _ in range(2):
        with pytest.raises(InventoryError):
            ask(file, folder)


def test_a_compose_file_before_the_one_that_was_found_is_seen(tmp_path, folder):
    files = {"services/web/compose.yaml": COMPOSE, "services/web/service.yaml": "description: web\n"}
    file = homelab(tmp_path, EVERYTHING.replace("[web, db]", "[web]").replace("[db]", "[web]"), files)
    assert not ask(file, folder).hosts["alpha"].carriers

    (tmp_path / "services/web/docker-compose.yml").write_text(COMPOSE.replace("busybox:1", "headscale"))

    assert ask(file, folder).hosts["alpha"].carriers == {"web"}


@pytest.mark.parametrize("name, value", [("HOME", "/elsewhere"), ("LOGNAME", "grace")])
def test_who_reads_counts(name, value, file, folder, monkeypatch):
    ask(file, folder)
    monkeypatch.setenv(name, value)

    assert ask(file, folder) == load(file)
    forbid_reading(monkeypatch)
    monkeypatch.delenv(name)
    with pytest.raises(AssertionError, match="was read"):
        ask(file, folder)


def test_another_version_of_saturn_reads_for_itself(file, folder, monkeypatch):
    ask(file, folder)
    monkeypatch.setattr(cache, "__version__", "0.0.1")
    forbid_reading(monkeypatch)

    with pytest.raises(AssertionError, match="was read"):
        ask(file, folder)


def test_inventories_do_not_share(file, folder, tmp_path):
    other = homelab(tmp_path / "other", EVERYTHING.replace("lte", "lan"), services("db", web=WEB))

    assert [ask(each, folder) == load(each) for each in (file, other, file)] == [True] * 3


def sealed(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def forged(data: bytes, change: Callable[[dict], object]) -> bytes:
    body = json.loads(data.partition(b"\n")[2])
    change(body)
    return sealed(json.dumps(body).encode())


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda data: data[:-40],
    "one bit": lambda data: data[:-9] + bytes((data[-9] ^ 1,)) + data[-8:],
    "no JSON": lambda _: sealed(b"{"),
    "deep": lambda _: sealed(b"[" * 100_000),
    "a list": lambda _: sealed(b"[]"),
    "a pickle": lambda _: b"cos\nsystem\n(S'touch /tmp/pwned'\ntR.",
    "no rows": lambda data: forged(data, lambda body: body.update(rows=[])),
    "other rows": lambda data: forged(data, lambda body: body.update(rows=[[0, "ada"]])),
    "a class beyond": lambda data: forged(data, lambda body: body["rows"].append([99])),
    "a row to come": lambda data: forged(data, lambda body: body["rows"].insert(0, [3, [4, 7]])),
    "a field of no kind": lambda data: forged(data, lambda body: body["rows"].append([3, [9, "x"]])),
    "files of no kind": lambda data: forged(data, lambda body: body.update(files=3)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_read_again(damage, file, folder):
    ask(file, folder)
    place = kept(folder)
    place.write_bytes(DAMAGE[damage](place.read_bytes()))

    assert ask(file, folder) == load(file)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_write_is_not_believed(mode, file, folder, monkeypatch):
    ask(file, folder)
    kept(folder).chmod(mode)
    forbid_reading(monkeypatch)

    with pytest.raises(AssertionError, match="was read"):
        ask(file, folder)


def test_nor_is_what_lies_where_others_may_write_or_behind_a_link(file, folder, tmp_path, monkeypatch):
    ask(file, folder)
    place = kept(folder)
    forbid_reading(monkeypatch)

    folder.chmod(0o777)
    with pytest.raises(AssertionError, match="was read"):
        ask(file, folder)
    folder.chmod(0o700)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AssertionError, match="was read"):
        ask(file, folder)


def test_a_cache_that_cannot_be_written_costs_a_word_and_nothing_else(file, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    said: list[str] = []

    assert cached(file, tmp_path / "cache", said.append) == load(file)
    assert len(said) == 1
    assert "could not be kept" in said[0]


def test_a_wrong_inventory_is_not_kept(tmp_path, folder):
    file = homelab(tmp_path, "version: 1\nhosts: {alpha: {prot: 3}}\n")

    with pytest.raises(InventoryError):
        ask(file, folder)

    assert not folder.exists()


def test_what_is_no_plain_file_does_not_hold_a_reading_up(file, folder):
    ask(file, folder)
    pipe = file.parent.parent / "services" / "db" / "docker-compose.yml"
    pipe.unlink()
    os.mkfifo(pipe)

    with pytest.raises(InventoryError):
        ask(file, folder)


@pytest.mark.parametrize(
    "environ, where",
    [({"XDG_CACHE_HOME": "/x"}, "/x/saturn"), ({"XDG_CACHE_HOME": ""}, "/home/ada/.cache/saturn")],
)
def test_where_it_lies(environ, where, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")

    assert cache_folder(environ) == Path(where)


def test_another_image_is_no_reason_to_read_again(file, folder):
    before = ask(file, folder)
    kept = {each: each.read_bytes() for each in folder.iterdir()}
    rewritten("services/db/docker-compose.yml", "busybox:1", "busybox:2")(file.parent.parent)

    assert ask(file, folder) == before == load(file)
    assert {each: each.read_bytes() for each in folder.iterdir()} == kept
