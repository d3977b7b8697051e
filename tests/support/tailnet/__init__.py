"""A real tailnet on one Linux machine, without internet: a fleet whose hosts, and SATURN, also run tailscaled.

The control server is headscale on the forge, with its own DERP relay. Needs what a fleet needs and the programs that
`requirements` names. Only `world` and `listener` know what saturn does.
"""

from support.tailnet.node import HostNode, TailnetNode
from support.tailnet.tailnet import Tailnet

__all__ = ["HostNode", "Tailnet", "TailnetNode"]
