"""What a compose service asks of its node: devices, mounts, a user. Pure.

Services are read in compose's short and long syntax, as they are written or as compose resolves them.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any, Iterator, Mapping, Sequence

_MAJORS = {"166": "/dev/ttyACM0", "188": "/dev/ttyUSB0"}
"""Character devices by their number (Documentation/admin-guide/devices.txt of Linux)."""

_ID = r"[0-9]{1,10}"
_ID_MAX = 2**32 - 2
"""The last one means nobody to the kernel."""

_SOCKETS = ("docker.sock", "podman.sock", "containerd.sock")


def devices(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every device that a compose service asks for, with the key where it does."""
    for index, device in enumerate(as_list(service.get("devices"))):
        source = str(device.get("source") or "") if isinstance(device, dict) else str(device).split(":", 1)[0]
        if source:
            yield f"devices[{index}]", posixpath.normpath(source)
    for key, source, _ in binds(service):
        if source == "/dev" or source.startswith("/dev/"):
            yield key, source
    for index, rule in enumerate(as_list(service.get("device_cgroup_rules"))):
        words = str(rule).split()
        major = words[1].split(":")[0] if len(words) > 1 else ""
        for device in _MAJORS.values() if major == "*" else filter(None, [_MAJORS.get(major)]):
            yield f"device_cgroup_rules[{index}]", device
    for key, request in _device_requests(service):
        wanted = (request.get("driver"), *as_list(request.get("device_ids")), *as_list(request.get("capabilities")))
        yield from ((key, str(each)) for each in wanted if each)


def _device_requests(service: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    section: Any = service
    for step in ("deploy", "resources", "reservations"):
        section = section.get(step) if isinstance(section, dict) else None
    for index, each in enumerate(as_list((section or {}).get("devices")) if isinstance(section, dict) else ()):
        if isinstance(each, dict):
            yield f"deploy.resources.reservations.devices[{index}]", each
    gpus = service.get("gpus")
    for each in [{}] if isinstance(gpus, str) else as_list(gpus):
        if isinstance(each, dict):
            yield "gpus", {"capabilities": ["gpu"], **each}


def binds(service: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Key, source and target of every bind mount, as far as its source is known.

    One with a variable that was not filled in is not, and neither is one beside the compose file that was not resolved.
    """
    for index, volume in enumerate(as_list(service.get("volumes"))):
        if isinstance(volume, dict):
            source = str(volume.get("source") or "") if volume.get("type") == "bind" else ""
            target = str(volume.get("target") or "")
        else:
            source, _, target = str(volume).partition(":")
            source, target = (source, target.split(":")[0]) if target else ("", source)  # a path alone is a volume
        if source.startswith(("/", "~")) and "$" not in source:
            yield f"volumes[{index}]", posixpath.normpath(source), target


def copies(service: Mapping[str, Any]) -> Any:
    """How many containers the service shall have, as the file has it."""
    section = service.get("deploy")
    replicas = section.get("replicas") if isinstance(section, dict) else None
    return next((each for each in (service.get("scale"), replicas) if each is not None), 1)


def is_socket(source: str) -> bool:
    """Whether who mounts this can talk to the container engine."""
    return source.endswith(_SOCKETS) or source in ("/", "/run", "/var/run")


def numeric_user(service: Mapping[str, Any]) -> tuple[int, int] | None:
    """User and group id of a compose service's `user`, None unless they are numbers; the group is the user's then."""
    value = service.get("user")
    user, _, group = ("" if value is None else str(value)).partition(":")
    if not re.fullmatch(_ID, user) or not re.fullmatch(_ID, group or user):
        return None
    found = int(user), int(group or user)
    return found if max(found) <= _ID_MAX else None


def pairs(value: object) -> Iterator[tuple[str, str]]:
    """Names and values of a mapping, or of a list of `NAME=value`."""
    if isinstance(value, dict):
        yield from ((str(name), str(each)) for name, each in value.items() if each is not None)
    for each in as_list(value):
        name, _, text = str(each).partition("=")
        yield name, text


def as_list(value: object) -> Sequence[Any]:
    """The value when it is a list, else an empty one."""
    return value if isinstance(value, (list, tuple)) else ()
