"""`saturn diagnose`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import Selection, loaded, selection_options


@click.command("diagnose")
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, selection: Selection, as_json: bool) -> int:
    """Collect diagnostics on the chosen hosts and copy them here. Changes nothing on a node but that file."""
    import os
    import sys

    from saturn_orchestrator.app.diagnose import diagnose
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.journal import state_folder
    from saturn_orchestrator.report.diagnose_view import diagnoses_document, diagnoses_text
    from saturn_orchestrator.report.documents import dump
    from saturn_orchestrator.report.style import console, show

    topology = loaded(ctx)
    hosts, folder = selection.of(topology), state_folder(os.environ) / "diagnostics"
    found = dialled(topology, lambda open_session: diagnose(hosts, open_session, folder))
    if as_json:
        sys.stdout.write(dump(diagnoses_document(found)))
    else:
        show(console(sys.stdout), diagnoses_text(found))
    codes = {each.exit_code for each in found if each.exit_code}
    return min(codes, default=0)
