"""What a person gets who installs saturn: the wheel, apart from this checkout, in an environment of its own."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from saturn_orchestrator import __version__
from saturn_orchestrator.session.payload import payload

CHECKOUT = Path(__file__).parents[2]
DIGEST = "from saturn_orchestrator.session.payload import payload; print(payload().digest)"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that is made of it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run((sys.executable, "-m", "build", "--outdir", folder, CHECKOUT), check=True, capture_output=True)
    return folder


def the_one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


class Installed:
    """A virtual environment that knows nothing of this checkout, with saturn in it."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.home = folder / "home"
        self.home.mkdir()
        venv.create(folder / "venv", with_pip=True)
        self.run(str(self.bin / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", str(wheel))

    def run(self, *argv: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environ = {**kept, "HOME": str(self.home), "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            argv, cwd=where or self.home, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def saturn(self, *words: str, where: Path | None = None) -> str:
        return self.run("saturn", *words, where=where).stdout


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), the_one(built, "*.whl"))


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.timeout(400)
def test_the_wheel_is_the_same_from_the_sdist_and_from_the_checkout(built: Path, tmp_path: Path) -> None:
    subprocess.run(
        (sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, CHECKOUT), check=True, capture_output=True
    )

    from_sdist, from_checkout = (the_one(folder, "*.whl") for folder in (built, tmp_path))

    first, second = contents(from_sdist), contents(from_checkout)
    assert sorted(first) == sorted(second)
    assert [name for name, data in first.items() if second[name] != data] == []
    assert from_sdist.read_bytes() == from_checkout.read_bytes(), "a build is reproducible"


def test_the_wheel_holds_the_two_packages_and_the_sample_and_no_more(built: Path) -> None:
    tops = {name.split("/")[0] for name in contents(the_one(built, "*.whl"))}

    assert tops == {"saturn_orchestrator", "saturn_node", f"saturn_orchestrator-{__version__}.dist-info"}


def test_files_are_named_for_the_one_version(built: Path) -> None:
    assert [file.name for file in sorted(built.iterdir())] == [
        f"saturn_orchestrator-{__version__}-py3-none-any.whl", f"saturn_orchestrator-{__version__}.tar.gz",
    ]  # fmt: skip


@pytest.mark.timeout(400)
def test_the_command_knows_its_version(installed: Installed) -> None:
    assert installed.saturn("--version") == f"saturn, version {__version__}\n"
    assert installed.run("python", "-m", "pip", "--version").stdout.count(str(installed.folder)) == 1


def test_a_node_gets_the_same_executor_from_the_wheel_as_from_the_checkout(installed: Installed) -> None:
    assert installed.run("python", "-c", DIGEST).stdout.strip() == payload().digest


def test_a_starter_is_written_and_valid(installed: Installed) -> None:
    installed.saturn("init", "homelab")

    folder = installed.home / "homelab"
    assert os.access(folder / "services/hello/healthcheck.sh", os.X_OK)
    assert "is valid: 1 host, 1 service." in " ".join(installed.saturn("validate", where=folder).split())


@pytest.mark.parametrize(
    "words", [("help", "deploy"), ("help", "--man"), ("completion", "bash"), ("history", "--json")]
)
def test_what_needs_no_host_works(installed: Installed, words: tuple[str, ...]) -> None:
    assert installed.saturn(*words)


@pytest.mark.timeout(400)
def test_the_demo_runs_from_the_wheel(installed: Installed) -> None:
    assert "deploy" in installed.saturn("demo", "--simulated")


def test_the_prompt_for_a_recovery_is_found(installed: Installed) -> None:
    installed.saturn("init", "other")
    told = installed.saturn("recover", "first", "--offline", "--output", "-", where=installed.home / "other")
    assert told.startswith("# Recover first\n")
