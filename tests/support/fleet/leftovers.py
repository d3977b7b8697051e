"""What a fleet may leave behind, and its removal: folders in /var/tmp and empty control groups.

Processes, mounts, loop devices and namespaces are not on the list: they hang on pipes of the process that ran the fleet
and end with it, however it ended.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from support.fleet.process import run, wait_until

PLACE = Path("/var/tmp")
PREFIX = "saturn-fleet-"
LOCK = PLACE / "saturn-fleet.lock"
CGROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one process sweep, make a seed, claim a folder or choose a subnet; another one waits here."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def own_folder() -> Path:
    """Return the folder for a fleet of this process."""
    return PLACE / f"{PREFIX}{os.getpid()}"


def claim(folder: Path) -> IO[str]:
    """Lock the folder for as long as the returned file is open: how others tell a live fleet from a dead one."""
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise
    return lock


def live_folders() -> list[Path]:
    """Return the folders of fleets whose process is alive."""
    return [folder for folder in _folders() if not _is_dead(folder)]


def sweep() -> None:
    """Remove what dead fleets left; to be called in `one_at_a_time`, as a new folder is not claimed at once."""
    for folder in _folders():
        if _is_dead(folder):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove the folder and the control groups of a fleet that is down."""
    images = [str(image) for image in folder.rglob("disk.img")]
    wait_until(f"the disks in {folder} to be let go", lambda: not _attached(images))
    remove_cgroup(folder.name)
    shutil.rmtree(folder)


def remove_cgroup(name: str) -> None:
    """Remove the control groups `name` with all below them, once their processes are gone."""
    wait_until(f"the processes of the control group {name} to end", lambda: not any(_remaining(name)), limit_s=10)


def _folders() -> list[Path]:
    return [folder for folder in PLACE.glob(f"{PREFIX}*") if folder.is_dir()]


def _is_dead(folder: Path) -> bool:
    try:
        with claim(folder):
            return True
    except BlockingIOError:
        return False


def _attached(images: list[str]) -> bool:
    return any(image in run(("losetup", "--list", "--noheadings", "--output", "BACK-FILE")).stdout for image in images)


def _remaining(name: str) -> Iterator[Path]:
    """Try to remove every control group of this name, in every hierarchy; yield those that are still in use."""
    for top in (CGROUPS / name, *CGROUPS.glob(f"*/{name}")):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
            if Path(folder).exists():
                yield Path(folder)
