"""The resolved topology: what the rest of saturn works with. Values alone: what is written is checked in entries.py.

pydantic stays away from here, so that a short command that finds its topology in the cache need not import it.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from saturn_orchestrator.records import dataclass, field

Transport = Literal["auto", "tailscale", "ssh", "local"]
Link = Literal["stable", "intermittent", "metered"]
Exposure = Literal["local-only", "tailscale-internal", "public"]
Occasion = Literal["failure", "partial", "unreachable", "deferred", "recovered", "success"]
"""What a notice may be about. recovered: a success after failures that were told."""


def login_name() -> str:
    """The current user's login name; `root` where the system knows no name for the current user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"


# --- sections --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ssh:
    """How to reach a host. Paths are absolute. jump: `[user@]address[:port]` of a machine to go through."""

    user: str = field(default_factory=login_name)
    port: int = 22
    identity_file: Path | None = Path("~/.ssh/id_ed25519")
    known_hosts: Path = Path("inventory/known_hosts")
    connect_timeout_s: float = 20.0
    jump: str | None = None


@dataclass(frozen=True)
class Git:
    """Where the node gets the repository. url is never empty, and path never holds `{root}`.

    source: auto (origin first, then what SATURN sends) | origin (SATURN sends nothing) | saturn (origin is not asked).
    """

    url: str = ""
    branch: str = "main"
    path: str = "{root}/repo"
    source: Literal["auto", "origin", "saturn"] = "auto"


@dataclass(frozen=True)
class Compose:
    """How the node runs compose. up_timeout_s bounds one service's `up`."""

    command: tuple[str, ...] = ("docker", "compose")
    pull: Literal["missing", "always", "never"] = "missing"
    up_timeout_s: float = 300.0


@dataclass(frozen=True)
class Ingress:
    """What a host offers to the world: only these services may be `public`."""

    public: tuple[str, ...] = ()


@dataclass(frozen=True)
class Healthcheck:
    """How long verify waits for a service to be well, and how often it looks."""

    timeout_s: float = 60.0
    interval_s: float = 2.0


@dataclass(frozen=True)
class Backup:
    """What a backup takes of a service: folders under the root, how it is held still, how many are kept.

    exclude: shell patterns of paths inside a folder that are left out.
    """

    paths: tuple[Literal["config", "data", "logs"], ...] = ("config", "data")
    quiesce: Literal["stop", "pause", "none"] = "stop"
    keep: int = 5
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Secrets:
    """A command on SATURN that brings what the service's `.env` on the node shall hold.

    With `{name}` in it, it is run for each name of `required_env` and prints that value; without, it prints lines as
    they stand in a `.env`. `{host}` and `{service}` are filled in, too. No shell reads it.
    """

    command: tuple[str, ...]
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Layout:
    """Where things lie in the repository: folders with the placeholders `{service}` and `{host}`."""

    service: str = "services/{service}"
    host: str = "hosts/{host}"


@dataclass(frozen=True)
class Rollout:
    """How many hosts at once, in which batches (counts or percentages), and how many may fail before it stops."""

    parallel: int = 8
    batches: tuple[str, ...] = ("100%",)
    max_failures: int | str = 0


@dataclass(frozen=True)
class Waiver:
    """What is allowed in spite of a rule: for one host, until a day, for a reason. service: None for all of them."""

    code: str
    host: str
    reason: str
    until: date
    service: str | None = None


@dataclass(frozen=True)
class Policy:
    """What no service may do. forbidden_devices: shell patterns of device paths.

    severity: how grave a finding is, by its code, where that shall be otherwise. waivers: what is allowed all the same.
    """

    forbidden_devices: tuple[str, ...] = ()
    severity: Mapping[str, Literal["error", "warning"]] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True)
class Hooks:
    """What may be said of the programs in `hooks/`. timeout_s: how long one of them may take."""

    timeout_s: float = 60.0


@dataclass(frozen=True)
class Target:
    """Somebody who is sent notices: by an Apprise URL, or by a command on SATURN that prints one.

    url: `env:NAME` for one that stands in an environment variable. when: what is told.
    """

    url: str | None = None
    url_command: tuple[str, ...] = ()
    when: tuple[Occasion, ...] = ("failure", "partial", "unreachable", "deferred", "recovered")


@dataclass(frozen=True)
class Notify:
    """Who is sent notices of how runs ended."""

    targets: tuple[Target, ...] = ()


# --- hosts and their services ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """One compose project. folder: its place in the repository, relative to the root of it, with forward slashes.

    Without `backup` it is not backed up; without `secrets` SATURN brings it none. connectivity: whether it carries the
    connection to the node.
    """

    name: str
    folder: str
    description: str = ""
    exposure: Exposure = "local-only"
    depends_on: tuple[str, ...] = ()
    required_env: tuple[str, ...] = ()
    healthcheck: Healthcheck = Healthcheck()
    backup: Backup | None = None
    secrets: Secrets | None = None
    connectivity: bool = False


@dataclass(frozen=True)
class Host:
    """One host, fully resolved. services: in deploy order. All paths on SATURN are absolute.

    policy: with the waivers of this host alone. strangers: names and addresses of machines outside its LAN.
    """

    name: str
    address: str
    transport: Transport = "auto"
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    link: Link = "stable"
    autonomous: bool = False
    services: tuple[Service, ...] = ()
    ingress: Ingress = Ingress()
    root: str = "/opt/homelab"
    become: bool = False
    ssh: Ssh = field(default_factory=Ssh)
    git: Git = Git()
    compose: Compose = Compose()
    rollback_on_failure: bool = False
    ack_timeout_s: float = 120.0
    policy: Policy = field(default_factory=Policy)
    strangers: tuple[str, ...] = ()

    @property
    def carriers(self) -> frozenset[str]:
        """The services that carry the connection to the host."""
        return frozenset(each.name for each in self.services if each.connectivity)


@dataclass(frozen=True)
class Topology:
    """The validated inventory. hosts: by name, in file order. folder: the repository root. file: the topology.yaml."""

    version: Literal[1]
    controller: str
    hosts: Mapping[str, Host]
    folder: Path
    file: Path
    layout: Layout = Layout()
    rollout: Rollout = Rollout()
    policy: Policy = field(default_factory=Policy)
    hooks: Hooks = Hooks()
    notify: Notify = Notify()
