"""Looking at SATURN itself for `saturn doctor`; what is seen is judged in state/workplace.py. Nothing is changed."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import stat
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Protocol

from saturn_orchestrator.app.validate import validate
from saturn_orchestrator.errors import InventoryError, InventoryFinding, RepositoryError, SaturnError, SessionError
from saturn_orchestrator.events import Check, now
from saturn_orchestrator.journal import condition
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.repository import Repository
from saturn_orchestrator.session.route import is_tailnet_wanted
from saturn_orchestrator.state import workplace as judged
from saturn_orchestrator.state.workplace import Branch, Identity
from saturn_orchestrator.tailnet.book import AddressBook
from saturn_orchestrator.topology.load import load, repository_root
from saturn_orchestrator.topology.model import Host, Topology

DISTRIBUTION = "saturn-orchestrator"
PATIENCE_S = 5.0


class Keys(Protocol):
    """What is known of the keys by which SATURN and the hosts know each other."""

    @property
    def book(self) -> AddressBook:
        """The tailnet."""

    async def identity_trouble(self, host: Host) -> SessionError | None:
        """Why the key that the topology names is of no use there."""

    async def host_key_trouble(self, host: Host) -> SessionError | None:
        """Why the host could not be told from an impostor."""

    async def is_tailscale_ssh(self, host: Host) -> bool:
        """Whether the tailnet lets us in and vouches for the host, so that no key of ours is needed."""


@dataclass(frozen=True)
class Inventory:
    """The inventory, as far as it can be read. findings: everything that `validate` says of it."""

    file: Path | None = None
    topology: Topology | None = None
    error: SaturnError | None = None
    findings: tuple[InventoryFinding, ...] = ()


def inventory(find: Callable[[], Path]) -> Inventory:
    """The inventory that `find` leads to. Nothing that is wrong with it is raised."""
    try:
        file = find()
    except SaturnError as error:
        return Inventory(error=error)
    try:
        topology = load(file)
    except InventoryError as error:
        return Inventory(file, None, error, error.findings)
    try:
        return Inventory(file, topology, findings=validate(file).warnings)
    except InventoryError as error:
        return Inventory(file, topology, error, error.findings)


async def saturn_checks(known: Inventory, state_folder: Path, keys: Keys) -> tuple[Check, ...]:
    """Every check of this machine."""
    found = await asyncio.gather(
        asyncio.to_thread(_own_checks, known, state_folder),
        _repository_checks(known),
        _keys_checks(known.topology, keys),
    )
    return tuple(check for checks in found for check in checks)


def _own_checks(known: Inventory, state_folder: Path) -> tuple[Check, ...]:
    folder = next(each for each in (state_folder, *state_folder.parents) if each.exists())
    usage = shutil.disk_usage(folder)
    requirements, required = _metadata()
    return (
        judged.python_check(platform.python_version(), required),
        judged.packages_check(requirements, _installed(requirements or ())),
        judged.inventory_check(known.file, known.error, known.findings),
        judged.journal_check(condition(state_folder / "journal.db")),
        judged.disk_check(folder, usage.free, usage.total),
        judged.clock_check(_is_synchronised()),
    )


def _metadata() -> tuple[list[str] | None, str]:
    """What saturn asks for: packages, and a Python; nothing where it was not installed as a package."""
    try:
        return metadata.requires(DISTRIBUTION) or [], metadata.metadata(DISTRIBUTION)["Requires-Python"]
    except metadata.PackageNotFoundError:
        return None, ""


def _installed(requirements: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in judged.runtime(requirements):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _is_synchronised() -> bool | None:
    argv = ("timedatectl", "show", "--property=NTPSynchronized", "--value")
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip()) if done.returncode == 0 else None


async def _repository_checks(known: Inventory) -> tuple[Check, ...]:
    if known.file is None:
        return (Check("clone", "skip", "there is no inventory, so no repository"),)
    folder = repository_root(known.file.absolute())
    repository = Repository(folder)
    try:
        version = (await repository.tell("--version")).strip().removeprefix("git version ")
    except RepositoryError as error:
        return (Check("git", "fail", error.message, error.hint or "git --version"),)
    try:
        await repository.resolve("HEAD")
        await repository.check_root()
        clone = judged.clone_check(folder, None, await repository.uncommitted((".",)))
    except RepositoryError as error:
        return Check("git", "ok", version), judged.clone_check(folder, error, ())
    return Check("git", "ok", version), clone, await _branch_check(folder, repository, known.topology)


async def _branch_check(folder: Path, repository: Repository, topology: Topology | None) -> Check:
    names = tuple(dict.fromkeys(host.git.branch for host in topology.hosts.values())) if topology else ()
    if not names:
        return Check("branch", "skip", "the inventory does not tell which branch hosts deploy")
    branches = [await _branch(repository, name) for name in names]
    return judged.branch_check(folder, await repository.current_branch(), branches)


async def _branch(repository: Repository, name: str) -> Branch:
    try:
        commit = await repository.resolve(name)
    except RepositoryError as error:
        return Branch(name, error=error)
    distance = await repository.distance(commit.revision, f"refs/remotes/origin/{name}")
    return Branch(name, distance.behind, distance.ahead) if distance else Branch(name)


async def _keys_checks(topology: Topology | None, keys: Keys) -> tuple[Check, ...]:
    if topology is None:
        return ()
    hosts = [host for host in topology.hosts.values() if host.transport != "local"]
    keyed = [host for host in hosts if not await keys.is_tailscale_ssh(host)]
    return (
        judged.identities_check(
            [each for each in await _identities(keyed, keys) if each], has_agent="SSH_AUTH_SOCK" in os.environ
        ),
        judged.host_keys_check({host.name: await keys.host_key_trouble(host) for host in keyed}),
        await _tailnet_check(hosts, keys.book),
    )


async def _identities(hosts: Sequence[Host], keys: Keys) -> list[Identity]:
    """The keys that the hosts name, each once."""
    by_file = {host.ssh.identity_file: host for host in reversed(hosts)}
    return [Identity(file, _mode(file), await keys.identity_trouble(host)) for file, host in by_file.items() if file]


def _mode(file: Path) -> int | None:
    try:
        return stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return None


async def _tailnet_check(hosts: Sequence[Host], book: AddressBook) -> Check:
    wanting = [host for host in hosts if is_tailnet_wanted(host)]
    known = await book.tailnet() if wanting else None
    return judged.tailnet_check(known, now(), is_needed=any(host.transport == "tailscale" for host in wanting))
