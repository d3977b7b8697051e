"""`saturn doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from saturn_orchestrator.cli.options import Selection, selection_options, topology_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saturn_orchestrator.app.workplace import Inventory
    from saturn_orchestrator.topology.model import Host


@click.command("doctor")
@selection_options
@click.option("--local", is_flag=True, help="Look at this machine alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, selection: Selection, local: bool, as_json: bool) -> int:
    """Look for what is wrong here and on the hosts, and say what to type. All hosts unless some are chosen."""
    from saturn_orchestrator.app.workplace import inventory
    from saturn_orchestrator.errors import UsageError

    if local and not selection.is_empty:
        raise UsageError("--local and a choice of hosts exclude each other", hint="saturn doctor --local")
    known = inventory(lambda: topology_file(ctx))
    hosts = selection.of(known.topology, default_all=True) if known.topology and not local else ()
    return run_doctor(known, hosts, as_json=as_json)


def run_doctor(known: Inventory, hosts: Sequence[Host], *, as_json: bool) -> int:
    """Look at SATURN and at the hosts, print what was found, and return the exit code."""
    import os
    import sys

    from saturn_orchestrator.app.doctor import doctor
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.journal import state_folder
    from saturn_orchestrator.report.doctor_view import doctor_document, doctor_text
    from saturn_orchestrator.report.documents import dump
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.state.checkup import exit_code

    folder = state_folder(os.environ)
    found = dialled(known.topology, lambda desk: doctor(known, hosts, folder, desk))
    if as_json:
        sys.stdout.write(dump(doctor_document(found)))
    else:
        show(console(sys.stdout), doctor_text(found))
    return exit_code(found)
