"""Small homelabs on disk for the tests of the topology."""

from __future__ import annotations

from pathlib import Path

COMPOSE = 'services: {main: {image: "busybox:1", restart: always, healthcheck: {test: "true"}}}\n'
"""A compose file that no rule has anything to say of."""

GIT = "defaults: {git: {url: 'ssh://git@forge/homelab.git'}}\n"


def homelab(folder: Path, topology: str | bytes, files: dict[str, str] | None = None) -> Path:
    """Write a topology and other files (by their path in the repository) below folder; the path of topology.yaml."""
    file = folder / "inventory" / "topology.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(topology if isinstance(topology, bytes) else topology.encode())
    for path, content in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    return file


def services(*names: str, **metadata: str) -> dict[str, str]:
    """The files of services by these names; metadata holds the service.yaml of those that have one."""
    every = (*names, *metadata)
    composes = {f"services/{name}/docker-compose.yml": COMPOSE for name in every}
    return composes | {f"services/{name}/service.yaml": text for name, text in metadata.items()}
