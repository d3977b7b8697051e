"""`saturn cancel`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import Selection, loaded, selection_options


@click.command("cancel")
@selection_options
@click.option("--now", "at_once", is_flag=True, help="End the command in hand, too, with everything it started.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, selection: Selection, at_once: bool, as_json: bool) -> int:
    """Tell the nodes to stop after the service in hand; said again, or with --now, at once.

    What was done stays done, and the run can be resumed. Every host of the topology unless some are named.
    """
    import sys

    from saturn_orchestrator.app.cancel import cancel
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.report.cancel_view import cancellations_document, cancellations_text
    from saturn_orchestrator.report.documents import dump
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.state.outcome import combined

    topology = loaded(ctx)
    hosts = selection.of(topology, default_all=True)
    told = dialled(topology, lambda open_session: cancel(hosts, open_session, at_once=at_once))
    if as_json:
        sys.stdout.write(dump(cancellations_document(told)))
    else:
        show(console(sys.stdout), cancellations_text(told))
    return combined(each.error.exit_code for each in told if each.error)
