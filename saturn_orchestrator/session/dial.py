"""Which way leads to a host: its transport decides. asyncssh is imported only when a host is dialled over SSH."""

from __future__ import annotations

from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host


async def open_session(host: Host) -> Session:
    """A session with the host, by its `transport`.

    Raises:
        SessionError: see errors.py.
    """
    if host.transport == "local":
        from saturn_orchestrator.session.local import open_local

        return await open_local(host)
    from saturn_orchestrator.session.ssh import open_ssh

    return await open_ssh(host)
