"""A fleet: hosts on one network, the forge, and the keys by which a person, the hosts and the forge know each other."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from support.fleet import leftovers
from support.fleet.host import KEYS, FleetHost
from support.fleet.machine import copy_disk
from support.fleet.network import Switch
from support.fleet.process import FleetError, run
from support.fleet.seed import REPOSITORY, prepared_seed

H = TypeVar("H", bound=FleetHost)
SSH_CONFIG = "Host *\n  StrictHostKeyChecking yes\n  BatchMode yes\n"


class Forge(FleetHost):
    """The host with the bare repository; it has no Docker."""

    @property
    def url(self) -> str:
        """The repository's address, for hosts and for this machine."""
        return f"ssh://git@{self.address}{REPOSITORY}"

    def empty_repository(self) -> None:
        """Forget every commit that was pushed."""
        again = f"rm -rf {REPOSITORY}/* && git init --quiet --bare --initial-branch=main {REPOSITORY}"
        self.exec("sh", "-c", again, user="git")

    def reset(self) -> None:
        """Undo every fault and forget every commit."""
        self.heal()
        self.empty_repository()


class Fleet:
    """Hosts by name, all with Docker, and the forge unless told otherwise; a context manager.

    `folder` is made, must not exist, and is removed at the end; `leftovers.own_folder()` is the one that later runs
    clean up when this one is killed.
    """

    def __init__(self, folder: Path, hosts: Sequence[str], forge: bool = True) -> None:
        self.folder = folder
        self.identity = folder / "identity"
        self.known_hosts = folder / "known_hosts"
        self._names = tuple(hosts)
        self._has_forge = forge
        self._hosts: dict[str, FleetHost] = {}
        self._forge: Forge | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            with leftovers.one_at_a_time():
                leftovers.sweep()
                seed = prepared_seed()
                self.folder.mkdir()
                stack.enter_context(leftovers.claim(self.folder))
            stack.callback(leftovers.remove, self.folder)
            self._switch = Switch()
            stack.callback(self._switch.close)
            stack.callback(self._switch_off)
            self._start(seed)
            self._undo = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._undo.close()

    @property
    def machines(self) -> tuple[FleetHost, ...]:
        """Every host, and the forge last."""
        return (*self._hosts.values(), *((self._forge,) if self._forge else ()))

    @property
    def forge(self) -> Forge:
        """The forge; a FleetError in a fleet without one."""
        if self._forge is None:
            raise FleetError("this fleet was made without a forge")
        return self._forge

    def host(self, name: str) -> FleetHost:
        """Return a host by its name."""
        try:
            return self._hosts[name]
        except KeyError:
            raise FleetError(f"there is no host {name}; there are {', '.join(self._hosts)}") from None

    def ssh(self, *options: str) -> tuple[str, ...]:
        """Return an OpenSSH command that logs in as the person does: own key, strict host keys, no other files."""
        return ("ssh", *_ssh_options(self.identity, self.known_hosts), *options)

    def push(self, repository: Path, branch: str = "main") -> str:
        """Push HEAD of a repository to a branch of the forge, whatever stood there; return the commit."""
        git = ("git", "-C", str(repository), "-c", f"core.sshCommand={' '.join(self.ssh())}")
        run((*git, "push", "--quiet", "--force", self.forge.url, f"HEAD:refs/heads/{branch}"))
        return run((*git, "rev-parse", "HEAD")).stdout.strip()

    def reset(self) -> None:
        """Reset every host and the forge."""
        for host in self.machines:
            host.reset()

    def _switch_off(self) -> None:
        for host in self.machines:
            host.switch_off()

    def _start(self, seed: Path) -> None:
        for name in ("identity", "host_identity"):
            run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name)))
        for number, name in enumerate(self._names, start=2):
            self._hosts[name] = self._new_host(FleetHost, seed, name, number)
        if self._has_forge:
            self._forge = self._new_host(Forge, seed, "forge", 1)
        for host in self.machines:
            host.switch_on()
        for host in self.machines:
            host.start()
            host.install_first_key()
        self.known_hosts.write_text("".join(f"{host.known_hosts_line()}\n" for host in self.machines))
        for host in self.machines:
            self._introduce(host)
        for host in self.machines:
            host.await_ready()

    def _new_host(self, kind: type[H], seed: Path, name: str, number: int) -> H:
        folder = self.folder / "hosts" / name
        folder.mkdir(parents=True)
        copy_disk(seed, folder / "disk.img")
        return kind(name, folder, self._switch, number, has_docker=kind is FleetHost, cgroup=self.folder.name)

    def _introduce(self, host: FleetHost) -> None:
        """Tell the host who may log in, how its neighbours are called, and how to prove itself to the forge."""
        person, fellow = ((self.folder / f"{name}.pub").read_text() for name in ("identity", "host_identity"))
        names = "".join(f"{other.address} {other.name}\n" for other in self.machines)
        host.write("/etc/hosts", f"127.0.0.1 localhost\n{names}", owner="root")
        keys = "".join(f"{other.name},{other.known_hosts_line()}\n" for other in self.machines)
        host.write("/etc/ssh/ssh_known_hosts", keys, owner="root")
        if host is self._forge:
            host.write(KEYS.format(user="git"), person + fellow, owner="git", mode=0o600)
        host.write(KEYS.format(user="deploy"), person, mode=0o600)
        for owner, home in (("deploy", "/home/deploy"), ("root", "/root")):
            host.write(f"{home}/.ssh/id_ed25519", (self.folder / "host_identity").read_text(), owner=owner, mode=0o600)
            host.write(f"{home}/.ssh/config", SSH_CONFIG, owner=owner)


def _ssh_options(identity: Path, known_hosts: Path) -> tuple[str, ...]:
    settings = {
        "IdentityFile": identity,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 5,
        "ServerAliveInterval": 2,
        "ServerAliveCountMax": 3,
    }
    options = (option for name, value in settings.items() for option in ("-o", f"{name}={value}"))
    return ("-F", "none", *options)
