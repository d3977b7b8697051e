"""SATURN: namespaces with the files of this machine, a network of their own and an empty /run."""

from pathlib import Path
from subprocess import PIPE, Popen

from support.fleet.network import Switch
from support.fleet.process import Completed, FleetError, run

# The inner namespaces end with this `cat`, and that with the pipe to it. Ignored, SIGCHLD leaves no zombies.
STAY = "trap '' CHLD; mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && echo ready && exec cat"
NAMESPACES = ("--mount", "--net", "--uts", "--pid")


class Controller:
    """The machine a person types on: this one's files and users, reached by no name but the tailnet's."""

    def __init__(self, name: str, switch: Switch, number: int) -> None:
        self.name = name
        self.address = switch.address(number)
        self._process = Popen(
            ("unshare", *NAMESPACES, "--fork", "--kill-child", "sh", "-c", STAY),
            stdin=PIPE,
            stdout=PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for the tests, which then end it in order
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.close()
            raise FleetError(
                f"{name} could not be made; see whether `unshare {' '.join(NAMESPACES)} --fork true` works"
            )
        outer = self._process.pid
        self.pid = int(Path(f"/proc/{outer}/task/{outer}/children").read_text().split()[0])
        run(self.command("hostname", name))
        switch.plug_in(number, self.pid)

    def entry(self, *options: str) -> tuple[str, ...]:
        """Return the beginning of a command that enters the controller; `options` are nsenter's."""
        return ("nsenter", "--target", str(self.pid), *options, "--")

    def command(self, *argv: str, user: str = "root") -> tuple[str, ...]:
        """Return the command of this machine that runs `argv` in the controller, and ends with it."""
        return (*self.entry(*NAMESPACES), *(() if user == "root" else ("runuser", "--user", user, "--")), *argv)

    def exec(
        self, *argv: str, user: str = "root", stdin: str | None = None, check: bool = True, timeout_s: float = 120
    ) -> Completed:
        """Run a command in the controller."""
        return run(self.command(*argv, user=user), stdin=stdin, check=check, timeout_s=timeout_s)

    def path(self, path: str) -> Path:
        """Return where a file of the controller lies for this machine."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")

    def close(self) -> None:
        """End everything that runs in it, but what was entered without --pid."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
