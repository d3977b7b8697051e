"""Commands of this machine, and waiting for what they cause. No namespaces and no hosts here."""

import subprocess
import time
from collections.abc import Callable, Sequence

Completed = subprocess.CompletedProcess[str]


class FleetError(Exception):
    """The fleet could not do what it was asked; the message says what, where and what was printed."""


def run(argv: Sequence[str], *, stdin: str | None = None, check: bool = True, timeout_s: float = 120) -> Completed:
    """Run a command to its end; with `check`, an exit status other than 0 is a FleetError that quotes its output."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FleetError(f"{' '.join(argv)}: {error}") from error
    if check and done.returncode != 0:
        raise FleetError(f"{' '.join(argv)} exited {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def wait_until(what: str, holds: Callable[[], bool], *, limit_s: float = 20) -> None:
    """Ask `holds` every 20 ms until it says yes; after `limit_s` seconds raise a FleetError that names `what`."""
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            raise FleetError(f"waited {limit_s:g} s in vain: {what}")
        time.sleep(0.02)
