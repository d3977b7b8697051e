"""Several real hosts on one Linux machine, for the end-to-end tests.

A host is a set of namespaces with its own disk, sshd and dockerd; the fleet joins them to one network with a forge.
Needs root and Debian (`requirements` says what is missing). Nothing in this package knows what saturn does.
"""

from support.fleet.fleet import Fleet
from support.fleet.host import FleetHost
from support.fleet.process import FleetError

__all__ = ["Fleet", "FleetError", "FleetHost"]
