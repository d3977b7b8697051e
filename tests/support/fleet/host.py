"""A host of the fleet: its address, its key, its containers, and the faults that can befall it.

Every fault registers how it heals, so `heal` and `reset` undo exactly what was done.
"""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.fleet import service
from support.fleet.cache import PLUGIN, PLUGIN_FOLDERS
from support.fleet.machine import Machine
from support.fleet.network import Switch
from support.fleet.process import FleetError, run

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
KEYS = "/home/{user}/.ssh/authorized_keys"
PROGRAM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
UUID = "/proc/sys/kernel/random/uuid"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
HIDDEN = "/var/lib/saturn-fleet/hidden"
FILLER = "/var/lib/saturn-fleet/filler"
PYTHON_PREFIX = "/usr/lib/saturn-fleet-python"
# Of no use on a host, and most of a Python's bytes.
LEFT_OUT = ("./include", "./share", "test", "tests", "__pycache__", "site-packages", "idlelib", "config-*", "*.a")
FILL = """
mkdir -p "$(dirname "$1")"
size=$((1 << 32)) offset=0
while [ $size -ge 4096 ]; do
  if fallocate --offset $offset --length $size "$1" 2>/dev/null
  then offset=$((offset + size))
  else size=$((size / 2))
  fi
done
"""
CLEAN = """
set -eu
pkill -KILL -u deploy || true
pkill -KILL python3 || true
docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
docker network prune --force >/dev/null
docker volume prune --force >/dev/null
rm -rf /home/deploy/.cache /home/deploy/.local
find /opt/homelab /tmp -mindepth 1 -delete
"""


class FleetHost(Machine):
    """One host: power, network, services and faults. It is made and put on the network by a Fleet."""

    def __init__(self, name: str, folder: Path, switch: Switch, number: int, *, has_docker: bool, cgroup: str) -> None:
        super().__init__(name, folder)
        self.address = switch.address(number)
        self.has_docker = has_docker
        self._switch = switch
        self._number = number
        self._cgroup = cgroup
        self._heal: dict[str, Callable[[], None]] = {}

    # Power

    def start(self) -> None:
        """Finish the boot, plug in the network and start the services; `await_ready` waits for Docker."""
        self.finish_boot()
        self._renew_boot_id()
        self._switch.plug_in(self._number, self.pid)
        if self.path(HOST_KEY).exists():
            service.start_sshd(self)
        if self.has_docker:
            service.start_dockerd(self, self._cgroup)

    def _renew_boot_id(self) -> None:
        """Each boot has an id of its own, as the kernel gives one; this machine's is the same for every host."""
        script = f"cat {UUID} > /run/boot_id && mount --bind /run/boot_id {BOOT_ID}"
        self.exec("sh", "-c", script, user="root")

    def await_ready(self) -> None:
        """Wait until every service of the host answers."""
        if self.has_docker:
            service.await_dockerd(self)

    def power_off(self) -> None:
        """Cut the power: no peer hears a word of it. Unlike a real cut it loses no unsynced file.

        Faults of the network and the services end with it.
        """
        if not self.is_on:
            return
        self._switch.pull_out(self._number)
        self.switch_off()
        for fault in ("network", "ssh", "docker"):
            self._heal.pop(fault, None)
        self._heal["power"] = self.power_on

    def power_on(self) -> None:
        """Boot again from the same disk; returns when every service answers."""
        if not self.is_on:
            self.switch_on()
            self.start()
            self.await_ready()
        self._heal.pop("power", None)

    # Network and SSH

    def cut_network(self) -> None:
        """Let every packet of the host vanish in both directions; its link stays up, as behind LTE."""
        self._switch.cut(self._number)
        self._heal["network"] = self.heal_network

    def heal_network(self) -> None:
        """Let packets through again."""
        self._switch.mend(self._number)
        self._heal.pop("network", None)

    def refuse_ssh(self) -> None:
        """End the listening sshd: new connections are refused, sessions that stand go on."""
        service.stop(self, service.SSHD_PID)
        self._heal["ssh"] = self.allow_ssh

    def allow_ssh(self) -> None:
        """Start sshd again."""
        service.start_sshd(self)
        self._heal.pop("ssh", None)

    def known_hosts_line(self) -> str:
        """Return the line of a known_hosts file for the host's present key."""
        return f"{self.address} {(self._key_folder / 'key.pub').read_text().rsplit(' ', 1)[0]}"

    def rekey(self) -> str:
        """Give the host a new key, as a reinstallation does; return its known_hosts line."""
        self._install_key("rekeyed")
        self._heal["key"] = self._restore_key
        return self.known_hosts_line()

    def install_first_key(self) -> None:
        """Make and install the host's own key, and start sshd with it."""
        self._install_key("first")

    def _restore_key(self) -> None:
        self._install_key("first")
        self._heal.pop("key", None)

    @property
    def _key_folder(self) -> Path:
        return self.folder / "current"

    def _install_key(self, name: str) -> None:
        keys = self.folder / name
        if name == "rekeyed" or not keys.exists():
            keys.mkdir(exist_ok=True)
            (keys / "key").unlink(missing_ok=True)
            run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(keys / "key")))
        self._key_folder.unlink(missing_ok=True)
        self._key_folder.symlink_to(keys)
        self.write(HOST_KEY, (keys / "key").read_text(), owner="root", mode=0o600)
        service.stop(self, service.SSHD_PID)
        service.start_sshd(self)

    def deny_key(self, user: str = "deploy") -> None:
        """Take the authorised keys of `user` away: a login ends in "permission denied"."""
        keys = KEYS.format(user=user)
        self.exec("mv", keys, f"{keys}.denied", user="root")
        self._heal[f"login {user}"] = lambda: self.allow_key(user)

    def allow_key(self, user: str = "deploy") -> None:
        """Give the authorised keys of `user` back."""
        keys = KEYS.format(user=user)
        self.exec("mv", f"{keys}.denied", keys, user="root")
        self._heal.pop(f"login {user}", None)

    # Programs, disk and Docker

    def hide_program(self, name: str) -> None:
        """Remove a program, or the plugin `docker-compose`; running it then exits 127, as where it never was."""
        paths = self._program_paths(name)
        if not paths:
            raise FleetError(f"{self.name} has no program {name} that could be hidden")
        for path in paths:
            self._move(path, HIDDEN + path)
        self._heal[f"program {name}"] = lambda: self.restore_program(name)

    def restore_program(self, name: str) -> None:
        """Bring a hidden program back."""
        for path in self._program_paths(name, below=HIDDEN):
            self._move(HIDDEN + path, path)
        self._heal.pop(f"program {name}", None)

    def _program_paths(self, name: str, below: str = "") -> list[str]:
        """Return where the program lies; for python3 also python3.11 and the like, which would answer for it."""
        folders = tuple(map(str, PLUGIN_FOLDERS)) if name == PLUGIN else PROGRAM_FOLDERS
        pattern = f"{name}*([0-9.])"
        globs = " ".join(f"{below}{folder}/{pattern}" for folder in folders)
        found = self.exec(
            "bash", "-O", "extglob", "-O", "nullglob", "-c", f"printf '%s\\n' {globs}", user="root"
        ).stdout
        return [path.removeprefix(below) for path in found.split()]

    def _move(self, path: str, target: str) -> None:
        self.exec("sh", "-c", 'mkdir -p "$(dirname "$2")" && mv "$1" "$2"', "move", path, target, user="root")

    def replace_python(self, prefix: Path) -> None:
        """Make `python3` on the host the Python installed at `prefix` on this machine (bin/, lib/ and the like)."""
        left_out = " ".join(f"--exclude={shlex.quote(pattern)}" for pattern in LEFT_OUT)
        pack = f"tar -C {shlex.quote(str(prefix))} {left_out} -c ."
        unpack = shlex.join(self.command("tar", "-C", PYTHON_PREFIX, "-x", "--no-same-owner", user="root"))
        self.exec("mkdir", "-p", PYTHON_PREFIX, user="root")
        run(("bash", "-o", "pipefail", "-c", f"{pack} | {unpack}"))
        self.hide_program("python3")
        self.exec("ln", "-s", f"{PYTHON_PREFIX}/bin/python3", "/usr/bin/python3", user="root")
        # A shared libpython is found by its rpath on the machine it was built on, and nowhere else.
        self.write("/etc/ld.so.conf.d/saturn-fleet.conf", f"{PYTHON_PREFIX}/lib\n", owner="root")
        self.exec("ldconfig", user="root")
        self._heal["python"] = self.restore_python

    def restore_python(self) -> None:
        """Give the host its own python3 back."""
        self.exec("rm", "-rf", PYTHON_PREFIX, "/usr/bin/python3", "/etc/ld.so.conf.d/saturn-fleet.conf", user="root")
        self.exec("ldconfig", user="root")
        self.restore_program("python3")
        self._heal.pop("python", None)

    def fill_disk(self) -> None:
        """Leave no free block on the host's disk, for root either."""
        self.exec("sh", "-c", FILL, "fill", FILLER, user="root")
        self._heal["disk"] = self.free_disk

    def free_disk(self) -> None:
        """Give the free blocks back."""
        self.exec("rm", "-f", FILLER, user="root")
        self._heal.pop("disk", None)

    def stop_docker(self) -> None:
        """End dockerd in order; its containers stop with it."""
        service.stop(self, service.DOCKERD_PID)
        self._heal["docker"] = self.start_docker

    def start_docker(self) -> None:
        """Start dockerd and wait until it answers."""
        service.start_dockerd(self, self._cgroup)
        service.await_dockerd(self)
        self._heal.pop("docker", None)

    def containers(self) -> list[dict[str, Any]]:
        """Return every container, running or not, as `docker ps --format json` names its properties."""
        listed = self.exec("docker", "ps", "--all", "--no-trunc", "--format", "{{json .}}", user="root").stdout
        return [json.loads(line) for line in listed.splitlines()]

    def logins(self) -> int:
        """Return how often anybody logged in over SSH since the host was made."""
        return self.read(service.SSHD_LOG).count("Accepted publickey")

    # Back to the start

    def heal(self) -> None:
        """Undo every fault; the power first, because nothing else can be undone without it."""
        if not self.is_on:
            self.power_on()
        for undo in reversed(list(self._heal.values())):
            undo()

    def reset(self) -> None:
        """Undo every fault, end what users run, remove containers, and empty /opt/homelab and /tmp."""
        self.heal()
        self.exec("sh", "-c", CLEAN, user="root")
