"""What is made of a machine's numbers and of the words of its programs."""

from __future__ import annotations

import json
import os

import pytest
from saturn_node import launch, machine
from saturn_node.machine import GIB, Room

NOW = 1_795_709_400.0  # 2026-11-26T16:10:00Z


@pytest.mark.parametrize(
    "free, size, status",
    [
        (50, 100, "ok"),
        (15, 100, "ok"),
        (14, 100, "warn"),
        (5, 100, "warn"),
        (4, 100, "fail"),
        (0, 100, "fail"),
        (0.9, 1, "fail"),  # less than one GiB, however small the disk
        (0, 0, "fail"),
    ],
)
def test_a_disk_that_fills_up_is_told_with_its_numbers(free, size, status):
    check = machine.disk_check("disk", "/opt/home lab", Room(1, int(size * GIB), int(free * GIB)))

    assert (check.name, check.status) == ("disk", status)
    assert "are free at /opt/home lab" in check.message
    assert check.fix == ("" if status == "ok" else "sudo du -xm -d 2 '/opt/home lab' | sort -n | tail")


def test_numbers_of_a_disk():
    assert machine.disk_check("docker_disk", "/d", Room(1, 20 * GIB, 500 << 20)).message == (
        "500 MiB of 20.0 GiB are free at /d (2 %)"
    )
    assert machine.disk_check("docker_disk", "/d", Room(1, 20 * GIB, 0)).fix.startswith("docker system df")


@pytest.mark.parametrize(
    "free, whole, status", [(50, 100, "ok"), (14, 100, "warn"), (4, 100, "fail"), (0, 100, "fail"), (0, 0, "ok")]
)
def test_inodes_run_out_where_there_is_a_limit(free, whole, status):
    check = machine.inode_check("inodes", "/opt/homelab", Room(1, GIB, GIB, whole, free))

    assert check.status == status
    assert bool(check.fix) == (status != "ok")


def test_the_disk_of_a_path_is_that_of_the_nearest_folder(tmp_path):
    room = machine.room_at(str(tmp_path / "not" / "yet"))

    assert (room.device, room.inodes) == (machine.room_at(str(tmp_path)).device, os.statvfs(tmp_path).f_files)
    assert 0 < room.free <= room.size


@pytest.mark.parametrize(
    "seen, status",
    [
        ({"MemTotal": 100, "MemAvailable": 50}, "ok"),
        ({"MemTotal": 100, "MemAvailable": 9}, "warn"),
        ({"MemTotal": 100, "MemAvailable": 1}, "fail"),
        ({"MemTotal": 100}, "skip"),
        ({}, "skip"),
    ],
)
def test_memory_is_what_can_be_had_without_swapping(seen, status):
    assert machine.memory_check(seen).status == status


def test_this_machine_tells_its_memory():
    assert machine.meminfo()["MemTotal"] > 1 << 20


@pytest.mark.parametrize(
    "told, status, message",
    [
        (None, "skip", "systemd does not run here"),
        ("Id=docker.service\nActiveState=active\n\nId=containerd.service\nActiveState=active\n", "ok",
         "active: containerd.service, docker.service"),
        ("Id=docker.service\nActiveState=failed\n\nId=tailscaled.service\nActiveState=failed\n", "fail",
         "failed: docker.service, tailscaled.service"),
        ("Id=docker.service\nActiveState=inactive\n", "ok", "active: none of them"),
        ("", "ok", "active: none of them"),
    ],
)  # fmt: skip
def test_a_unit_that_failed_is_told_with_the_way_to_its_journal(told, status, message):
    check = machine.units_check(told)

    assert (check.status, check.message) == (status, message)
    expected = "sudo systemctl restart docker.service; journalctl -u docker.service -n 50"
    assert check.fix == (expected if status == "fail" else "")


@pytest.mark.parametrize("reason, status", [(None, "skip"), ("", "ok"), ("linux-image-6.1", "warn")])
def test_an_update_that_waits_for_a_reboot(reason, status):
    assert machine.reboot_check(reason).status == status


@pytest.mark.parametrize(
    "way, is_killed, status",
    [
        (launch.SYSTEMD, None, "ok"),
        (launch.SYSTEMD_USER, None, "ok"),
        (launch.FORKED, True, "fail"),
        (launch.FORKED, None, "warn"),
        (launch.FORKED, False, "ok"),
    ],
)
def test_a_run_must_outlive_its_session(way, is_killed, status):
    check = machine.worker_check(way, "ada", is_killed)

    assert check.status == status
    assert check.fix == ("" if status == "ok" else "sudo loginctl enable-linger ada")


@pytest.mark.parametrize(
    "told, status, message",
    [
        (None, "skip", "not installed"),
        ({"BackendState": "Running", "Self": {}}, "ok", "never expires"),
        ({"BackendState": "Running", "Self": {"KeyExpiry": "2027-03-01T10:00:00Z"}}, "ok", "stays good"),
        ({"BackendState": "Running", "Self": {"KeyExpiry": "2026-11-29T16:10:00Z"}}, "warn", "expires in 3 days"),
        ({"BackendState": "Running", "Self": {"KeyExpiry": "2026-11-25T16:10:00Z"}}, "fail", "has expired"),
        ({"BackendState": "Stopped", "Self": None}, "skip", "Stopped"),
        ({"Self": "x"}, "skip", "None"),
    ],
)
def test_the_tailnet_key_is_told_before_it_expires(told, status, message):
    check = machine.tailnet_key_check(told, NOW)

    assert check.status == status
    assert message in check.message
    assert ("force-reauth" in check.fix) == (status in ("warn", "fail"))


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program on PATH that prints a text and ends with a status."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def made(name, text, status=0):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {status}\n")
        path.chmod(0o755)

    return made


@pytest.mark.parametrize(
    "text, told",
    [(json.dumps({"BackendState": "Running"}), {"BackendState": "Running"}), ("", None), ("[]", None), ("no", None)],
)
def test_what_tailscale_says_is_read_or_nothing(program, text, told):
    program("tailscale", text)

    assert machine.tailscale_status() == told


@pytest.mark.parametrize("word, told", [("yes", True), ("no", False), ("", None)])
def test_what_logind_does_to_what_a_user_started(program, word, told):
    program("loginctl", f"KillUserProcesses={word}")

    assert machine.kills_user_processes() is told


@pytest.mark.parametrize("status, reason", [(0, ""), (1, "packages were updated"), (2, None)])
def test_a_node_of_the_red_hat_family_is_asked_whether_it_wants_a_reboot(program, status, reason):
    program("needs-restarting", "", status)

    assert machine.reboot_reason() == reason


def test_a_program_that_is_not_there_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert machine.tailscale_status() is None
