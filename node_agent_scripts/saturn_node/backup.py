"""Backups of a service's folders on its own node: written, listed, read to their end, pruned.

A backup is a folder `<root>/backups/<service>/<timestamp>/`. It holds a tar file for each folder of the service and,
written last, `manifest.json`; a folder without one is no backup. What belongs to this node alone (`.env`, the override)
lies in an archive of its own that is never sent away.
"""

from __future__ import annotations

import errno
import os
import time
from typing import Any, Callable, Iterator, Mapping, NamedTuple

from . import archive, git, quiesce, state
from .archive import Choice, size_words
from .errors import NodeError
from .late import shutil
from .log import now_at
from .state import Paths
from .task import Task
from .wire import ArchiveFact, BackupOrder, BackupWritten, ServiceOrder, SnapshotFact

LOCAL = (".env", "docker-compose.override.yml", "docker-compose.override.yaml")
"""Names in the config folder that belong to this node alone."""
MANIFEST = "manifest.json"
PARTIAL = ".partial"
DEPLOY, ORDERED, REPLACED = "deploy", "ordered", "replaced"

_MARGIN = 64 * 1024 * 1024
_MARGIN_SHARE = 0.05


class Part(NamedTuple):
    """One folder of a service and what of it goes into one archive. name: config | data | logs | local."""

    name: str
    folder: str
    choice: Choice


def parts(paths: Paths, service: ServiceOrder) -> tuple[Part, ...]:
    """What a backup of the service takes, as far as it is there."""
    order = service.backup or BackupOrder()
    found = []
    for name in order.paths:
        folder = paths.of_service(name, service.name)
        if not os.path.isdir(folder):
            continue
        is_config = name == "config"
        found.append(Part(name, folder, Choice(without=LOCAL if is_config else (), exclude=order.exclude)))
        if is_config and any(os.path.isfile(os.path.join(folder, each)) for each in LOCAL):
            found.append(Part("local", folder, Choice(only=LOCAL)))
    return tuple(found)


# --- writing ----------------------------------------------------------------------------------------------------------


def write(task: Task, service: ServiceOrder, reason: str) -> str:
    """Write a backup, tell it, and let go of those that are too many; its name.

    Raises:
        NodeError: backup_no_room, backup_unreadable, backup_failed or docker's, and the service is as it was; or
            backup_left_stopped.
    """
    try:
        return _written(task, service, reason)
    except OSError as error:
        own = os.path.join(task.paths.backups, service.name)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(own, "the disk became full while the backup was written") from error
        message = f"no backup of {service.name} could be written: {error}"
        raise NodeError("backup_failed", message, f"ls -ld {own}", service.name) from error


def _written(task: Task, service: ServiceOrder, reason: str) -> str:
    order = service.backup or BackupOrder()
    began = time.monotonic()
    own = os.path.join(task.paths.backups, service.name)
    os.makedirs(own, mode=0o700, exist_ok=True)
    sweep(task.paths, service.name)
    wanted = parts(task.paths, service)
    check_room(own, sum(archive.content_size(each.folder, each.choice) for each in wanted))
    name = free_name(own)
    task.say(f"writing backup {name}", service.name)
    partial = os.path.join(own, name + PARTIAL)
    os.mkdir(partial, 0o700)
    try:
        with quiesce.still(task.order, task.paths, service.name, order.quiesce):
            written = [(each, _archived(task, each, partial)) for each in wanted]
        fact = _concluded(task, service, reason, name, written)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    removed = prune(task.paths, service.name, order.keep)
    task.sink.send(
        BackupWritten,
        service=service.name,
        snapshot=name,
        path=os.path.join(own, name),
        size=fact.size,
        files=fact.files,
        duration_s=round(time.monotonic() - began, 3),
        removed=removed,
    )
    return name


def _archived(task: Task, part: Part, folder: str) -> archive.Written:
    return archive.write(
        part.folder, os.path.join(folder, part.name + archive.SUFFIX), part.choice, task.check_cancelled
    )


def _concluded(
    task: Task, service: ServiceOrder, reason: str, name: str, written: list[tuple[Part, archive.Written]]
) -> SnapshotFact:
    """Make the half backup a whole one: the manifest, then the name that counts."""
    own = os.path.join(task.paths.backups, service.name)
    archives = [
        {"name": part.name + archive.SUFFIX, "part": part.name, "size": each.size, "sha256": each.sha256,
         "is_local": part.name == "local"}
        for part, each in written
    ]  # fmt: skip
    manifest = {
        **origin(task, service.name, name, reason),
        "files": sum(each.files for _, each in written),
        "content": sum(each.content for _, each in written),
        "archives": archives,
        "notes": [f"{part.name}: {note}" for part, each in written for note in each.notes],
    }
    conclude(own, name, manifest)
    for note in manifest["notes"]:
        task.say(f"backup {name}: {note}", service.name)
    return _fact(service.name, name, manifest)


def origin(task: Task, service: str, name: str, reason: str) -> dict[str, Any]:
    """The head of a manifest: what this is a backup of, and by whom."""
    record = state.read_record(task.paths, service)
    revision = (
        record.revision if record else git.head(task.order.checkout) if git.is_checkout(task.order.checkout) else ""
    )
    return {
        "version": 1, "service": service, "name": name, "at": now_at(), "run": task.request.run, "revision": revision,
        "reason": reason,
    }  # fmt: skip


def conclude(own: str, name: str, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a half backup, last, and give it the name that counts."""
    partial = os.path.join(own, name + PARTIAL)
    for each in os.listdir(partial):
        if each.endswith(".tmp"):  # a manifest that a killed worker had begun
            os.unlink(os.path.join(partial, each))
    state.write_json(os.path.join(partial, MANIFEST), dict(manifest), 0o600)
    os.rename(partial, os.path.join(own, name))
    state.sync_folder(own)


def free_name(own: str) -> str:
    """A timestamp that no backup has: the clock may have been set back."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    names = (f"{stamp}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    taken = set(os.listdir(own))
    return next(each for each in names if each not in taken and each + PARTIAL not in taken)


def check_room(folder: str, needed: int) -> None:
    """Raise backup_no_room when so many bytes, and some to spare, are not free on the disk of the folder."""
    wanted = int(needed * (1 + _MARGIN_SHARE)) + _MARGIN
    free = archive.free_bytes(folder)
    if free < wanted:
        raise _no_room(folder, f"it may take {size_words(needed)} and some to spare, and {size_words(free)} are free")


def _no_room(folder: str, why: str) -> NodeError:
    message = f"there is no room for a backup in {folder}: {why}"
    return NodeError("backup_no_room", message, f"df -h {folder}; fewer of them: backup.keep in service.yaml")


def sweep(paths: Paths, service: str) -> None:
    """Take away what a killed worker left half."""
    own = os.path.join(paths.backups, service)
    for name in os.listdir(own):
        if name.endswith(PARTIAL):
            shutil.rmtree(os.path.join(own, name), ignore_errors=True)


def prune(paths: Paths, service: str, keep: int) -> tuple[str, ...]:
    """Keep the newest backups, and as many of what restores replaced; the names of those that went."""
    found = known(paths, service)
    kinds = ([each for each in found if (each.reason == REPLACED) == is_replaced] for is_replaced in (False, True))
    gone = tuple(each.name for kind in kinds for each in kind[keep:])
    for name in gone:
        own = os.path.join(paths.backups, service, name)
        os.unlink(os.path.join(own, MANIFEST))  # first: a half removed one is no backup
        shutil.rmtree(own, ignore_errors=True)
    return gone


# --- what is there ----------------------------------------------------------------------------------------------------


def known(paths: Paths, service: str) -> tuple[SnapshotFact, ...]:
    """The whole backups of a service, newest first."""
    try:
        names = sorted(os.listdir(os.path.join(paths.backups, service)), reverse=True)
    except OSError:
        return ()
    return tuple(fact for name in names for fact in _read(paths, service, name))


def _read(paths: Paths, service: str, name: str) -> Iterator[SnapshotFact]:
    manifest = state.read_json(os.path.join(paths.backups, service, name, MANIFEST))
    if manifest and not name.endswith(PARTIAL):
        yield _fact(service, name, manifest)


def _fact(service: str, name: str, manifest: Mapping[str, Any]) -> SnapshotFact:
    """A manifest as a fact; what does not fit in it is left out."""
    listed = manifest.get("archives")
    archives = tuple(
        ArchiveFact(each["name"], _number(each.get("size")), str(each.get("sha256", "")), each.get("is_local") is True)
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and is_plain(each.get("name"))
    )
    words = {key: str(manifest.get(key, "")) for key in ("at", "run", "revision", "reason")}
    size, files = sum(each.size for each in archives), _number(manifest.get("files"))
    return SnapshotFact(service, name, **words, size=size, files=files, archives=archives)


def _number(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 2**63 else 0


def is_plain(name: object) -> bool:
    """Whether a name is that of one file, and leads nowhere else."""
    return isinstance(name, str) and bool(name) and os.path.basename(name) == name and not name.startswith(".")


def found(paths: Paths, service: str, name: str, host: str) -> SnapshotFact:
    """The backup of that name. Fails with backup_missing."""
    fact = next((each for each in known(paths, service) if each.name == name), None)
    if fact is None:
        message = f"there is no whole backup {name} of {service} on this node"
        raise NodeError("backup_missing", message, f"saturn backup list --hosts {host}", service)
    return fact


def folder_of(paths: Paths, fact: SnapshotFact) -> str:
    """Where a backup lies."""
    return os.path.join(paths.backups, fact.service, fact.name)


def complaint(paths: Paths, fact: SnapshotFact, alive: Callable[[], None] = lambda: None) -> str:
    """What is not as the manifest says, in a sentence; "" when every archive is. alive: called while it reads."""
    folder = folder_of(paths, fact)
    for each in fact.archives:
        path = os.path.join(folder, each.name)
        try:
            if os.stat(path).st_size != each.size:
                return f"{each.name} has {os.stat(path).st_size} bytes, its manifest says {each.size}"
            if archive.sha256(path, alive) != each.sha256:
                return f"{each.name} is not what was written: its sha256 is another one"
        except OSError as error:
            return f"{each.name} cannot be read: {error.strerror}"
    return ""
