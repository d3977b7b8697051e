"""Values that SATURN brings for `.env` files: from stdin to the service's own folder, and nowhere else.

They wait as `<root>/config/<service>/.env.incoming-<run>` until the run holds the node's lock, so that a yes stays
bound to the `.env` that its plan saw, and two runs never mix theirs.
"""

from __future__ import annotations

import json
import os
from typing import Dict, Mapping

from . import dotenv, state
from .errors import NodeError
from .lines import LineReader
from .redaction import INCOMING, incoming_values, secret_files
from .state import Paths
from .wire import Request

MAX = 256 * 1024
_PATIENCE_S = 120.0

Secrets = Mapping[str, Mapping[str, str]]
"""Service to name to value."""


def received(request: Request, reader: LineReader) -> Secrets:
    """What follows the request. Fails with secret_damaged; what came was read to its end."""
    left, pieces = request.secrets_size, []
    while left:
        piece = reader.next_bytes(min(left, MAX), _PATIENCE_S)
        if not piece:
            break
        left -= len(piece)
        pieces.append(piece if request.secrets_size <= MAX else b"")
    try:
        return _understood(b"".join(pieces)) if request.secrets_size else {}
    except (ValueError, TypeError) as error:
        hint = f"saturn deploy --hosts {request.node.host}"
        raise NodeError("secret_damaged", "the secrets that SATURN sent did not arrive whole", hint) from error


def _understood(data: bytes) -> Secrets:
    found: Dict[str, Dict[str, str]] = {}
    told = json.loads(data)
    if not isinstance(told, dict) or not told:
        raise ValueError("no services")
    for service, values in told.items():
        if os.path.basename(service) != service or service.startswith("."):
            raise ValueError("not a service")
        found[service] = {str(name): str(value) for name, value in dict(values).items()}
    return found


def keep(paths: Paths, run: str, secrets: Secrets) -> None:
    """Lay the values beside the `.env` files that they are for."""
    for service, values in secrets.items():
        os.makedirs(os.path.join(paths.config, service), exist_ok=True)
        data = json.dumps(values).encode()
        state.write_atomically(os.path.join(paths.config, service, INCOMING + run), data, 0o600)


def apply(paths: Paths, request: Request) -> tuple[str, ...]:
    """Merge what waits for this run into the `.env` files; the services whose file changed.

    Fails with secret_lost when the request came with values and none are here.
    """
    waiting = _waiting(paths, request.run)
    if request.secrets_size and not waiting:
        message = "the secrets that came with this run are not on the node any more; nothing was touched"
        raise NodeError("secret_lost", message, f"saturn deploy --hosts {request.node.host}")
    return tuple(service for service, path in waiting.items() if _merged(paths.env_file(service), path))


def _merged(env_file: str, path: str) -> bool:
    """Whether the file had to be changed. Its owner stays, and only the owner may read it."""
    values = dict(incoming_values(state.read_text(path)))
    try:
        with open(env_file, encoding="utf-8", errors="surrogateescape") as file:
            before, facts = file.read(), os.fstat(file.fileno())
    except FileNotFoundError:
        before, facts = "", None
    after = dotenv.merged(before, values)
    if after == before:
        return False
    state.write_atomically(env_file, after.encode("utf-8", "surrogateescape"), 0o600)
    if facts and os.geteuid() == 0:
        os.chown(env_file, facts.st_uid, facts.st_gid)
    return True


def forget(paths: Paths, run: str) -> None:
    """Take away what waits for the run, whatever became of it."""
    for path in _waiting(paths, run).values():
        state.forget(path)


def _waiting(paths: Paths, run: str) -> Dict[str, str]:
    """Service to the file that waits beside its `.env`."""
    return {os.path.basename(os.path.dirname(path)): path for path in secret_files(paths.config, INCOMING + run)}


def sweep(paths: Paths) -> None:
    """Take away what waits for runs that are over, or never began."""
    for path in secret_files(paths.config, INCOMING + "*"):
        run = os.path.basename(path)[len(INCOMING) :]
        if os.path.exists(paths.run(run, "result.json")) or not os.path.isdir(paths.run(run)):
            state.forget(path)
