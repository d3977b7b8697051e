"""What a tailnet needs beside a fleet: three programs on PATH. None of them is installed from here."""

import shutil
from pathlib import Path

from support.fleet.process import FleetError

TAILSCALE, TAILSCALED, HEADSCALE = PROGRAMS = ("tailscale", "tailscaled", "headscale")


def absent() -> list[str]:
    """Return the programs that are not on PATH."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def program(name: str) -> Path:
    """Return where a program of this machine lies; a FleetError when it is not on PATH."""
    found = shutil.which(name)
    if found is None:
        raise FleetError(f"{name} is not on PATH")
    return Path(found).resolve()
