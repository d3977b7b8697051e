"""The wheel: what `pip install .` gives a person, apart from this checkout."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
RUN = "import sys; from saturn_orchestrator.cli.main import main; main(sys.argv[1:])"


def test_wheel_holds_the_executor_the_sample_and_the_starter(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run((*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, CHECKOUT), check=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run((*pip, "install", "--no-deps", "--target", tmp_path / "installed", wheel), check=True)

    def saturn(*words: str, folder: Path) -> str:
        environ = {**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "HOME": str(tmp_path)}
        command = (sys.executable, "-c", RUN, *words)
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True)
        return done.stdout

    saturn("init", "homelab", folder=tmp_path)

    assert os.access(tmp_path / "homelab/services/hello/healthcheck.sh", os.X_OK)
    assert "is valid: 1 host, 1 service." in saturn("validate", folder=tmp_path / "homelab")
    assert (tmp_path / "installed/saturn_node/wire.py").exists()
    told = saturn("recover", "first", "--offline", "--output", "-", folder=tmp_path / "homelab")
    assert told.startswith("# Recover first\n")
