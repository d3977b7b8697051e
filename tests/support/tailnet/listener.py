"""A saturn at work, and what it has said so far."""

import re
import subprocess
import threading
from typing import IO

from support.fleet.process import FleetError, wait_until
from support.saturn import LIMIT_S, Said


class Listener:
    """Listens to a saturn that was started without a terminal, as it speaks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said = {"out": "", "err": ""}
        assert process.stdout is not None
        assert process.stderr is not None
        streams = {"out": process.stdout, "err": process.stderr}
        self._ears = [threading.Thread(target=self._listen, args=each, daemon=True) for each in streams.items()]
        for ear in self._ears:
            ear.start()

    def _listen(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._said[name] += line

    @property
    def err(self) -> str:
        """What it said on standard error so far."""
        return self._said["err"]

    def await_said(self, pattern: str, limit_s: float = 60) -> str:
        """Wait for words on standard error; return the last group of the pattern, or all it matches."""

        def is_said() -> bool:
            return re.search(pattern, self.err) is not None or self._process.poll() is not None

        wait_until(f"saturn to say {pattern}; it said {self.err}", is_said, limit_s=limit_s)
        found = re.search(pattern, self.err)
        if found is None:
            raise FleetError(f"saturn ended and never said {pattern}: {self.err}{self._said['out']}")
        return found[found.re.groups]

    def end(self) -> Said:
        """Wait for its end."""
        try:
            code = self._process.wait(timeout=LIMIT_S)
        finally:
            self._process.kill()
            for ear in self._ears:
                ear.join(timeout=10)
        return Said(code, self._said["out"], self._said["err"])
