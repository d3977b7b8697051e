"""What the fleet needs of this machine, what of it is missing, and the installation of it on Debian."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.fleet import archive
from support.fleet.cache import PLUGIN, PLUGIN_FOLDERS, compose_plugin, fleet_cache
from support.fleet.process import run

# Program -> the Debian package that brings it.
PROGRAMS = {
    "/usr/sbin/sshd": "openssh-server",
    "/usr/sbin/dropbear": "dropbear-bin",
    "/usr/bin/ssh": "openssh-client",
    "/usr/sbin/dockerd": "docker.io",
    "/usr/bin/docker": "docker.io",
    "/usr/bin/git": "git",
    "/usr/bin/git-shell": "git",
    "/usr/bin/python3": "python3-minimal",
    "/usr/bin/sudo": "sudo",
    "/usr/bin/pkill": "procps",
    "/usr/sbin/iptables": "iptables",
    "/usr/sbin/mkfs.ext4": "e2fsprogs",
    "/usr/sbin/losetup": "mount",
    "/usr/bin/nsenter": "util-linux",
    "/bin/ip": "iproute2",
    "/usr/bin/systemd-run": "systemd",
    "/bin/busybox": "busybox-static",
    "/usr/bin/zsh": "zsh",
    "/usr/bin/fish": "fish",
}
COMMAND = "sudo make test"
# dpkg asks this script before it starts a service; 101 means "no".
POLICY = Path("/usr/sbin/policy-rc.d")


def are_required() -> bool:
    """Must the end-to-end tests run, so that a missing requirement is a failure?"""
    return os.environ.get("CI") == "true" or os.environ.get("SATURN_E2E") == "required"


def missing() -> list[str]:
    """Return a sentence for each thing that is missing, with the command that mends it."""
    if sys.platform != "linux":
        return [f"the end-to-end tests need Linux, and this is {sys.platform}: run them in a Debian virtual machine"]
    sentences = []
    if os.geteuid() != 0:
        sentences.append(f"the end-to-end tests need root for namespaces and mounts: `{COMMAND}`")
    if not Path("/dev/loop-control").exists():
        sentences.append(
            "this machine has no loop devices: `modprobe loop`, or a virtual machine instead of a container"
        )
    if absent := _absent():
        packages = " ".join(sorted({PROGRAMS[program] for program in absent}))
        sentences.append(f"missing are {', '.join(absent)}: `{COMMAND}`, or `apt-get install {packages}`")
    if compose_plugin() is None:
        sentences.append(f"Docker's Compose v2 plugin is missing: `{COMMAND}`, which fetches it from Debian")
    return sentences


def install() -> None:
    """Install what is missing with apt; the machine's own Docker and SSH services are not started by it."""
    packages = sorted({PROGRAMS[program] for program in _absent()})
    if packages:
        quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq")
        with _no_services_started():
            run((*quiet, "update"), timeout_s=600)
            run((*quiet, "install", "--yes", "--no-install-recommends", *packages), timeout_s=1200)
    if compose_plugin() is None:
        _fetch_compose()


def _absent() -> list[str]:
    return [program for program in PROGRAMS if not Path(program).exists()]


@contextmanager
def _no_services_started() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def _fetch_compose() -> None:
    """Fetch Compose v2 of Debian 13: one binary that needs nothing but libc, which Debian 12 does not have itself."""
    fleet_cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=fleet_cache()) as folder:
        archive.unpack_packages("trixie", ("docker-compose",), Path(folder))
        plugin = Path(folder + str(PLUGIN_FOLDERS[0])) / PLUGIN
        shutil.move(plugin, fleet_cache() / PLUGIN)
