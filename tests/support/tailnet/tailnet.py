"""A fleet whose hosts are on a tailnet with SATURN, and headscale on the forge, which decides who may do what."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from support.fleet.fleet import Fleet
from support.fleet.process import FleetError, wait_until
from support.tailnet.controller import Controller
from support.tailnet.headscale import FOLDER, Headscale
from support.tailnet.node import HostNode, Mode, TailnetNode

TAG = "tag:node"
SATURN = "saturn"
# No host of a fleet has this number.
SATURN_NUMBER = 200


def ssh_rule(
    action: str = "accept", users: Sequence[str] = ("autogroup:nonroot", "root"), **keys: object
) -> dict[str, object]:
    """Return a rule of the policy: what happens when SATURN logs in to a node as one of these users."""
    return {"action": action, "src": [f"{SATURN}@"], "dst": [TAG], "users": list(users), **keys}


def policy(*ssh: Mapping[str, object], **keys: object) -> dict[str, object]:
    """Return a policy document in which everybody reaches everybody, with these rules for SSH."""
    everything = {"action": "accept", "src": ["*"], "dst": ["*:*"]}
    return {"acls": [everything], "tagOwners": {TAG: ["lab@"]}, "ssh": [dict(rule) for rule in ssh], **keys}


class Tailnet(Fleet):
    """A fleet with its hosts and SATURN on one tailnet; a context manager, or `up` and `down`."""

    @classmethod
    def up(cls, folder: Path, hosts: Sequence[str]) -> Self:
        """Return a running tailnet, which `down` ends; like a fleet it dies with this process."""
        return cls(folder, hosts).__enter__()

    def down(self) -> None:
        """End it and remove all that it left."""
        self.__exit__(None, None, None)

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._join()
        except BaseException:
            self.down()
            raise
        return self

    def _join(self) -> None:
        self.logs.mkdir()
        self._policies = 0
        self._mode: Mode = "tun"
        self._policy: Mapping[str, object] = {}
        self.controller = Controller(SATURN, self._switch, SATURN_NUMBER)
        self._undo.callback(self.controller.close)
        self.headscale = Headscale(self.forge, self.logs / "headscale.log")
        self._undo.callback(self.headscale.stop)
        self.headscale.start(policy(ssh_rule()))
        key = self.headscale.key("lab", TAG)
        self._nodes = {name: HostNode(host, FOLDER, self._log(name)) for name, host in self._hosts.items()}
        self._saturn = TailnetNode(self.controller, str(self.folder / SATURN), self._log(SATURN))
        for node in (*self._nodes.values(), self._saturn):
            self._undo.callback(node.stop_tailscaled)
            node.install()
            node.start_tailscaled()
        for node in self._nodes.values():
            node.join(self.headscale.url, key, "--ssh")
        self._saturn.join(self.headscale.url, self.headscale.key(SATURN))
        self.await_peers()

    @property
    def logs(self) -> Path:
        """The folder with what every tailscaled, and headscale, said."""
        return self.folder / "logs"

    def _log(self, name: str) -> Path:
        return self.logs / f"tailscaled-{name}.log"

    def node(self, name: str) -> HostNode:
        """Return a host's tailscaled."""
        try:
            return self._nodes[name]
        except KeyError:
            raise FleetError(f"there is no node {name}; there are {', '.join(self._nodes)}") from None

    def saturn(self, mode: Mode | None = None) -> TailnetNode:
        """Return SATURN's tailscaled, started again in the mode when it is not in it already."""
        if mode is not None and (mode != self._mode or not self._saturn.is_running):
            self._saturn.stop_tailscaled()
            self._saturn.start_tailscaled(mode)
            self._mode = mode
            self.await_peers()
        return self._saturn

    def await_peers(self, *names: str) -> None:
        """Wait until SATURN sees these nodes, else every one, online and with host keys."""
        wanted = set(names or self._nodes)

        def are_seen() -> bool:
            status = self._saturn.status()
            peers = self._saturn.peers(status) if status["BackendState"] == "Running" else {}
            return wanted <= {name for name, each in peers.items() if each["Online"] and each.get("sshHostKeys")}

        wait_until(f"SATURN to see {', '.join(sorted(wanted))} online", are_seen, limit_s=60)

    def await_offline(self, name: str) -> None:
        """Wait until SATURN has heard that a node is away: headscale takes ten seconds to believe it."""
        wait_until(f"SATURN to see {name} offline", lambda: not self._saturn.peers()[name]["Online"], limit_s=60)

    def told_keys(self, name: str) -> tuple[str, ...]:
        """Return the host keys of a node that the tailnet tells SATURN."""
        return tuple(self._saturn.peers()[name].get("sshHostKeys") or ())

    def await_other_keys(self, name: str, keys: Sequence[str]) -> None:
        """Wait until the tailnet tells other host keys of a node than these."""
        what = f"SATURN to be told other host keys of {name}"
        wait_until(what, lambda: self.told_keys(name) not in ((), tuple(keys)), limit_s=60)

    def policy(self, document: Mapping[str, object]) -> None:
        """Let headscale take another policy, and wait until every node that runs has it."""
        if document == self._policy:
            return
        self._policies += 1
        # A capability that means nothing, by which a node tells which policy it has heard of.
        mark = f"policy-{self._policies}"
        self.headscale.reload({**document, "nodeAttrs": [{"target": ["*"], "attr": [mark]}]})
        running = [node for node in (*self._nodes.values(), self._saturn) if node.is_running]
        wait_until(
            "every node to hear of the policy; see headscale.log",
            lambda: all(mark in (node.status()["Self"].get("CapMap") or {}) for node in running),
            limit_s=30,
        )
        self._policy = document

    def approve(self, auth_id: str) -> None:
        """Say yes to somebody who waits in check mode."""
        self.headscale.call("auth", "approve", "--auth-id", auth_id)

    def reject(self, auth_id: str) -> None:
        """Say no to them."""
        self.headscale.call("auth", "reject", "--auth-id", auth_id)

    @contextmanager
    def expired(self, name: str) -> Iterator[None]:
        """While the block lasts the key of a node has expired, and SATURN has heard of it."""
        number = self.headscale.node_id(name)
        self.headscale.call("nodes", "expire", "--identifier", number)
        try:
            wait_until(f"SATURN to hear that the key of {name} expired", lambda: self._is_expired(name))
            yield
        finally:
            self.headscale.call("nodes", "expire", "--identifier", number, "--disable")
            wait_until(f"SATURN to hear that the key of {name} is good", lambda: not self._is_expired(name))

    def _is_expired(self, name: str) -> bool:
        return self._saturn.peers()[name].get("Expired", False) is True

    def reset(self) -> None:
        """Undo every fault, let every tailscaled run again, and allow every login."""
        super().reset()
        for node in self._nodes.values():
            if not node.is_running:
                node.start_tailscaled()
        self.saturn("tun")
        for node in self._nodes.values():
            if node.has_other_keys:
                self._tell_keys(node)
        self.policy(policy(ssh_rule()))
        self.await_peers()

    def _tell_keys(self, node: HostNode) -> None:
        """Let the tailnet tell the host keys that the node has now."""
        told = self.told_keys(node.name)
        node.stop_tailscaled()
        node.start_tailscaled()
        self.await_other_keys(node.name, told)
        node.has_other_keys = False
