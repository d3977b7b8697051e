"""What the files want of a service, as digests that can be kept and compared without keeping a single value. Pure.

Compose recreates a container when its own hash of the config moves; what that hash leaves out is left out here, too
(hash.go of compose). Files that are mounted or built from the checkout are compared by what git says of them: compose
would not notice that they changed.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Callable, Iterator, Mapping, NamedTuple

from . import compose

FILE = "file "
BUILD = "build "
_APART = frozenset(
    {"build", "pull_policy", "scale", "depends_on", "profiles", "env_file", "deploy", "environment", "labels"}
)

GitId = Callable[[str], str]
"""The id that git has for a path of the checkout in the wanted revision, "" for one that it does not know."""


class Blueprint(NamedTuple):
    """What is wanted of one compose service. keys: what is wanted, by name, to the digest of its value.

    copies: how many containers it shall have.
    """

    image: str
    keys: Mapping[str, str]
    ports: tuple[str, ...] = ()
    is_built: bool = False
    copies: int = 1


def blueprints(config: Mapping[str, Any], checkout: str, git_id: GitId, salt: str) -> dict[str, Blueprint]:
    """The blueprint of every compose service in a resolved config.

    Args:
        config: as compose resolves it, with the paths of the real checkout.
        checkout: where the files of the repository lie.
        git_id: see GitId.
        salt: makes the digests worthless elsewhere, since short secrets could be guessed from them.
    """
    return {
        name: _blueprint(str(config.get("name", "")), name, service, config, checkout, git_id, salt)
        for name, service in compose.active_services(config).items()
    }


def _blueprint(
    project: str,
    name: str,
    service: Mapping[str, Any],
    config: Mapping[str, Any],
    checkout: str,
    git_id: GitId,
    salt: str,
) -> Blueprint:
    keys = {key: digest(value, salt) for key, value in _values(service)}
    files = {*_mounted(service), *_described(service, config)}
    for path in sorted(_inside(files, checkout)):
        identity = git_id(path)
        if identity:
            keys[FILE + path] = identity
    built = service.get("build")
    if built:
        context = str(built.get("context", "")) if isinstance(built, dict) else str(built)
        inside = next(iter(_inside({context}, checkout)), "")
        keys[BUILD + (inside or context)] = digest(built, salt) + (git_id(inside) if inside else "")
    ports = tuple(sorted(_port(each) for each in service.get("ports") or ()))
    return Blueprint(compose.image_name(project, name, service), keys, ports, bool(built), compose.scale(service))


def _values(service: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Every key whose change makes compose replace the container, one by one where a person would name it."""
    for key, value in service.items():
        if key not in _APART and not key.startswith("x-") and value is not None:
            yield key, value
    for section in ("environment", "labels"):
        named = service.get(section) or {}
        for name, value in named.items() if isinstance(named, dict) else ():
            yield f"{section}.{name}", value
    deploy = service.get("deploy")
    if deploy is not None:  # that it is there at all moves compose's hash
        yield "deploy", {key: value for key, value in deploy.items() if key != "replicas"}
    yield "scale", compose.scale(service)


def digest(value: object, salt: str) -> str:
    """A short digest of any JSON value."""
    text = json.dumps([salt, value], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _mounted(service: Mapping[str, Any]) -> Iterator[str]:
    for volume in service.get("volumes") or ():
        if isinstance(volume, dict) and volume.get("type") == "bind":
            yield str(volume.get("source", ""))


def _described(service: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """Files behind the `configs` and `secrets` that the service uses."""
    for section in ("configs", "secrets"):
        known = config.get(section) or {}
        for used in service.get(section) or ():
            name = used.get("source", "") if isinstance(used, dict) else used
            yield str((known.get(name) or {}).get("file", ""))


def _inside(paths: set[str], checkout: str) -> set[str]:
    """Those of the absolute paths that lie in the checkout, relative to it."""
    below = checkout.rstrip("/") + "/"
    return {os.path.relpath(path, checkout) for path in paths if os.path.normpath(path).startswith(below)}


def _port(port: Any) -> str:
    """`127.0.0.1:8080->80/tcp`."""
    if not isinstance(port, dict):
        return str(port)
    where = str(port.get("host_ip") or "0.0.0.0")  # noqa: S104 - what docker does when nothing is said
    return "{}:{}->{}/{}".format(where, port.get("published", "?"), port.get("target"), port.get("protocol", "tcp"))


def moved_keys(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The names of what was added, removed or changed."""
    return tuple(sorted(key for key in {*before, *after} if before.get(key) != after.get(key)))


def is_unseen(key: str) -> bool:
    """Whether compose itself would not notice that this changed."""
    return key.startswith((FILE, BUILD))
