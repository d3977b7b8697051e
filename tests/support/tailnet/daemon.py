"""A program that runs until it is stopped, and the place it runs in: a host of the fleet, or SATURN."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from support.fleet.process import Completed, FleetError, wait_until


class Place(Protocol):
    """Namespaces of this machine. They end whatever runs in them when they end themselves."""

    name: str

    def command(self, *argv: str, user: str = "root") -> tuple[str, ...]:
        """Return the command of this machine that runs `argv` in the place."""

    def exec(
        self, *argv: str, user: str = "root", stdin: str | None = None, check: bool = True, timeout_s: float = 120
    ) -> Completed:
        """Run a command in the place."""

    def path(self, path: str) -> Path:
        """Return where a file of the place lies for this machine."""


class Daemon:
    """One daemon in a place; what it prints goes to `log`, a file of this machine."""

    def __init__(self, place: Place, argv: Sequence[str], log: Path) -> None:
        self.log = log
        self._place = place
        self._argv = tuple(argv)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Does it run? It also ends with its place."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; who needs to know when it answers asks it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._place.command(*self._argv, user="root"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal and wait until it is gone. Harmless when it does not run."""
        if self._process is None:
            return
        self.signal(number)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            raise FleetError(f"{self._argv[0]} of {self._place.name} does not end; see {self.log}") from None
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.is_running:
            os.kill(self._pid(), number)

    def await_answer(self, *argv: str, limit_s: float = 30) -> None:
        """Wait until a command in the place exits 0, while the daemon runs."""

        def answers() -> bool:
            if not self.is_running:
                raise FleetError(f"{self._argv[0]} of {self._place.name} ended: {self.last_words()}")
            return self._place.exec(*argv, user="root", check=False).returncode == 0

        wait_until(f"{self._argv[0]} of {self._place.name} to answer; see {self.log}", answers, limit_s=limit_s)

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-500:]

    def _pid(self) -> int:
        """The daemon's own pid: what this process started is nsenter, which waits for it and passes no signal on."""
        assert self._process is not None
        entry = self._process.pid
        return int(Path(f"/proc/{entry}/task/{entry}/children").read_text().split()[0])
