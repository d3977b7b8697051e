"""The two daemons of a host: how sshd and dockerd are started, stopped and found ready. Data and small effects only."""

import socket
from pathlib import Path

from support.fleet.machine import Machine
from support.fleet.process import wait_until

SSHD_PID = "/run/sshd.pid"
DOCKERD_PID = "/run/docker.pid"
SSHD_LOG = "/var/log/sshd.log"
SSHD_CONFIG = f"""\
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile {SSHD_PID}
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
Subsystem sftp internal-sftp
"""
DOCKERD = (
    'setsid dockerd --group docker --shutdown-timeout 3 --cgroup-parent "$1" </dev/null >>/var/log/dockerd.log 2>&1 &'
)


def start_sshd(machine: Machine) -> None:
    """Start sshd and wait until it listens."""
    machine.exec("/usr/sbin/sshd", "-E", SSHD_LOG, user="root")
    wait_until(f"sshd of {machine.name} to listen", lambda: _is_running(machine, SSHD_PID))


def start_dockerd(machine: Machine, cgroup: str) -> None:
    """Start dockerd, its containers below `cgroup`; `await_dockerd` waits until it answers."""
    machine.exec("sh", "-c", DOCKERD, "dockerd", cgroup, user="root")


def await_dockerd(machine: Machine) -> None:
    """Wait until dockerd answers; asked over its socket, because the docker program may be hidden."""
    wait_until(
        f"dockerd of {machine.name} to answer; see /var/log/dockerd.log there",
        lambda: _ping(machine.path("/run/docker.sock")),
        limit_s=60,
    )


def stop(machine: Machine, pid_file: str) -> None:
    """End the daemon of this pid file in order, and wait until it is gone. Harmless when it does not run."""
    if not _is_running(machine, pid_file):
        return
    pid = machine.read(pid_file).strip()
    machine.exec("kill", pid, user="root")
    wait_until(f"pid {pid} of {machine.name} to end", lambda: not machine.path(f"/proc/{pid}").exists())
    machine.exec("rm", "-f", pid_file, user="root")


def _is_running(machine: Machine, pid_file: str) -> bool:
    live = 'test -s "$1" && kill -0 "$(cat "$1")"'
    return machine.exec("sh", "-c", live, "live", pid_file, user="root", check=False).returncode == 0


def _ping(address: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(2)
            line.connect(str(address))
            line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in line.recv(64)
    except OSError:
        return False
