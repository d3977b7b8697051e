"""The shapes of topology.yaml, host.yaml and service.yaml as they are written, and what pydantic checks in them.

The `model_fields_set` of a section tells which keys stand in the file: load lays defaults, host entry and host.yaml
over one another. What comes of it is a topology (model.py), whose sections have the same keys and the same defaults.
No file is read here, and no relation checked.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    field_validator,
    model_validator,
)

from saturn_orchestrator.topology.model import Exposure, Link, Occasion, Transport, login_name

NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""What a host, service, role or tag may be called."""
TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
WORD = r"^[^\s\x00-\x1f\x7f-][^\s\x00-\x1f\x7f]*$"
"""No blanks and no leading dash: it may become an argument of ssh or git."""
ARGUMENT = r"^[^\x00-\x1f\x7f]+$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
ROOT_PATH = r"^/[^\x00-\x1f\x7f:{}]*[^\x00-\x1f\x7f:{}/]$"
"""Absolute, without a colon (compose would split a volume there) and without a slash at its end."""
NODE_PATH = r"^(/|\{root\}/)[^\x00-\x1f\x7f:{}]*[^\x00-\x1f\x7f:{}/]$"
PERCENT = r"^([0-9]|[1-9][0-9]|100)%$"
BATCH = r"^([1-9][0-9]{0,3}|([1-9][0-9]?|100)%)$"

Name = Annotated[str, StringConstraints(pattern=NAME)]
Text = Annotated[str, StringConstraints(max_length=2000, pattern=TEXT)]
Word = Annotated[str, StringConstraints(max_length=1000, pattern=WORD)]
Argument = Annotated[str, StringConstraints(max_length=1000, pattern=ARGUMENT)]
EnvName = Annotated[str, StringConstraints(pattern=ENV_NAME)]
RootPath = Annotated[str, StringConstraints(max_length=1000, pattern=ROOT_PATH)]
NodePath = Annotated[str, StringConstraints(max_length=1000, pattern=NODE_PATH)]
Flag = Annotated[bool, Strict()]
Seconds = Annotated[float, Strict(), Field(gt=0, le=86_400, allow_inf_nan=False)]


def _file_path(value: object) -> object:
    """A path on SATURN from its text; pathlib would take an empty one for the current folder."""
    return Path(value) if isinstance(value, str) and value and value.isprintable() else value


def _batch_text(value: object) -> object:
    """`1` may be written without quotes."""
    return str(value) if type(value) is int else value


def _day(value: object) -> object:
    """`2026-12-31`, in quotes or not; nothing else that pydantic would take for a date."""
    if type(value) is date or (isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        return value
    raise ValueError("should be a day such as 2026-12-31")


def _empty_when_null(value: object) -> object:
    """`ssh:` with nothing behind it is a section with no key of its own."""
    return {} if value is None else value


FilePath = Annotated[Path, Strict(), BeforeValidator(_file_path)]
Day = Annotated[date, BeforeValidator(_day)]
Batch = Annotated[str, StringConstraints(pattern=BATCH), BeforeValidator(_batch_text)]
OrEmpty = BeforeValidator(_empty_when_null)


class Section(BaseModel):
    """A mapping of the inventory: immutable, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- sections: mappings below a key ----------------------------------------------------------------------------------


class Ssh(Section):
    """How to reach a host. Paths are absolute once loaded. jump: `[user@]address[:port]` of a machine to go through."""

    user: Word = Field(default_factory=login_name)
    port: Annotated[int, Strict(), Field(ge=1, le=65_535)] = 22
    identity_file: FilePath | None = Path("~/.ssh/id_ed25519")
    known_hosts: FilePath = Path("inventory/known_hosts")
    connect_timeout_s: Seconds = 20.0
    jump: Word | None = None


class Git(Section):
    """Where the node gets the repository. url is never empty, and path never holds `{root}`, once loaded.

    source: auto (origin first, then what SATURN sends) | origin (SATURN sends nothing) | saturn (origin is not asked).
    """

    url: Word = ""
    branch: Word = "main"
    path: NodePath = "{root}/repo"
    source: Literal["auto", "origin", "saturn"] = "auto"


class Compose(Section):
    """How the node runs compose. up_timeout_s bounds one service's `up`."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1)] = ("docker", "compose")
    pull: Literal["missing", "always", "never"] = "missing"
    up_timeout_s: Seconds = 300.0


class Ingress(Section):
    """What a host offers to the world: only these services may be `public`."""

    public: tuple[Name, ...] = ()


class Healthcheck(Section):
    """How long verify waits for a service to be well, and how often it looks."""

    timeout_s: Seconds = 60.0
    interval_s: Seconds = 2.0


class Backup(Section):
    """What a backup takes of a service: folders under the root, how it is held still, how many are kept.

    exclude: shell patterns of paths inside a folder that are left out.
    """

    paths: Annotated[tuple[Literal["config", "data", "logs"], ...], Field(min_length=1)] = ("config", "data")
    quiesce: Literal["stop", "pause", "none"] = "stop"
    keep: Annotated[int, Strict(), Field(ge=1, le=1000)] = 5
    exclude: Annotated[tuple[Argument, ...], Field(max_length=100)] = ()


class Secrets(Section):
    """A command on SATURN that brings what the service's `.env` on the node shall hold.

    With `{name}` in it, it is run for each name of `required_env` and prints that value; without, it prints lines as
    they stand in a `.env`. `{host}` and `{service}` are filled in, too. No shell reads it.
    """

    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=100)]
    timeout_s: Seconds = 60.0


class Layout(Section):
    """Where things lie in the repository: folders with the placeholders `{service}` and `{host}`."""

    service: Argument = "services/{service}"
    host: Argument = "hosts/{host}"

    @field_validator("service")
    @classmethod
    def _service_folder(cls, value: str) -> str:
        return _layout(value, needed="{service}", allowed=("{service}", "{host}"))

    @field_validator("host")
    @classmethod
    def _host_folder(cls, value: str) -> str:
        return _layout(value, needed="{host}", allowed=("{host}",))


def _layout(value: str, needed: str, allowed: tuple[str, ...]) -> str:
    """The same text when it is a folder inside the repository with the placeholder it needs and no unknown one."""
    rest = value
    for placeholder in allowed:
        rest = rest.replace(placeholder, "x")
    inside = not rest.startswith("/") and ".." not in rest.split("/") and "\\" not in rest
    if needed not in value or "{" in rest or "}" in rest or not inside:
        raise ValueError(f"should be a folder inside the repository that contains {needed}")
    return value.rstrip("/")


class Rollout(Section):
    """How many hosts at once, in which batches (counts or percentages), and how many may fail before it stops."""

    parallel: Annotated[int, Strict(), Field(ge=1, le=1000)] = 8
    batches: Annotated[tuple[Batch, ...], Field(min_length=1)] = ("100%",)
    max_failures: int | str = 0

    @field_validator("max_failures", mode="before")
    @classmethod
    def _allowance(cls, value: object) -> object:
        counted = type(value) is int and 0 <= value <= 10_000  # a bool is an int to isinstance
        if counted or (isinstance(value, str) and re.fullmatch(PERCENT, value)):
            return value
        raise ValueError('should be a whole number of hosts from 0, or a percentage like "25%"')


class Waiver(Section):
    """What is allowed in spite of a rule: for one host, until a day, for a reason. service: null for all of them."""

    code: Word
    host: Name
    service: Name | None = None
    reason: Annotated[Text, Field(min_length=1)]
    until: Day


class Policy(Section):
    """What no service may do. forbidden_devices: shell patterns of device paths.

    severity: how grave a finding is, by its code, where that shall be otherwise. waivers: what is allowed all the same.
    """

    forbidden_devices: tuple[Argument, ...] = ()
    severity: Annotated[dict[Word, Literal["error", "warning"]], OrEmpty] = {}
    waivers: tuple[Waiver, ...] = ()


class Hooks(Section):
    """What may be said of the programs in `hooks/`. timeout_s: how long one of them may take."""

    timeout_s: Seconds = 60.0


class Target(Section):
    """Somebody who is sent notices: by an Apprise URL, or by a command on SATURN that prints one.

    url: `env:NAME` for one that stands in an environment variable. when: what is told.
    """

    url: Word | None = None
    url_command: Annotated[tuple[Argument, ...], Field(max_length=100)] = ()
    when: Annotated[tuple[Occasion, ...], Field(min_length=1)] = (
        "failure", "partial", "unreachable", "deferred", "recovered",
    )  # fmt: skip

    @model_validator(mode="after")
    def _has_one_url(self) -> Self:
        if (self.url is None) == (not self.url_command):
            raise ValueError("should have either url or url_command")
        return self


class Notify(Section):
    """Who is sent notices of how runs ended."""

    targets: Annotated[tuple[Target, ...], Field(max_length=50)] = ()


# --- entries: what stands in a file ----------------------------------------------------------------------------------


class Defaults(Section):
    """What every host has unless it says otherwise."""

    root: RootPath = "/opt/homelab"
    become: Flag = False
    ssh: Annotated[Ssh, OrEmpty] = Ssh()
    git: Annotated[Git, OrEmpty] = Git()
    compose: Annotated[Compose, OrEmpty] = Compose()
    rollback_on_failure: Flag = False
    ack_timeout_s: Seconds = 120.0


class HostEntry(Defaults):
    """A host as topology.yaml or its host.yaml writes it. address "" stands for the host's own name."""

    address: Word = ""
    transport: Transport = "auto"
    roles: tuple[Name, ...] = ()
    tags: tuple[Name, ...] = ()
    link: Link = "stable"
    autonomous: Flag = False
    services: Annotated[tuple[Name, ...], Field(max_length=200)] = ()
    ingress: Annotated[Ingress, OrEmpty] = Ingress()


class ServiceEntry(Section):
    """A service.yaml. Without `backup` the service is not backed up; without `secrets` SATURN brings it none.

    connectivity: whether it carries the connection to the node; null to know it by its images.
    """

    description: Text = ""
    exposure: Exposure = "local-only"
    depends_on: tuple[Name, ...] = ()
    required_env: tuple[EnvName, ...] = ()
    healthcheck: Annotated[Healthcheck, OrEmpty] = Healthcheck()
    backup: Backup | None = None
    secrets: Secrets | None = None
    connectivity: Flag | None = None


class TopologyEntry(Section):
    """A topology.yaml. Only `version` and `hosts` must be there."""

    version: Literal[1]
    controller: Name = "saturn"
    layout: Annotated[Layout, OrEmpty] = Layout()
    defaults: Annotated[Defaults, OrEmpty] = Defaults()
    rollout: Annotated[Rollout, OrEmpty] = Rollout()
    hosts: Annotated[dict[Name, Annotated[HostEntry, OrEmpty]], Field(min_length=1)]
    policy: Annotated[Policy, OrEmpty] = Policy()
    hooks: Annotated[Hooks, OrEmpty] = Hooks()
    notify: Annotated[Notify, OrEmpty] = Notify()
