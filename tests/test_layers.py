"""The layers of the house are a test: what imports what is written in pyproject.toml, and checked here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def test_every_import_keeps_to_its_layer():
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"

    done = subprocess.run(
        (sys.executable, "-c", program, "--no-cache"), cwd=FOLDER, env={**os.environ, "COLUMNS": "200"},
        capture_output=True, text=True, timeout=110,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout
