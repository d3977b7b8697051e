"""The `saturn` command as a person runs it: a real process, with a home and a state folder of its own."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SATURN = Path(sys.executable).with_name("saturn")
LIMIT_S = 180


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def hosts(self) -> dict[str, Any]:
        """The hosts of that document."""
        hosts: dict[str, Any] = self.document["hosts"]
        return hosts


class Saturn:
    """A person's shell on SATURN: a working folder, a home, and the command.

    entry: what runs the command, when it is not this process alone.
    """

    def __init__(
        self, folder: Path, home: Path, environ: Mapping[str, str] | None = None, entry: Sequence[str] = ()
    ) -> None:
        self.command = (*entry, str(SATURN))
        self.folder = folder
        self.home = home
        self.state = home / ".local" / "state" / "saturn"
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self.environ = {**kept, "HOME": str(home), "TERM": "xterm", "USER": "ada", **(environ or {})}

    def run(self, *words: str, stdin: str | None = None, **environ: str) -> Said:
        """Run it without a terminal."""
        done = subprocess.run(
            (*self.command, *words),
            cwd=self.folder,
            env={**self.environ, **environ},
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start it without a terminal, and go on."""
        return subprocess.Popen(
            (*self.command, *words),
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def type(
        self,
        words: Sequence[str],
        answers: Mapping[str, str],
        columns: int = 100,
        before: Mapping[str, Callable[[], object]] | None = None,
        repeat: bool = False,
    ) -> Said:
        """Run it on a terminal and answer: whenever a key of `answers` has appeared, its value is typed, once.

        Standard output and error are one, as on a screen; the text has its escapes still in it. before: what happens
        once such a key has appeared, before it is answered. repeat: answer each time it appears.
        """
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            environ = {**self.environ, "COLUMNS": str(columns), "LINES": "40"}
            os.execvpe(self.command[0], (*self.command, *words), environ)
        screen, waiting, deadline = "", dict(answers), time.monotonic() + LIMIT_S
        seen_to, happening = dict.fromkeys(answers, 0), dict(before or {})
        while True:
            if time.monotonic() > deadline:
                raise TimeoutError(f"saturn did not end; on the screen:\n{screen}")
            ready, _, _ = select.select([terminal], [], [], 1)
            if not ready:
                continue
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # Linux says so when the other side of a terminal is gone
                break
            if not chunk:
                break
            screen += chunk.decode("utf-8", "replace")
            for seen in [each for each in waiting if each in screen[seen_to[each] :]]:
                happening.pop(seen, lambda: None)()
                seen_to[seen] = len(screen)
                os.write(terminal, (waiting[seen] if repeat else waiting.pop(seen)).encode())
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        return Said(os.waitstatus_to_exitcode(status), screen, "")

    def forget(self) -> None:
        """Lose the journal and everything else that saturn remembers here."""
        shutil.rmtree(self.state, ignore_errors=True)
