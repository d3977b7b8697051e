"""The job of one host as command lines: what a person would type, one after the other."""

from __future__ import annotations

from collections.abc import Sequence


def fetched(root: str) -> str:
    """The newest commit, and the files of it."""
    return f"git -C {root}/repo fetch -q origin && git -C {root}/repo reset -q --hard origin/main"


def brought_up(root: str, service: str) -> str:
    """One service, as its compose file wants it."""
    return f"cd {root}/repo/services/{service} && {root}/docker compose -p {service} -f docker-compose.yml up -d"


def checked(root: str, service: str) -> str:
    """Fails unless the service has a healthy container."""
    only = f"--filter health=healthy --filter label=com.docker.compose.project={service}"
    return f'test -n "$({root}/docker ps --quiet {only})"'


def steps(root: str, services: Sequence[str]) -> list[str]:
    """All of it."""
    return [
        fetched(root), *(brought_up(root, each) for each in services), *(checked(root, each) for each in services),
    ]  # fmt: skip
