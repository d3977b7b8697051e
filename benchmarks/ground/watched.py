"""A process that is watched while it runs: how long it took, its largest memory, and how many descriptors it held."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import environment

LOOK_S = 0.02


@dataclass(frozen=True)
class Watched:
    """What was seen. wall and cpu: seconds. rss_mb: the largest. descriptors: the most at once. out: what it said."""

    wall: float
    cpu: float
    rss_mb: float
    descriptors: int
    status: int
    out: str


def watched(argv: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Watched:
    """Run it to its end."""
    began, most = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            argv, cwd=folder, env={**environment(), **environ}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            most = max(most, _descriptors(process.pid))
            time.sleep(LOOK_S)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        out.seek(0)
        said = out.read()
    return Watched(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, most, process.returncode, said)


def _descriptors(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it has just ended
        return 0
