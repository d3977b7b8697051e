"""A real git repository with an inventory and services, for tests of what git on SATURN says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


class GitFolder:
    """A repository in a folder; its one branch is main, and nothing of the person's own configuration reaches it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        who = {f"GIT_{role}_{what}": "ada@saturn" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environ = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        done = subprocess.run(("git", *words), cwd=self.folder, env=environ, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, path: str, text: str = "") -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def commit(self, subject: str, **files: str) -> str:
        """Commit the files (path by content) with all that lies there; the new revision."""
        for path, text in files.items():
            self.write(path, text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")


def counting_git(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a git before the real one that writes a line for each time it is started; the file of these lines."""
    folder.mkdir()
    log = folder / "log"
    log.touch()
    (folder / "git").write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{shutil.which("git")}" "$@"\n')
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return log
