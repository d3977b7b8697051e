"""Secrets from a person's vault: commands of service.yaml, run on SATURN; what they print is for a host's `.env`.

Values are shown nowhere and written nowhere here: they live in memory until the node has them. What SATURN knows
without running a command is told by `at_hand`.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from saturn_node import dotenv

from saturn_orchestrator.app.program import MAX_BYTES, run_program
from saturn_orchestrator.errors import SecretUnavailable
from saturn_orchestrator.events import Request, neutral
from saturn_orchestrator.topology.model import Host, Secrets, Service, Topology

WORDS_MAX = 300
"""Characters of a command's complaint that a person is shown."""

_NAME = "{name}"


def is_by_name(secrets: Secrets) -> bool:
    """Whether the command is run once for each name, and prints that value alone."""
    return any(_NAME in word for word in secrets.command)


def shown(service: Service, host: str) -> str:
    """The command as a person may see it: host and service filled in, the name not."""
    assert service.secrets
    return shlex.join(_filled(service.secrets.command, host, service.name, _NAME))


def promise(service: Service, host: str) -> str:
    """What the plan says of it."""
    assert service.secrets
    names = ", ".join(service.required_env) if is_by_name(service.secrets) else "what it prints"
    return f"{service.name}: writes {names} to its .env on {host}, from: {shown(service, host)}"


def at_hand(topology: Topology, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names and values of secrets that lie on SATURN as it is: `.env` files of services, and its own environment.

    Of a file every long value counts for a secret, of the environment only what is called one.
    """
    from saturn_orchestrator.repository.leaks import is_env  # what secrets look like takes its time to compile
    from saturn_orchestrator.state.redaction import LEARNED_MIN, is_secret_name

    folders = sorted({service.folder for host in topology.hosts.values() for service in host.services})
    for file in (file for folder in folders for file in sorted((topology.folder / folder).glob(".env*"))):
        if is_env(file.name):
            for name, value in dotenv.parse(_beginning(file)).items():
                if is_secret_name(name) or len(value) >= LEARNED_MIN:
                    yield name, value
    for name, value in environ.items():
        if is_secret_name(name) and len(value) >= LEARNED_MIN:
            yield name, value


def _beginning(file: Path) -> str:
    """The text of a file, as much as a command may print; "" for what this person cannot read."""
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


class Vault:
    """Runs the commands of one deploy, each filled-in command line once."""

    def __init__(self, folder: Path) -> None:
        """folder: where the commands run, the root of the repository."""
        self._folder = folder
        self._answers: dict[tuple[str, ...], asyncio.Task[bytes]] = {}

    async def secrets(self, host: Host, request: Request) -> bytes:
        """What goes to the host with this request; b"" when no service of it has a command.

        Raises:
            SecretUnavailable: a command failed, or printed no value for a name that is required.
        """
        if request.deploys_nothing:
            return b""
        asked = {each.name for each in request.node.services}
        chosen = [each for each in host.services if each.secrets and each.name in asked]
        found = {each.name: await self._of(each, host.name) for each in chosen}
        return json.dumps(found).encode() if found else b""

    async def _of(self, service: Service, host: str) -> Mapping[str, str]:
        secrets = service.secrets
        assert secrets
        if is_by_name(secrets):
            found = {
                name: _value(await self._printed(_filled(secrets.command, host, service.name, name), secrets.timeout_s))
                for name in service.required_env
            }
        else:
            told = await self._printed(_filled(secrets.command, host, service.name, ""), secrets.timeout_s)
            found = dotenv.parse(told.decode("utf-8", "replace"))
        for name in service.required_env:
            if not found.get(name):
                raise _unavailable(shown(service, host), f"it printed no value for {name} of {service.name}")
        return found

    async def _printed(self, argv: tuple[str, ...], timeout_s: float) -> bytes:
        if argv not in self._answers:
            self._answers[argv] = asyncio.create_task(_run(argv, self._folder, timeout_s))
        return await asyncio.shield(self._answers[argv])


def _filled(command: tuple[str, ...], host: str, service: str, name: str) -> tuple[str, ...]:
    known = {"{host}": host, "{service}": service, _NAME: name}
    filled = []
    for word in command:
        for mark, text in known.items():
            word = word.replace(mark, text)
        filled.append(word)
    return tuple(filled)


def _value(printed: bytes) -> str:
    """What a command printed, without the line's end that it put behind the value."""
    text = printed.decode("utf-8", "replace")
    return text.removesuffix("\n").removesuffix("\r")


async def _run(argv: tuple[str, ...], folder: Path, timeout_s: float) -> bytes:
    """What the command prints on standard output."""
    try:
        ended = await run_program(argv, folder, timeout_s)
    except TimeoutError as error:
        raise _unavailable(shlex.join(argv), f"it did not end within {timeout_s:g} s") from error
    except OSError as error:
        raise _unavailable(shlex.join(argv), f"it cannot be run: {error.strerror}") from error
    if ended.status or len(ended.out) > MAX_BYTES:
        why = f"it ended with status {ended.status}" if ended.status else f"it printed more than {MAX_BYTES >> 10} kB"
        last = neutral(ended.err.decode("utf-8", "replace").strip().rpartition("\n")[2])[:WORDS_MAX]
        raise _unavailable(shlex.join(argv), f"{why}{f': {last}' if last else ''}")
    return ended.out


def _unavailable(command: str, why: str) -> SecretUnavailable:
    return SecretUnavailable(f"`{command}` brings no secret: {why}; nothing was touched", hint=command)
