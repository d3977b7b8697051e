"""Bringing a backup back: unpacked beside, then swapped in while the service stands still. What it replaces stays.

Until the swap nothing of the service was touched. From then on a file tells what is to be done, and whoever holds the
node's lock next ends it: the folders of a service are the old ones or the new ones, and it is not started between.
"""

from __future__ import annotations

import errno
import os
from typing import Any, Mapping

from . import archive, backup, exchange, proc, quiesce, state
from .archive import size_words
from .backup import LOCAL, REPLACED
from .errors import NodeError
from .late import shutil
from .state import PARTS, Paths
from .task import Task
from .wire import BackupOrder, BackupRestored, ServiceOrder, SnapshotFact

_ENDING = ".restoring"


def restore(task: Task, service: ServiceOrder) -> str:
    """Make the service's folders those of the request's backup; the name under which what stood before is kept.

    Raises:
        NodeError: backup_missing, backup_damaged, backup_no_room, restore_not_possible, or docker's. Unless the message
            says otherwise the service is as it was.
    """
    paths, name = task.paths, task.request.snapshot
    fact = backup.found(paths, service.name, name, task.order.host)
    sweep(paths, service.name)
    task.say(f"checking backup {name}", service.name)
    wrong = backup.complaint(paths, fact, task.check_cancelled)
    if wrong:
        hint = f"saturn restore {task.order.host} {service.name} --from ANOTHER"
        raise NodeError("backup_damaged", f"backup {name} is damaged: {wrong}; nothing was touched", hint, service.name)
    try:
        incoming = _unpacked(task, service.name, fact)
        kept = _swapped(task, service, fact, incoming)
    except BaseException as error:
        if not os.path.exists(paths.restoring(service.name)):
            sweep(paths, service.name)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            message = f"there is no room below {paths.root} to unpack backup {name}; nothing was touched"
            raise NodeError("backup_no_room", message, f"df -h {paths.root}", service.name) from error
        raise
    task.sink.send(BackupRestored, service=service.name, snapshot=name, kept=kept)
    return kept


def beside(paths: Paths, part: str, service: str) -> str:
    """Where a folder is unpacked to: beside the one that it replaces, so that a rename is enough."""
    parent, name = os.path.split(paths.of_service(part, service))
    return os.path.join(parent, f".{name}{_ENDING}")


def sweep(paths: Paths, service: str) -> None:
    """Take away what was unpacked and never used."""
    for part in PARTS:
        shutil.rmtree(beside(paths, part, service), ignore_errors=True)


def _unpacked(task: Task, service: str, fact: SnapshotFact) -> dict[str, str]:
    """Part to the folder beside, each as it shall be."""
    paths, folder = task.paths, backup.folder_of(task.paths, fact)
    manifest = state.read_json(os.path.join(folder, backup.MANIFEST))
    content = manifest.get("content")
    backup.check_room(paths.root, content if isinstance(content, int) and content > 0 else fact.size)
    task.say(f"unpacking {size_words(fact.size)}", service)
    incoming: dict[str, str] = {}
    for part in _parts(fact, folder):
        target = incoming[part] = beside(paths, part, service)
        current = paths.of_service(part, service)
        if os.path.ismount(current):
            message = f"{current} is a mount point, and cannot be swapped for another folder; nothing was touched"
            raise NodeError("restore_not_possible", message, f"unpack {folder} by hand", service)
        if fact.reason == REPLACED:
            _copied(os.path.join(folder, part), target)
        else:
            os.makedirs(target, 0o700)
            archive.extract(_archive(fact, folder, part), target, task.check_cancelled)
        if part == "config":
            _keep_local(task, fact, folder, current, target)
    return incoming


def _parts(fact: SnapshotFact, folder: str) -> tuple[str, ...]:
    """The folders that a backup brings back."""
    if fact.reason == REPLACED:
        return tuple(each for each in PARTS if os.path.isdir(os.path.join(folder, each)))
    names = {each.name.split(".", 1)[0] for each in fact.archives}
    return tuple(each for each in PARTS if each in names)


def _archive(fact: SnapshotFact, folder: str, part: str) -> str:
    """The file that holds a part, "" when the backup has none."""
    name = next((each.name for each in fact.archives if each.name.split(".", 1)[0] == part), "")
    return os.path.join(folder, name) if name else ""


def _copied(source: str, target: str) -> None:
    finished = proc.run(("cp", "-a", "--", source, target))
    if finished.is_disk_full:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
    if not finished.ok:
        message = f"{source} could not be copied: {finished.last_line}"
        raise NodeError("restore_not_possible", message, f"ls -la {source}", tail=finished.tail)


def _keep_local(task: Task, fact: SnapshotFact, folder: str, current: str, target: str) -> None:
    """What belongs to this node alone stays as it stands; the backup's own comes back only where nothing stands."""
    local = _archive(fact, folder, "local")
    if local:
        archive.extract(local, target, task.check_cancelled)
    for name in LOCAL:
        present, copy = os.path.join(current, name), os.path.join(target, name)
        if os.path.isfile(present):
            if os.path.lexists(copy):
                os.unlink(copy)
            _copied(present, copy)


def _swapped(task: Task, service: ServiceOrder, fact: SnapshotFact, incoming: Mapping[str, str]) -> str:
    """Stop, swap, keep, start; the name of what is kept."""
    paths = task.paths
    own = os.path.join(paths.backups, service.name)
    kept = backup.free_name(own)
    record = {
        "snapshot": fact.name,
        "kept": kept,
        "parts": {part: exchange.identity(folder) for part, folder in incoming.items()},
        "manifest": {**backup.origin(task, service.name, kept, REPLACED), "files": 0, "archives": [], "notes": []},
        "keep": (service.backup or BackupOrder()).keep,
    }
    task.check_cancelled()
    down = quiesce.DOWN_AFTER_A_POWER_CUT
    with quiesce.still(task.order, paths, service.name, "stop", down), proc.past_interruption():
        state.write_json(paths.restoring(service.name), record, 0o600)
        _settled(paths, service.name, record)
    return kept


def _settled(paths: Paths, service: str, record: Mapping[str, Any]) -> None:
    """Do whatever is left of a swap that was written down."""
    known = record.get("parts")
    wanted: Mapping[str, Any] = known if isinstance(known, dict) else {}
    for part, identity in wanted.items():
        exchange.settle(paths.of_service(part, service), beside(paths, part, service), int(identity))
    kept = str(record.get("kept", ""))
    own = os.path.join(paths.backups, service)
    if kept and not os.path.isdir(os.path.join(own, kept)):
        partial = os.path.join(own, kept + backup.PARTIAL)
        os.makedirs(partial, 0o700, exist_ok=True)
        for part in wanted:
            former = beside(paths, part, service)
            if os.path.isdir(former):
                shutil.rmtree(os.path.join(partial, part), ignore_errors=True)  # half of it, from another disk
                shutil.move(former, os.path.join(partial, part))
        manifest = record.get("manifest")
        backup.conclude(own, kept, manifest if isinstance(manifest, dict) else {"reason": REPLACED})
        backup.prune(paths, service, int(record.get("keep") or 1))
    state.forget(paths.restoring(service))


def settle_all(task: Task) -> None:
    """End every restore that a killed worker left, and let go of what was held still for one or for a backup."""
    for service in state.marked_services(task.paths, _ENDING):
        record = state.read_json(task.paths.restoring(service))
        _settled(task.paths, service, record)
        task.say(f"ended the restore of {service} that a worker left half: it has backup {record.get('snapshot', '')}")
    for each in task.order.services:
        sweep(task.paths, each.name)
    for service in quiesce.held(task.paths):
        if quiesce.let_go(task.order, task.paths, service):
            task.say(f"started {service} again, which a worker that was killed had held still")
