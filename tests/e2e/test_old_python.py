"""The executor's own tests once more, under the oldest Python at hand: 3.8 where pyenv has it, else bullseye's 3.9."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.fleet.bullseye import interpreters
from support.fleet.cache import CHECKOUT
from support.fleet.requirements import missing

NODE_TESTS = Path(__file__).parent.parent / "node"
# pip judges markers by its own Python, so what only an old one needs is named here.
PACKAGES = ("pytest==8.3.5", "pytest-xdist==3.6.1", "hypothesis", "exceptiongroup", "tomli", "typing_extensions")
LIMIT_S = 1800


def packages_for(version: str) -> Path:
    """Where pytest and hypothesis lie for that version; installed there by our own pip, for they are pure Python."""
    target = CHECKOUT / ".cache" / f"pytest-xdist-for-{version}"
    if not target.exists():
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:")
        part = target.with_name(f"{target.name}.part")
        subprocess.run((*pip, "--python-version", version, "--target", str(part), "--upgrade", *PACKAGES), check=True)
        part.rename(target)
    return target


@pytest.mark.timeout(LIMIT_S)
def test_executor_works_under_the_oldest_python() -> None:
    if missing() and os.environ.get("CI") != "true":
        pytest.skip(f"see the warning below; {missing()[0]}")
    python = interpreters()[0]
    version = subprocess.run(
        (python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"), check=True, capture_output=True, text=True
    ).stdout.strip()
    path = os.pathsep.join(
        map(str, (packages_for(version), NODE_TESTS.parent, NODE_TESTS.parents[1] / "node_agent_scripts"))
    )

    pytest_of = (python, "-m", "pytest", "-q", "-n2", "-c", os.devnull, "-p", "no:cacheprovider")
    done = subprocess.run(
        (*pytest_of, "--rootdir", NODE_TESTS, NODE_TESTS),
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert version in {"3.8", "3.9"}
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
