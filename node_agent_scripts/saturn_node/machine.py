"""The machine below the services: room on its disks, memory, the units it lives by, and what waits for a reboot.

Looking and judging are apart: `..._check` takes what was seen and says what it means.
"""

from __future__ import annotations

import json
import os
import shlex
from typing import Mapping, NamedTuple

from . import launch, proc, state
from .ages import seconds_since, span_text
from .errors import NodeError
from .facts import nearest_folder
from .late import shutil
from .wire import Check

ASK_TIMEOUT_S = 10.0
GIB = 1 << 30
WARN_BELOW, FAIL_BELOW = 0.15, 0.05
"""Shares of a disk, in bytes or inodes, that shall be free."""
FAIL_BYTES = GIB
MEMORY_WARN_BELOW, MEMORY_FAIL_BELOW = 0.10, 0.02
"""Shares of the memory that shall be available: what the kernel can give without swapping."""
KEY_WARN_S = 7 * 86_400

UNITS = ("docker.service", "containerd.service", "tailscaled.service")
_REBOOT = "/var/run/reboot-required"


class Room(NamedTuple):
    """A file system, as a user may fill it. device: which one. size, free: bytes. inodes: 0 where there is no limit."""

    device: int
    size: int
    free: int
    inodes: int = 0
    free_inodes: int = 0


def room_at(path: str) -> Room:
    """The file system of the path, or of the nearest folder above it that is there."""
    place = nearest_folder(path)
    seen = os.statvfs(place)
    size = (seen.f_blocks - seen.f_bfree + seen.f_bavail) * seen.f_frsize
    return Room(os.stat(place).st_dev, size, seen.f_bavail * seen.f_frsize, seen.f_files, seen.f_favail)


def size_text(size: int) -> str:
    """`12.3 GiB`, or whole MiB below one GiB."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size >> 20} MiB"


def disk_check(name: str, place: str, room: Room) -> Check:
    """Whether there are bytes left."""
    said = f"{size_text(room.free)} of {size_text(room.size)} are free at {place}"
    status = "fail" if room.free < FAIL_BYTES else _level(room.free, room.size, WARN_BELOW, FAIL_BELOW)
    fix = "docker system df   # then: docker image prune --all" if name.startswith("docker") else _largest(place)
    return Check(name, status, f"{said} ({_percent(room.free, room.size)})", "" if status == "ok" else fix)


def inode_check(name: str, place: str, room: Room) -> Check:
    """Whether new files can be made, however many bytes are left."""
    if not room.inodes:
        return Check(name, "ok", f"the file system at {place} has no limit")
    said = f"{room.free_inodes} of {room.inodes} inodes are free at {place}"
    status = _level(room.free_inodes, room.inodes, WARN_BELOW, FAIL_BELOW)
    fix = f"sudo du --inodes -x -d 2 {shlex.quote(place)} | sort -n | tail"
    return Check(name, status, f"{said} ({_percent(room.free_inodes, room.inodes)})", "" if status == "ok" else fix)


def _largest(place: str) -> str:
    return f"sudo du -xm -d 2 {shlex.quote(place)} | sort -n | tail"


def _level(free: int, whole: int, warn_below: float, fail_below: float) -> str:
    share = free / whole if whole else 0.0
    return "fail" if share < fail_below else "warn" if share < warn_below else "ok"


def _percent(free: int, whole: int) -> str:
    return f"{100 * free // whole if whole else 0} %"


def meminfo() -> dict[str, int]:
    """`/proc/meminfo` in bytes; empty where there is none."""
    fields = (line.split() for line in state.read_text("/proc/meminfo").splitlines())
    return {each[0].rstrip(":"): int(each[1]) << 10 for each in fields if len(each) > 1 and each[1].isdigit()}


def memory_check(seen: Mapping[str, int]) -> Check:
    """Whether there is memory left. seen: as `meminfo` has it."""
    whole, free = seen.get("MemTotal", 0), seen.get("MemAvailable", -1)
    if not whole or free < 0:
        return Check("memory", "skip", "this node does not tell how much memory is available")
    status = _level(free, whole, MEMORY_WARN_BELOW, MEMORY_FAIL_BELOW)
    said = f"{size_text(free)} of {size_text(whole)} are available ({_percent(free, whole)})"
    return Check("memory", status, said, "" if status == "ok" else "docker stats --no-stream   # who has it?")


def has_systemd() -> bool:
    """Whether systemd runs the node."""
    return os.path.isdir(launch.RUNNING)


def unit_states() -> str | None:
    """What systemd says of UNITS, as `systemctl show` prints it; None where it does not run the node."""
    if not has_systemd():
        return None
    asked = ("systemctl", "show", "--property=Id,ActiveState", *UNITS)
    return proc.run(asked, timeout_s=ASK_TIMEOUT_S).stdout


def units_check(told: str | None) -> Check:
    """Whether none of the units has failed. told: see unit_states."""
    if told is None:
        return Check("units", "skip", "systemd does not run here")
    blocks = (dict(line.partition("=")[::2] for line in block.splitlines()) for block in told.split("\n\n"))
    states = {str(each.get("Id", "")): str(each.get("ActiveState", "")) for each in blocks}
    failed = sorted(name for name, each in states.items() if each == "failed")
    if failed:
        fix = "sudo systemctl restart {0}; journalctl -u {0} -n 50".format(failed[0])
        return Check("units", "fail", "failed: " + ", ".join(failed), fix)
    running = sorted(name for name, each in states.items() if each == "active")
    return Check("units", "ok", "active: " + (", ".join(running) or "none of them"))


def reboot_reason() -> str | None:
    """Why the node wants to be rebooted, "" when it does not; None when nothing on it tells."""
    if os.path.exists(_REBOOT):
        packages = sorted(set(state.read_text(_REBOOT + ".pkgs").split()))
        return ", ".join(packages[:8]) or "packages were updated"
    if shutil.which("needs-restarting"):
        done = proc.run(("needs-restarting", "-r"), timeout_s=ASK_TIMEOUT_S)
        return "" if done.ok else "packages were updated" if done.status == 1 else None
    return "" if os.path.isdir("/etc/apt") else None


def reboot_check(reason: str | None) -> Check:
    """Whether an update waits for a reboot. reason: see reboot_reason."""
    if reason is None:
        return Check("reboot", "skip", "nothing on this node tells whether it wants to be rebooted")
    if reason:
        return Check("reboot", "warn", f"a reboot is required: {reason}", "sudo systemctl reboot   # on the node")
    return Check("reboot", "ok", "no update waits for a reboot")


def kills_user_processes() -> bool | None:
    """Whether logind ends what a user started when the session ends (logind.conf); None when it does not tell."""
    asked = ("loginctl", "show-session", "--property=KillUserProcesses")
    told = proc.run(asked, timeout_s=ASK_TIMEOUT_S).stdout.strip()
    return {"KillUserProcesses=yes": True, "KillUserProcesses=no": False}.get(told)


def worker_check(way: str, user: str, is_killed: bool | None) -> Check:
    """Whether a run outlives the session that ordered it. way: see launch; is_killed: see kills_user_processes."""
    if way == launch.SYSTEMD:
        return Check("worker", "ok", "a run is a unit of the system's manager")
    if way == launch.SYSTEMD_USER:
        return Check("worker", "ok", f"a run is a unit of the own manager of {user}, who lingers")
    fix = f"sudo loginctl enable-linger {shlex.quote(user)}"
    if is_killed:
        message = f"logind ends everything that {user} started with the session (KillUserProcesses), a run too"
        return Check("worker", "fail", message, fix)
    if is_killed is None:
        return Check("worker", "warn", f"{user} does not linger, and logind does not tell KillUserProcesses", fix)
    return Check("worker", "ok", f"{user} does not linger, but KillUserProcesses is off: a run outlives its session")


def worker() -> Check:
    """The same, of this node and this user."""
    if not has_systemd():
        return Check("worker", "skip", "systemd does not run here; a run leaves its session by itself")
    node = launch.Node.here()
    way = launch.way_of(node, ())
    return worker_check(way, node.name or str(node.uid), kills_user_processes() if way == launch.FORKED else None)


def tailscale_status() -> Mapping[str, object] | None:
    """What `tailscale status` says of the node itself; None where there is no tailscale, or nothing to be read."""
    try:
        asked = proc.run(("tailscale", "status", "--json", "--peers=false"), timeout_s=ASK_TIMEOUT_S)
        told = json.loads(asked.stdout)
    except (NodeError, ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def tailnet_key_check(told: Mapping[str, object] | None, now_s: float) -> Check:
    """Whether the node stays on its tailnet. told: see tailscale_status. now_s: seconds since 1970."""
    name, fix = "tailnet_key", "sudo tailscale up --force-reauth   # on the node, or switch its expiry off"
    if told is None:
        return Check(name, "skip", "tailscale does not answer on this node, or is not installed")
    own = told.get("Self")
    expiry = str(own.get("KeyExpiry") or "") if isinstance(own, dict) else ""
    left_s = -seconds_since(expiry, now_s) if expiry else None
    if told.get("BackendState") != "Running":
        return Check(name, "skip", "tailscale on this node is not up: {}".format(told.get("BackendState")))
    if left_s is not None and left_s < KEY_WARN_S:
        when = f"expires in {span_text(left_s)}" if left_s > 0 else "has expired"
        return Check(name, "warn" if left_s > 0 else "fail", f"its tailnet key {when}", fix)
    return Check(name, "ok", "its tailnet key stays good" if expiry else "its tailnet key never expires")
