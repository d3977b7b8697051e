"""A place with tailscaled: how it joins the tailnet, what it says, and what can befall it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from support.fleet.host import FleetHost
from support.fleet.process import Completed, wait_until
from support.tailnet.daemon import Daemon, Place
from support.tailnet.requirements import TAILSCALE, TAILSCALED, program

Mode = Literal["tun", "relayed", "userspace"]
"""With a TUN device; the same and never a direct path; without a device, so that only tailscaled reaches the peers."""

SOCKET = "/run/tailscale/tailscaled.sock"
# Always the same, so that a test can say by which address a peer is reached.
PORT = 41641
ENVIRON = {
    "TS_ASSUME_NETWORK_UP_FOR_TEST": "1",  # there is no default route
    "TS_DEBUG_USE_DERP_HTTP": "1",
    "TS_DEBUG_DERP_WS_CLIENT": "1",
    "TS_DISABLE_PORTMAPPER": "1",
    "TS_PANIC_IF_HIT_MAIN_CONTROL": "1",
}
MAKE_TUN = "mkdir -p /dev/net && { test -e /dev/net/tun || mknod -m 666 /dev/net/tun c 10 200; }"


class TailnetNode:
    """tailscaled in a place. `folder` is the place's own path for its programs and state."""

    def __init__(self, place: Place, folder: str, log: Path) -> None:
        self.place = place
        self.name = place.name
        self._folder = folder
        self._log = log
        self._daemon = self._new_daemon("tun")

    def _new_daemon(self, mode: Mode) -> Daemon:
        interface = "userspace-networking" if mode == "userspace" else "tailscale0"
        relay = {"TS_DEBUG_ALWAYS_USE_DERP": "1"} if mode == "relayed" else {}
        settings = (f"{name}={value}" for name, value in {**ENVIRON, **relay}.items())
        options = (f"--statedir={self._folder}/state", f"--socket={SOCKET}", f"--tun={interface}", f"--port={PORT}")
        argv = ("env", *settings, f"{self._folder}/{TAILSCALED}", *options, "--no-logs-no-support")
        return Daemon(self.place, argv, self._log)

    def install(self) -> None:
        """Give the place the programs and a TUN device."""
        self.place.exec("sh", "-c", f'{MAKE_TUN} && mkdir -p "$1"', "install", f"{self._folder}/state", user="root")
        for name in (TAILSCALE, TAILSCALED):
            shutil.copy2(program(name), self.place.path(f"{self._folder}/{name}"))

    def join(self, server: str, key: str, *options: str) -> None:
        """Join the tailnet of a control server, and wait until tailscaled says that it runs."""
        names = ("--accept-dns=false", f"--hostname={self.name}")
        self.tailscale("up", f"--login-server={server}", f"--authkey={key}", *names, "--timeout=60s", *options)
        self.await_state("Running")

    def tailscale(self, *words: str, check: bool = True, user: str = "root") -> Completed:
        """Run the tailscale command there."""
        argv = (f"{self._folder}/{TAILSCALE}", f"--socket={SOCKET}", *words)
        return self.place.exec(*argv, user=user, check=check, timeout_s=90)

    def status(self) -> dict[str, Any]:
        """Return the document of `tailscale status --json`."""
        document: dict[str, Any] = json.loads(self.tailscale("status", "--json").stdout)
        return document

    def peers(self, status: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """Return the peers of that document, else of one asked for now, by the first word of their DNS name."""
        known = (status or self.status())["Peer"] or {}
        return {each["DNSName"].split(".")[0]: each for each in known.values()}

    def await_state(self, state: str, limit_s: float = 30) -> None:
        """Wait for a BackendState."""
        what = f"tailscaled of {self.name} to be {state}; see {self._log}"
        wait_until(what, lambda: self.status()["BackendState"] == state, limit_s=limit_s)

    @property
    def is_running(self) -> bool:
        """Does tailscaled run?"""
        return self._daemon.is_running

    def start_tailscaled(self, mode: Mode = "tun") -> None:
        """Start tailscaled and wait until it answers; the state it had comes back."""
        self.place.exec("sh", "-c", MAKE_TUN, user="root")
        self._daemon = self._new_daemon(mode)
        self._daemon.start()
        self._daemon.await_answer(f"{self._folder}/{TAILSCALE}", f"--socket={SOCKET}", "status", "--json")

    def stop_tailscaled(self) -> None:
        """End tailscaled in order, as a service manager does; what it started for a session may live on."""
        self._daemon.stop()


class HostNode(TailnetNode):
    """A host of the fleet on the tailnet, with Tailscale SSH."""

    def __init__(self, host: FleetHost, folder: str, log: Path) -> None:
        super().__init__(host, folder, log)
        self.host = host
        self.has_other_keys = False

    def logins(self) -> int:
        """Return how many connections its Tailscale SSH has had so far."""
        return self._log.read_text(errors="replace").count("handling conn: ")

    def change_host_keys(self) -> None:
        """Give the host other keys, as a reinstallation does: Tailscale SSH shows them, and the tailnet tells the old.

        tailscaled reads its keys at every login, and tells them when it starts: `newConn` in ssh/tailssh/tailssh.go.
        """
        self.host.rekey()
        self.host.exec("rm", "-rf", f"{self._folder}/state/ssh", user="root")
        self.has_other_keys = True

    def rotate_host_keys(self) -> None:
        """Give the host other keys and start tailscaled with them; the tailnet tells them a little later."""
        self.stop_tailscaled()
        self.change_host_keys()
        self.start_tailscaled()
