"""Old Pythons for the executor's tests: Debian bullseye's 3.9, unpacked into the cache, and whatever pyenv holds."""

import os
import re
import tempfile
from pathlib import Path

from support.fleet import archive
from support.fleet.cache import python_cache

PACKAGES = (
    "python3.9",
    "python3.9-minimal",
    "libpython3.9-minimal",
    "libpython3.9-stdlib",
    "libffi7",
    "libmpdec3",
    "libssl1.1",
)
OLDEST, NEWEST = (3, 8), (3, 10)
# bin/python3.9 is this launcher: the libraries that bullseye's Python was built with lie in lib/, out of sight of the
# machine. The program itself finds its standard library from libexec/ as it would from bin/.
LAUNCHER = """\
#!/bin/sh
prefix=$(dirname "$(dirname "$(readlink -f "$0")")")
LD_LIBRARY_PATH=$prefix/lib exec "$prefix/libexec/python3.9" "$@"
"""


def interpreters() -> list[Path]:
    """Return the Pythons from 3.8 to 3.10 at hand, oldest first: pyenv's and the cached 3.9."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [_launcher(), *pyenv.glob("versions/*/bin/python3.*")]
    return sorted(
        (path for path in found if OLDEST <= _version(path) <= NEWEST and os.access(path, os.X_OK)),
        key=lambda path: (_version(path), str(path)),
    )


def install() -> None:
    """Fetch Python 3.9 from Debian bullseye unless the cache has it."""
    if _launcher().exists():
        return
    prefix = python_cache()
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=prefix.parent) as folder:
        unpacked, arranged = Path(folder) / "unpacked", Path(folder) / "arranged"
        archive.unpack_packages("bullseye", PACKAGES, unpacked)
        for name in ("bin", "lib", "libexec"):
            (arranged / name).mkdir(parents=True)
        (unpacked / "usr/bin/python3.9").rename(arranged / "libexec/python3.9")
        (unpacked / "usr/lib/python3.9").rename(arranged / "lib/python3.9")
        for library in (unpacked / "usr/lib").glob("*-linux-gnu/*.so*"):
            library.rename(arranged / "lib" / library.name)
        launcher = arranged / "bin/python3.9"
        launcher.write_text(LAUNCHER)
        launcher.chmod(0o755)
        (arranged / "bin/python3").symlink_to("python3.9")
        arranged.rename(prefix)


def _launcher() -> Path:
    return python_cache() / "bin" / "python3.9"


def _version(path: Path) -> tuple[int, int]:
    """Return the version a file name like python3.9 tells; (0, 0) for python3.9-config and other names."""
    found = re.fullmatch(r"python(\d+)\.(\d+)", path.name)
    return (int(found[1]), int(found[2])) if found else (0, 0)
