"""The network of a fleet: a bridge in a network namespace of its own, and the cables that hosts hang on.

The bridge is kept away from the machine's own firewall, whose rules (Docker's FORWARD DROP, for one) would reach it.
Nothing here knows what runs on a host.
"""

import re
from subprocess import PIPE, Popen

from support.fleet.leftovers import one_at_a_time
from support.fleet.process import FleetError, run

OPEN_BRIDGE = "ip link add bridge type bridge forward_delay 0 && ip link set bridge up && echo ready && exec cat"


def _free_subnet() -> int:
    taken = run(("ip", "-4", "-o", "address")).stdout + run(("ip", "-4", "route")).stdout
    used = {int(number) for number in re.findall(r"\b10\.83\.(\d+)\.", taken)}
    free = (number for number in range(1, 255) if number not in used)
    try:
        return next(free)
    except StopIteration:
        raise FleetError("every subnet of 10.83.0.0/16 is taken; see `ip -4 address`") from None


class Switch:
    """The bridge: machine at .1, hosts at .11 and up, of 10.83.SUBNET.0/24."""

    def __init__(self) -> None:
        # The namespace lives as long as this `cat`, and that as long as the pipe to it stays open.
        self._process = Popen(
            ("unshare", "--net", "sh", "-c", OPEN_BRIDGE), stdin=PIPE, stdout=PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.close()
            raise FleetError("no bridge could be made; see whether `unshare --net ip link add b type bridge` works")
        with one_at_a_time():
            self.subnet = _free_subnet()
            self._join_machine()

    @property
    def link(self) -> str:
        """The machine's own end of the cable to the bridge."""
        return f"saturn{self.subnet}"

    def address(self, number: int) -> str:
        """Return the address of the host with this number."""
        return f"10.83.{self.subnet}.{10 + number}"

    def _join_machine(self) -> None:
        run(
            ("ip", "link", "add", self.link, "type", "veth", "peer", "name", "machine", "netns", str(self._process.pid))
        )
        run(("ip", "address", "add", f"10.83.{self.subnet}.1/24", "dev", self.link))
        run(("ip", "link", "set", self.link, "up"))
        self._ip("link", "set", "machine", "master", "bridge", "up")

    def _ip(self, *argv: str) -> None:
        run(("nsenter", "--target", str(self._process.pid), "--net", "ip", *argv))

    def plug_in(self, number: int, pid: int) -> None:
        """Lay a cable to the network namespace of `pid` and set up its eth0."""
        # The MAC address stays the same over a power cycle, so that no neighbour has to learn it anew.
        mac = f"02:53:0a:53:{self.subnet:02x}:{number:02x}"
        host_end = ("eth0", "netns", str(pid), "address", mac)
        bridge_end = (f"host{number}", "netns", str(self._process.pid))
        run(("ip", "link", "add", *host_end, "type", "veth", "peer", "name", *bridge_end))
        self._ip("link", "set", f"host{number}", "master", "bridge", "up")
        batch = f"address add {self.address(number)}/24 dev eth0\nlink set eth0 up\n"
        run(("nsenter", "--target", str(pid), "--net", "ip", "-batch", "-"), stdin=batch)

    def pull_out(self, number: int) -> None:
        """Remove the cable: nothing the host says from now on is heard, not even a FIN of its dying processes."""
        self._ip("link", "delete", f"host{number}")

    def cut(self, number: int) -> None:
        """Take the cable off the bridge: both ends stay up and hear nothing."""
        self._ip("link", "set", f"host{number}", "nomaster")

    def mend(self, number: int) -> None:
        """Put the cable back on the bridge."""
        self._ip("link", "set", f"host{number}", "master", "bridge")

    def close(self) -> None:
        """Take the network away."""
        if hasattr(self, "subnet"):
            run(("ip", "link", "delete", self.link), check=False)
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
