"""One host as a machine: a disk image and, while powered on, the namespaces booted from it.

Power and running commands live here; the network is `network`, services and faults are `host`. Everything of a running
host hangs on a pipe this process holds, so a host cannot outlive the test run that started it.
"""

from pathlib import Path
from subprocess import PIPE, Popen

from support.fleet.process import Completed, FleetError, run, wait_until

BOOT = Path(__file__).with_name("boot.py")
PYTHON = "/usr/bin/python3"
NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
WRITE = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1"'


class Machine:
    """A disk image in `folder` and the power switch of the host that boots from it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.image = folder / "disk.img"
        self._process: Popen[str] | None = None
        self._pid: int | None = None

    @property
    def is_on(self) -> bool:
        """Is the host powered on?"""
        return self._pid is not None

    @property
    def pid(self) -> int:
        """The host's pid 1, as this machine counts; a FleetError when it is powered off."""
        if self._pid is None:
            raise FleetError(f"{self.name} is powered off; call power_on() first")
        return self._pid

    def switch_on(self) -> None:
        """Start to boot; `finish_boot` waits for the end. Several machines may boot at once this way."""
        # A second mount of an image that is still mounted would ruin the file system on it.
        wait_until(f"the disk of {self.name} to be let go", self._is_disk_free)
        with (self.folder / "boot.log").open("w") as log:
            self._process = Popen(
                (
                    "unshare",
                    *NAMESPACES,
                    "--fork",
                    "--kill-child",
                    PYTHON,
                    "-I",
                    BOOT,
                    self.name,
                    self.image,
                    self.folder,
                ),
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C in the terminal is for the tests, which then end the hosts in order
            )

    def finish_boot(self) -> None:
        """Wait until the host's root stands and its loopback is up."""
        assert self._process is not None
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            self.switch_off()
            raise FleetError(f"{self.name} did not boot: {(self.folder / 'boot.log').read_text().strip()}")
        self._pid = int(answer)
        (self.folder / "pid").write_text(answer)
        run(self.entry("--net", "ip", "link", "set", "lo", "up"))

    def switch_off(self) -> None:
        """Kill everything in the host at once. What was written stays, synced or not. Harmless when it is off."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
        self._pid = None
        (self.folder / "pid").unlink(missing_ok=True)
        wait_until(f"the disk of {self.name} to be let go", self._is_disk_free)

    def _is_disk_free(self) -> bool:
        return not run(("losetup", "--associated", str(self.image))).stdout

    def entry(self, *argv: str) -> tuple[str, ...]:
        """Return the command that enters the host; `argv` starts with nsenter's own options."""
        return ("nsenter", "--target", str(self.pid), *argv)

    def command(self, *argv: str, user: str = "deploy") -> tuple[str, ...]:
        """Return the command of this machine that runs `argv` inside the host, in the home of `user`."""
        home = "/root" if user == "root" else f"/home/{user}"
        identity = (f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env")
        return self.entry(*NAMESPACES, f"--wdns={home}", "--", "setpriv", *identity, "--", *argv)

    def exec(
        self, *argv: str, user: str = "deploy", stdin: str | None = None, check: bool = True, timeout_s: float = 120
    ) -> Completed:
        """Run a command inside the host, not over the network; exit status 127 when there is no such program."""
        return run(self.command(*argv, user=user), stdin=stdin, check=check, timeout_s=timeout_s)

    def read(self, path: str) -> str:
        """Return the text of a file of the host."""
        return self.exec("cat", "--", path, user="root").stdout

    def write(self, path: str, text: str, owner: str = "deploy", mode: int = 0o644) -> None:
        """Write a file on the host as its owner, who also gets the missing folders above it."""
        self.exec("sh", "-c", WRITE, "write", path, f"{mode:o}", user=owner, stdin=text)

    def path(self, path: str) -> Path:
        """Return where a file of the running host lies for this machine; absolute links on the way lead astray."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")


def blank_disk(image: Path, size_mib: int = 2048) -> None:
    """Make a sparse ext4 image without reserved blocks, so that a full disk is full for everybody."""
    with image.open("wb") as file:
        file.truncate(size_mib * 1024 * 1024)
    run(("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", str(image)))


def copy_disk(seed: Path, image: Path) -> None:
    """Copy a disk image; its holes stay holes."""
    run(("cp", "--reflink=auto", "--sparse=always", str(seed), str(image)))
