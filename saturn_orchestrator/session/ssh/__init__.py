"""SSH by asyncssh, and the only place that knows it: strict host keys, one connection, one exec.

Nothing of asyncssh leaves this package, and its errors are translated once, in failure.py.
"""

from saturn_orchestrator.session.ssh import searching  # isort: skip - before anything that imports asyncssh
from saturn_orchestrator.session.ssh.channel import SshChannel
from saturn_orchestrator.session.ssh.flight import Line
from saturn_orchestrator.session.ssh.jump import Jumps
from saturn_orchestrator.session.ssh.keys import identities, trusted_keys
from saturn_orchestrator.session.ssh.opening import Dial, open_channel, open_ssh
from saturn_orchestrator.session.ssh.scan import offered_keys

__all__ = [
    "Dial",
    "Jumps",
    "Line",
    "SshChannel",
    "identities",
    "offered_keys",
    "open_channel",
    "open_ssh",
    "searching",
    "trusted_keys",
]
