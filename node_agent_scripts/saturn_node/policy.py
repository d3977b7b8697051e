"""Every rule that validate applies, as one pure function from what stands on disk to what is wrong with it.

A new rule is a new function in RULES. Reading the disk and asking compose is `validation`'s work.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from .wire import NodeOrder, ServiceOrder

CODES: Mapping[str, str] = {
    "service_missing": "error",
    "compose_invalid": "error",
    "compose_empty": "error",
    "env_missing": "error",
    "env_readable": "warning",
    "port_exposed": "error",
    "public_not_allowed": "error",
    "network_host": "error",
    "device_forbidden": "error",
    "coordinator_local": "error",
    "restart_missing": "warning",
    "autonomy_dependency": "error",
    "docker_socket": "warning",
    "privileged": "warning",
    "mount_outside": "warning",
    "folder_owner": "warning",
    "image_unpinned": "warning",
    "healthcheck_missing": "warning",
    "healthcheck_not_executable": "warning",
}
"""Every finding that validate knows, and how grave it is unless the topology or the rule has it otherwise."""


class Definition(NamedTuple):
    """One service as it lies in the checkout and in <root>/config.

    compose_file: "" when there is none. config: as compose resolves it, None when it refused or was not asked.
    complaint: compose's words, "" when it had none. env: names and values of `env_file`.
    """

    service: ServiceOrder
    folder_exists: bool = True
    compose_file: str = ""
    config: Mapping[str, Any] | None = None
    complaint: str = ""
    env_file: str = ""
    env: Mapping[str, str] = {}
    healthcheck_exists: bool = False
    healthcheck_executable: bool = False


class Violation(NamedTuple):
    """One thing that is wrong. severity: error | warning. The fields are those of a `finding`."""

    code: str
    message: str
    service: str
    severity: str = "error"
    file: str = ""
    key: str = ""
    hint: str = ""


Rule = Callable[[NodeOrder, Definition], Iterator[Violation]]


def violations(order: NodeOrder, definitions: Sequence[Definition]) -> tuple[Violation, ...]:
    """Everything that is wrong with the services, in their order."""
    return tuple(each for definition in definitions for rule in RULES for each in rule(order, definition))


def _missing_files(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    service = definition.service
    hint = "commit the service, or take it out of the topology"
    if not definition.folder_exists:
        message = f"the folder {service.folder} is not in the repository"
        yield Violation("service_missing", message, service.name, file=service.folder, hint=hint)
    elif not definition.compose_file:
        message = f"{service.folder} holds no docker-compose.yml or compose.yaml"
        yield Violation("service_missing", message, service.name, file=service.folder, hint=hint)


def _refused_config(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if definition.complaint:
        service = definition.service.name
        yield Violation("compose_invalid", definition.complaint, service, file=definition.compose_file)


def is_empty(config: Mapping[str, Any]) -> bool:
    """Whether a resolved config wants no container at all: compose would refuse to bring it up."""
    return not config.get("services")


def _empty_config(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if definition.config is not None and is_empty(definition.config):
        service = definition.service.name
        message = f"{definition.compose_file} defines no service that would run; are all of them behind a profile?"
        yield Violation("compose_empty", message, service, file=definition.compose_file, key="services")


def _missing_env(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    hint = f"edit {definition.env_file} on {order.host}, then: saturn deploy --hosts {order.host} --resume"
    for name in missing_env(definition.service, definition.env):
        message = f"{name} is not set in {definition.env_file}"
        yield Violation("env_missing", message, definition.service.name, file=definition.env_file, key=name, hint=hint)


def _plain_healthcheck(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if definition.healthcheck_exists and not definition.healthcheck_executable:
        file = f"{definition.service.folder}/healthcheck.sh"
        message = f"{file} is not executable, it is run with sh"
        hint = f"git update-index --chmod=+x {file}"
        name = definition.service.name
        yield Violation("healthcheck_not_executable", message, name, severity="warning", file=file, hint=hint)


RULES: tuple[Rule, ...] = (_missing_files, _refused_config, _empty_config, _missing_env, _plain_healthcheck)


def missing_env(service: ServiceOrder, env: Mapping[str, str]) -> tuple[str, ...]:
    """The required names that have no value."""
    return tuple(name for name in service.required_env if not env.get(name))
