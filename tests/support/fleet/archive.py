"""Packages of another Debian suite, downloaded from the archive this machine uses and unpacked into a folder.

apt works with lists and a sources file of its own here: the machine's own lists, sources and packages stay as they are.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from support.fleet.process import FleetError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*")))


def unpack_packages(suite: str, packages: Sequence[str], target: Path) -> None:
    """Download packages of a suite and unpack their files below `target`."""
    with tempfile.TemporaryDirectory(prefix="saturn-packages-") as folder:
        place = Path(folder)
        options = _private_apt(place, suite)
        run(("apt-get", *options, "update"), timeout_s=600)
        # apt-get download writes to the working folder, so it is told one through env.
        run(("env", "-C", folder, "apt-get", *options, "download", *packages), timeout_s=600)
        for package in sorted(place.glob("*.deb")):
            run(("dpkg-deb", "--extract", str(package), str(target)))


def _private_apt(place: Path, suite: str) -> tuple[str, ...]:
    """Return the options that make apt keep everything of its own in `place` and see one suite only."""
    for name in ("lists/partial", "archives/partial", "parts"):
        (place / name).mkdir(parents=True)
    (place / "sources.list").write_text(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": place / "sources.list",
        "Dir::Etc::SourceParts": place / "parts",
        "Dir::State::Lists": place / "lists",
        "Dir::Cache": place,
        "APT::Sandbox::User": "root",
        "Acquire::Check-Valid-Until": "false",
    }
    return ("-qq", *(option for name, value in settings.items() for option in ("-o", f"{name}={value}")))


def _mirror() -> str:
    """Return the address of the Debian archive among the machine's own apt sources."""
    for source in SOURCES:
        if not source.is_file():
            continue
        for line in source.read_text().splitlines():
            found = re.match(r"(?:URIs:|deb\s)\s*(?:\[[^]]*\]\s*)?(https?://\S*debian)/?(?:\s|$)", line)
            if found:
                return found[1]
    raise FleetError("apt knows no Debian archive; add one to /etc/apt/sources.list, then run `apt-get update`")
