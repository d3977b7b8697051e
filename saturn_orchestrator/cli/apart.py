"""How `saturn backup` and `saturn restore` are wired: runs as any other, but for what they ask and bring home."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from saturn_orchestrator.app.backup import back_up
from saturn_orchestrator.app.deploy import Deploy
from saturn_orchestrator.app.fetch import Wish, fetch
from saturn_orchestrator.app.restore import restore
from saturn_orchestrator.cli.dialling import dialled
from saturn_orchestrator.cli.wiring import Terminal, carried_out, concluded
from saturn_orchestrator.errors import Interrupted
from saturn_orchestrator.journal import state_folder
from saturn_orchestrator.report.backups_view import copies_document, copies_list, copies_text
from saturn_orchestrator.report.documents import dump
from saturn_orchestrator.report.style import console, show
from saturn_orchestrator.report.transfer import TransferView
from saturn_orchestrator.session.base import OpenSession
from saturn_orchestrator.state.backups import Copy
from saturn_orchestrator.state.model import RunState
from saturn_orchestrator.state.outcome import combined
from saturn_orchestrator.topology.model import Host, Service, Topology


def copies_folder(host: Host, service: Service) -> Path:
    """Where the copies of a service's backups lie on SATURN."""
    return state_folder(os.environ) / "backups" / host.name / service.name


def run_backup(
    order: Deploy, left_out: Sequence[str], *, yes: bool, fetches: bool, as_json: bool, verbose: bool
) -> int:
    """Write backups, print the summary (or the document), fetch what was written if so ordered; the exit code.

    left_out: hosts that were chosen and have nothing to back up.
    """
    terminal = Terminal.of(verbose=verbose)
    if left_out:
        terminal.say(f"left out, with no backup in any service.yaml there: {', '.join(left_out)}")

    async def work(dial: OpenSession) -> int:
        state = await carried_out(lambda ports: back_up(order, ports), order, terminal, dial, asks=not yes)
        if not fetches:
            return await concluded(order, state, terminal, as_json=as_json)
        if not as_json:
            code = await concluded(order, state, terminal, as_json=False)
            return combined((code, _copied(await fetched(wishes_of(order, state), dial), as_json=False)))
        copies = await fetched(wishes_of(order, state), dial)
        code = await concluded(order, state, terminal, as_json=True, extra={"copies": copies_list(copies)})
        return combined((code, *(each.exit_code for each in copies)))

    with _fetching_again():
        return dialled(order.topology, work, announce=None)


def run_restore(order: Deploy, service: Service, wanted: str, *, yes: bool, as_json: bool, verbose: bool) -> int:
    """Restore, print the summary (or the document), and return the exit code."""
    terminal = Terminal.of(verbose=verbose)

    async def work(dial: OpenSession) -> int:
        state = await carried_out(
            lambda ports: restore(order, ports, service, wanted), order, terminal, dial, asks=not yes
        )
        return await concluded(order, state, terminal, as_json=as_json)

    return dialled(order.topology, work, announce=None)


def run_fetch(topology: Topology, wish: Wish, *, as_json: bool) -> int:
    """Fetch, say where the copy lies (or print the document), and return the exit code."""
    with _fetching_again():
        copies = dialled(topology, lambda dial: fetched((wish,), dial))
    return _copied(copies, as_json=as_json)


@contextmanager
def _fetching_again() -> Iterator[None]:
    """Ctrl-C while something is fetched: what becomes of it. A run answers Ctrl-C by itself."""
    try:
        yield
    except KeyboardInterrupt:
        message = "interrupted; what came of the copies stays, and fetching them again goes on from there"
        raise Interrupted(message, hint="saturn backup fetch HOST SERVICE") from None


async def fetched(wishes: Sequence[Wish], dial: OpenSession) -> tuple[Copy, ...]:
    """The copies, with a word of how far they are on standard error."""
    view = TransferView(console(sys.stderr))
    try:
        return await fetch(wishes, dial, view.noted)
    finally:
        view.close()


def wishes_of(order: Deploy, state: RunState) -> tuple[Wish, ...]:
    """What a run of backups has written, as wishes to fetch it."""
    return tuple(
        Wish(host, service, copies_folder(host, service), written.backup)
        for host in order.hosts
        for service in host.services
        if (written := state.hosts[host.name].services.get(service.name)) and written.backup
    )


def _copied(copies: Sequence[Copy], *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(dump(copies_document(copies)))
    elif copies:
        show(console(sys.stdout), copies_text(copies))
    return combined(each.exit_code for each in copies)
