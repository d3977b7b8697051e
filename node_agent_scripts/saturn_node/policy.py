"""Every rule that validate applies, as one pure function from what stands on disk to what is wrong with it.

A new rule is a new function in RULES and its code in CODES. Reading the disk and asking compose is `validation`'s work
on the node; SATURN applies the same rules to the files as they stand in the repository.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
import shlex
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Sequence

from . import autonomy, claims, exposure
from .exposure import Port
from .wire import Conventions, NodeOrder, ServiceOrder, Waiver

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

FIXED = frozenset({"service_missing", "compose_invalid", "compose_empty", "env_missing"})
"""Without these nothing could be brought up: no topology can allow them."""


class Definition(NamedTuple):
    """One service as it lies in the checkout and in <root>/config.

    compose_file: "" when there is none. config: as compose resolves it, None when it refused or was not asked.
    complaint: compose's words, "" when it had none. env: names and values of `env_file`; env_mode: its permission bits.
    is_resolved: False for a compose file as it is written, where variables, `.env` and overrides are not known yet.
    checkout: the folder of the repository. owners: paths that are mounted to the user id they belong to. real: device
    paths to what they are links to. coordinator: the serial port in zigbee2mqtt's own configuration.
    """

    service: ServiceOrder
    folder_exists: bool = True
    compose_file: str = ""
    config: Mapping[str, Any] | None = None
    complaint: str = ""
    env_file: str = ""
    env: Mapping[str, str] = {}
    env_mode: int = 0
    healthcheck_exists: bool = False
    healthcheck_executable: bool = False
    is_resolved: bool = True
    checkout: str = ""
    owners: Mapping[str, int] = {}
    real: Mapping[str, str] = {}
    coordinator: str = ""

    def active(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The compose services that would have a container."""
        services = (self.config or {}).get("services")
        for name, each in services.items() if isinstance(services, dict) else ():
            if not isinstance(each, dict) or (each.get("profiles") and not self.is_resolved):
                continue
            if claims.copies(each) != 0:
                yield str(name), each

    def says(self, code: str, message: str, key: str = "", hint: str = "") -> Violation:
        """A finding in the compose file."""
        return Violation(code, message, self.service.name, CODES[code], self.compose_file, key, hint)


class Violation(NamedTuple):
    """One thing that is wrong. severity: error | warning | waived. The fields are those of a `finding`."""

    code: str
    message: str
    service: str
    severity: str = "error"
    file: str = ""
    key: str = ""
    hint: str = ""


Rule = Callable[[NodeOrder, Definition], Iterator[Violation]]


def violations(order: NodeOrder, definitions: Sequence[Definition]) -> tuple[Violation, ...]:
    """Everything that is wrong with the services, in their order, as grave as the topology has it."""
    return tuple(
        _weighed(order.conventions, each)
        for definition in definitions
        for rule in RULES
        for each in rule(order, definition)
    )


def _weighed(conventions: Conventions, found: Violation) -> Violation:
    """The finding as the topology wants it: another severity, or allowed until a day."""
    if found.code in FIXED:
        return found
    found = found._replace(severity=conventions.severity.get(found.code, found.severity))
    fitting = (each for each in conventions.waivers if _is_for(each, found))
    waiver = min(fitting, key=lambda each: each.is_expired, default=None)
    if waiver is None:
        return found
    if waiver.is_expired:
        return found._replace(message=f"{found.message} (its waiver ended on {waiver.until}: {waiver.reason})")
    return found._replace(
        severity="waived", message=f"{found.message} (allowed until {waiver.until}: {waiver.reason})", hint=""
    )


def _is_for(waiver: Waiver, found: Violation) -> bool:
    return waiver.code == found.code and waiver.service in ("", found.service)


# --- the files themselves ---------------------------------------------------------------------------------------------


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
        yield definition.says("compose_invalid", definition.complaint)


def is_empty(config: Mapping[str, Any]) -> bool:
    """Whether a resolved config wants no container at all: compose would refuse to bring it up."""
    return not config.get("services")


def _empty_config(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if definition.is_resolved and definition.config is not None and is_empty(definition.config):
        message = f"{definition.compose_file} defines no service that would run; are all of them behind a profile?"
        yield definition.says("compose_empty", message, "services")


def _missing_env(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if not definition.is_resolved:
        return
    hint = f"edit {definition.env_file} on {order.host}, then: saturn deploy --hosts {order.host} --resume"
    for name in definition.service.missing_env(definition.env):
        message = f"{name} is not set in {definition.env_file}"
        yield Violation("env_missing", message, definition.service.name, file=definition.env_file, key=name, hint=hint)


def _readable_env(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if definition.env_mode & 0o077:
        who = "everybody on the node" if definition.env_mode & 0o007 else "its group"
        message = f"{definition.env_file} holds secrets, and {who} may use it"
        hint = f"chmod 600 {shlex.quote(definition.env_file)}"
        name = definition.service.name
        yield Violation("env_readable", message, name, CODES["env_readable"], definition.env_file, hint=hint)


def _plain_healthcheck(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if definition.is_resolved and definition.healthcheck_exists and not definition.healthcheck_executable:
        file = f"{definition.service.folder}/healthcheck.sh"
        message = f"{file} is not executable, it is run with sh"
        hint = f"git update-index --chmod=+x {file}"
        yield definition.says("healthcheck_not_executable", message, hint=hint)._replace(file=file)


# --- exposure ---------------------------------------------------------------------------------------------------------

_ANSWERS = {
    exposure.EVERYWHERE: "on every address of the node",
    exposure.LAN: "on the LAN",
    exposure.TAILNET: "on the tailnet",
    exposure.WORLD: "on a public address",
    exposure.UNKNOWN: "on what is no address",
}
_BINDS = {
    "local-only": 'publish it as "127.0.0.1:{}:{}", or on an address of the LAN',
    "tailscale-internal": 'publish it on the address that the node has on the tailnet, or as "127.0.0.1:{}:{}"',
}


def is_public(order: NodeOrder, service: ServiceOrder) -> bool:
    """Whether the world may reach the service: it says so, and the host names it."""
    return service.exposure == "public" and service.name in order.conventions.public


def _unnamed_public(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    service = definition.service
    if service.exposure == "public" and not is_public(order, service):
        message = f"{service.name} is public, but {order.host} does not name it in ingress.public"
        hint = f"name it in ingress.public of {order.host}, or change its exposure in {service.folder}/service.yaml"
        yield definition.says("public_not_allowed", message, hint=hint)


def _exposed_ports(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    service = definition.service
    if is_public(order, service):
        return
    promised = "local-only" if service.exposure == "public" else service.exposure
    for name, each in definition.active():
        for address, ports in _by_address(exposure.published_ports(each)).items():
            place = exposure.reach(address)
            if place == exposure.VARIABLE or place in exposure.ALLOWED[promised]:
                continue
            message = f"{_counted_ports(ports)} {_ANSWERS[place]}, but {service.name} is {promised}"
            first = ports[0]
            hint = _BINDS[promised].format(first.published or first.target, first.target)
            yield definition.says("port_exposed", message, f"services.{name}.ports[{first.position}]", hint)


def _by_address(ports: Sequence[Port]) -> dict[str, list[Port]]:
    found: dict[str, list[Port]] = {}
    for each in ports:
        found.setdefault(each.address, []).append(each)
    return found


def _counted_ports(ports: Sequence[Port]) -> str:
    words = list(dict.fromkeys(each.words for each in ports))
    more = f" and {len(words) - 4} more" if len(words) > 4 else ""
    return f"port {words[0]} answers" if len(words) == 1 else f"ports {', '.join(words[:4])}{more} answer"


def _host_network(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if is_public(order, definition.service):
        return
    for name, each in definition.active():
        if exposure.shares_the_hosts_network(each):
            message = f"{name} shares the node's network, so nobody can tell from its files what it opens"
            hint = "publish its ports instead, or allow it for a time: policy.waivers in the topology"
            yield definition.says("network_host", message, f"services.{name}.network_mode", hint)


# --- devices ----------------------------------------------------------------------------------------------------------

_NETWORK_COORDINATORS = ("tcp://", "mdns://")


def _forbidden_devices(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    patterns = order.conventions.forbidden_devices
    for name, each in definition.active() if patterns else ():
        for key, device in claims.devices(each):
            names = (device, definition.real.get(device, device))
            pattern = next((one for one in patterns if any(_matches(word, one) for word in names)), "")
            if pattern:
                message = f"{name} asks for {device}, and the topology forbids {pattern}"
                hint = "take it out, or use the device over the network"
                yield definition.says("device_forbidden", message, f"services.{name}.{key}", hint)


def _matches(device: str, pattern: str) -> bool:
    """Whether the device is meant, or a folder that holds it is handed over as a whole."""
    folder = device.rstrip("/") + "/"
    return fnmatch.fnmatchcase(device, pattern) or pattern.startswith(folder)


def _local_coordinator(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    for name, each in _coordinated(definition):
        told = dict(claims.pairs(each.get("environment"))).get("ZIGBEE2MQTT_CONFIG_SERIAL_PORT", "")
        port = told or definition.coordinator
        if port and "$" not in port[:1] and not port.startswith((*_NETWORK_COORDINATORS, "!")):
            message = f"zigbee2mqtt uses the coordinator at {port}, which ties it to this machine's USB"
            key = f"services.{name}.environment.ZIGBEE2MQTT_CONFIG_SERIAL_PORT" if told else "serial.port"
            hint = "use a coordinator on the network: tcp://ADDRESS:6638"
            yield definition.says("coordinator_local", message, key, hint)


def _coordinated(definition: Definition) -> list[tuple[str, Mapping[str, Any]]]:
    """The compose services that are zigbee2mqtt by their image, else all of a service of that name."""
    active = list(definition.active())
    known = [pair for pair in active if re.match(r"zigbee2mqtt\b", _image(pair[1]).rpartition("/")[2])]
    return known or (active if definition.service.name == "zigbee2mqtt" else [])


def _image(service: Mapping[str, Any]) -> str:
    return str(service.get("image") or "")


# --- autonomy ---------------------------------------------------------------------------------------------------------


def _stays_down(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    is_autonomous, one_shots = order.conventions.autonomous, _one_shots(definition)
    for name, each in definition.active():
        policy = _restart(each)
        is_fine = policy in ("always", "unless-stopped") if is_autonomous else bool(policy)
        if is_fine or "$" in policy or _is_partial(each) or name in one_shots:
            continue
        came = f"its restart policy is {policy}" if policy else "it has no restart policy"
        message = f"{name} does not come back by itself after a power cut: {came}"
        found = definition.says("restart_missing", message, f"services.{name}.restart", "restart: unless-stopped")
        yield found._replace(severity="error") if is_autonomous else found


def _restart(service: Mapping[str, Any]) -> str:
    """The restart policy in the short form's words, "" when there is none."""
    short = service.get("restart")
    if short is not None:
        return "no" if short is False else str(short).split(":", 1)[0]
    section: Any = service.get("deploy")
    section = section.get("restart_policy") if isinstance(section, dict) else None
    condition = str(section.get("condition") or "any") if isinstance(section, dict) else ""
    return {"any": "always", "none": "no"}.get(condition, condition)


def _one_shots(definition: Definition) -> frozenset[str]:
    """Compose services that others wait for until they have ended well."""
    found = set()
    for _, each in definition.active():
        needed = each.get("depends_on")
        for name, how in needed.items() if isinstance(needed, dict) else ():
            if isinstance(how, dict) and how.get("condition") == "service_completed_successfully":
                found.add(str(name))
    return frozenset(found)


def _is_partial(service: Mapping[str, Any]) -> bool:
    """Whether other files say the rest, so that nothing can be missed in this one."""
    return "extends" in service


def _outside_help(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    conventions = order.conventions
    if not conventions.autonomous or definition.config is None:
        return
    near = autonomy.Neighbourhood.of(conventions.own, conventions.strangers)
    for key, machine in autonomy.references(definition.config, near):
        message = f"{order.host} must work by itself, and this needs {machine}, which is not on its LAN"
        yield definition.says("autonomy_dependency", message, key, "use something on the node or its LAN")


# --- mounts, images, checks -------------------------------------------------------------------------------------------

_HARMLESS = (
    "/dev", "/proc", "/sys", "/run", "/var/run", "/lib/modules", "/etc/localtime", "/etc/timezone", "/etc/machine-id",
)  # fmt: skip
"""What the system makes anew, or has of its own: nothing of a service is lost with it."""


def _docker_socket(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    for name, each in definition.active():
        for key, source, _ in claims.binds(each):
            if claims.is_socket(source):
                message = f"{name} may use the container engine, and so is root on the node"
                hint = "leave it out, or put a proxy that allows little before it"
                yield definition.says("docker_socket", message, f"services.{name}.{key}", hint)


def _privileged(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    for name, each in definition.active():
        if each.get("privileged") in (True, "true"):
            message = f"{name} is privileged: it may do whatever root may do on the node"
            hint = "name what it needs: cap_add, devices"
            yield definition.says("privileged", message, f"services.{name}.privileged", hint)


def own_folders(order: NodeOrder, service: str) -> tuple[str, ...]:
    """Where a service may keep things on the node."""
    return tuple(posixpath.join(order.root, kind, service) for kind in ("config", "data", "logs"))


def _mounts_outside(order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    service = definition.service.name
    allowed = (*own_folders(order, service), *filter(None, [definition.checkout]))
    for name, each in definition.active():
        for key, source, _ in claims.binds(each):
            if claims.is_socket(source) or any(_is_below(source, folder) for folder in (*allowed, *_HARMLESS)):
                continue
            message = f"{name} mounts {source}, which is none of the service's folders: no backup knows it"
            hint = f"use {order.root}/data/{service}"
            yield definition.says("mount_outside", message, f"services.{name}.{key}", hint)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def _wrong_owner(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    for name, each in definition.active():
        user = claims.numeric_user(each) or (0, 0)
        for key, source, _ in claims.binds(each) if user[0] else ():  # root may write everywhere
            owner = definition.owners.get(source)
            if owner not in (None, user[0]):
                message = f"{name} runs as user {user[0]}, but {source} belongs to user {owner}"
                hint = f"sudo chown -R {user[0]}:{user[1]} {shlex.quote(source)}"
                yield definition.says("folder_owner", message, f"services.{name}.{key}", hint)


def _unpinned_image(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    for name, each in definition.active():
        image = _image(each)
        if not image or each.get("build") or "$" in image or "@" in image:
            continue
        tag = image.rpartition("/")[2].partition(":")[2]
        if tag in ("", "latest"):
            message = f"{image} may be another image tomorrow: {'its tag is latest' if tag else 'it has no tag'}"
            yield definition.says("image_unpinned", message, f"services.{name}.image", "name a version as its tag")


def _no_healthcheck(_order: NodeOrder, definition: Definition) -> Iterator[Violation]:
    if definition.healthcheck_exists:
        return
    one_shots = _one_shots(definition)
    for name, each in definition.active():
        check = each.get("healthcheck")
        is_checked = (
            isinstance(check, dict) and not check.get("disable") and check.get("test") not in (["NONE"], "NONE")
        )
        if is_checked or _is_partial(each) or name in one_shots:
            continue
        message = f"nothing tells whether {name} is well: it has no health check"
        hint = f"healthcheck: in the compose file, or {definition.service.folder}/healthcheck.sh"
        yield definition.says("healthcheck_missing", message, f"services.{name}.healthcheck", hint)


RULES: tuple[Rule, ...] = (
    _missing_files,
    _refused_config,
    _empty_config,
    _missing_env,
    _readable_env,
    _plain_healthcheck,
    _unnamed_public,
    _exposed_ports,
    _host_network,
    _forbidden_devices,
    _local_coordinator,
    _stays_down,
    _outside_help,
    _docker_socket,
    _privileged,
    _mounts_outside,
    _wrong_owner,
    _unpinned_image,
    _no_healthcheck,
)
