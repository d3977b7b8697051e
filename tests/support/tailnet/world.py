"""The homelab of the end-to-end tests on a tailnet: hosts by their tailnet names, no known_hosts, no key, no LAN."""

from pathlib import Path

from support.saturn import Saturn
from support.tailnet.tailnet import Tailnet
from support.world import World

HOSTS = ("chelsty", "solaria", "vps")


class TailnetWorld(World):
    """A person's homelab on a tailnet; saturn runs in SATURN's namespaces."""

    def __init__(self, tailnet: Tailnet, folder: Path, **ssh: object) -> None:
        """ssh: settings of every host beside its user."""
        super().__init__(tailnet, folder)
        self.tailnet = tailnet
        self.known_hosts.write_text("")
        lab = self.homelab
        defaults = lab.topology["defaults"]
        assert isinstance(defaults, dict)
        defaults["ssh"] = {"user": "deploy", "known_hosts": str(self.known_hosts), "connect_timeout_s": 20, **ssh}
        for name in HOSTS:
            lab.set_host(name, address=name)
        # No --pid among them: a signal to saturn must reach it, and not only nsenter.
        entry = tailnet.controller.entry("--mount", "--net", "--uts", f"--wdns={lab.folder}")
        self.saturn = Saturn(lab.folder, folder / "home", entry=entry)
        self.push("hosts by their tailnet names")
