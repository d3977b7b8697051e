"""The topology as it was resolved the last time, for as long as no file that it came of has changed.

Reading and checking an inventory takes longer than most commands have to do. What is kept is JSON and becomes nothing
but values of model.py. It is believed only when nobody but this person can have written it, when it is whole, and when
every file that load read or looked for is byte for byte what it was. Whatever else is found, the inventory is read.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from saturn_orchestrator import __version__, files
from saturn_orchestrator.records import field_names
from saturn_orchestrator.topology import model
from saturn_orchestrator.topology.model import Topology, login_name
from saturn_orchestrator.topology.traces import Traces, hold

MAX_BYTES = 16 * 1024 * 1024

_KINDS: tuple[type, ...] = (
    model.Ssh, model.Git, model.Compose, model.Ingress, model.Healthcheck, model.Backup, model.Secrets, model.Layout,
    model.Rollout, model.Waiver, model.Policy, model.Hooks, model.Target, model.Notify, model.Service, model.Host,
    model.Topology,
)  # fmt: skip
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_BROKEN = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What a file can make its decoding raise that holds something else than it should."""


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where saturn keeps what can be made again: `$XDG_CACHE_HOME/saturn`, else `~/.cache/saturn`."""
    base = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "saturn"


def cached(path: Path, folder: Path, say: Callable[[str], None]) -> Topology:
    """The topology whose topology.yaml is at path; kept in folder. say: is told why nothing could be kept.

    Raises:
        InventoryError: see load. An inventory that is wrong is read each time.
    """
    file = path.absolute()
    place = folder / f"topology-{hashlib.sha256(os.fsencode(file)).hexdigest()[:32]}.json"
    known = _known(place, file)
    if known is not None:
        return known
    from saturn_orchestrator.topology.load import load

    traces = Traces()
    topology = load(file, traces=traces)
    if traces.is_whole:
        _keep(place, file, topology, traces, say)
    return topology


def _known(place: Path, file: Path) -> Topology | None:
    """What is kept, where it may be believed and still holds."""
    try:
        digest, _, body = _own(place).partition(b"\n")
        if hashlib.sha256(body).hexdigest().encode() != digest:
            return None
        kept = json.loads(body)
        if kept["reader"] != _reader(file) or not hold(kept["files"], kept["homes"]):
            return None
        topology = decoded(kept["rows"])
    except (OSError, *_BROKEN):
        return None
    return topology if isinstance(topology, Topology) else None


def _own(place: Path) -> bytes:
    """What a file holds that nobody but this person can have written; nothing of any other."""
    if not _is_ours(os.stat(place.parent)):  # noqa: PTH116 - one call, and pathlib is no clearer
        return b""
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_ours(status) or status.st_size > MAX_BYTES:
            return b""
        return opened.read(MAX_BYTES)


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _keep(place: Path, file: Path, topology: Topology, traces: Traces, say: Callable[[str], None]) -> None:
    kept = {"reader": _reader(file), "files": traces.files, "homes": traces.homes, "rows": encoded(topology)}
    body = json.dumps(kept, separators=(",", ":")).encode()
    data = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    if len(data) > MAX_BYTES:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.put(place, data)
    except OSError as error:
        say(f"the topology could not be kept in {place.parent}: {error.strerror}")


def _reader(file: Path) -> list[object]:
    """Who reads, and what the reading depends on beside the files: this code, this Python, this person."""
    return [__version__, _code(), sys.version, str(file), login_name()]


def _code() -> list[list[object]]:
    """The modules of this folder: somebody who changes saturn itself must not be told what it said before."""
    with os.scandir(Path(__file__).parent) as found:
        own = sorted((each for each in found if each.name.endswith(".py")), key=lambda each: each.name)
        return [[each.name, each.stat().st_size, each.stat().st_mtime_ns] for each in own]


# --- values as rows: each once, and those that it is made of before it ------------------------------------------------


def encoded(value: object) -> list[Any]:
    """The value as rows of JSON; the last one is the value itself.

    A row is the number of a class and its fields. A field is text, a number, true, false or null as such; a list is
    `[0, …]`, a mapping `[1, key, …]`, a path `[2, text]`, a day `[3, text]`, an earlier row `[4, its number]`.
    """
    rows: list[Any] = []
    places: dict[str, int] = {}

    def field(each: object) -> object:
        if isinstance(each, tuple):
            return [0, *map(field, each)]
        if isinstance(each, Mapping):
            return [1, *(part for key, inner in each.items() for part in (key, field(inner)))]
        if isinstance(each, Path):
            return [2, str(each)]
        if isinstance(each, date):
            return [3, each.isoformat()]
        return [4, row(each)] if type(each) in _NUMBERS else each

    def row(each: object) -> int:
        kind = type(each)
        made = [_NUMBERS[kind], *(field(getattr(each, name)) for name in field_names(kind))]
        text = json.dumps(made)
        if text not in places:
            places[text] = len(rows)
            rows.append(made)
        return places[text]

    row(value)
    return rows


def decoded(rows: list[Any]) -> object:
    """The value of such rows. Raises any of `_BROKEN` where they are none."""
    made: list[object] = []

    def field(each: Any) -> Any:
        if not isinstance(each, list):
            return each
        kind, *parts = each
        match kind:
            case 0:
                return tuple(map(field, parts))
            case 1:
                return {key: field(inner) for key, inner in zip(parts[::2], parts[1::2], strict=True)}
            case 2:
                return Path(parts[0])
            case 3:
                return date.fromisoformat(parts[0])
            case 4:
                return made[parts[0]]
        raise ValueError("no such field")

    for number, *parts in rows:
        made.append(_KINDS[number](*map(field, parts)))
    return made[-1]
