"""`saturn notify`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import loaded


@click.command("notify")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Send a test message to every target of `notify` in the topology, whatever it wants to be told."""
    import asyncio
    import sys

    from saturn_orchestrator.app.notices import delivered
    from saturn_orchestrator.errors import UsageError
    from saturn_orchestrator.report.documents import dump, notify_document
    from saturn_orchestrator.report.notice import TEST
    from saturn_orchestrator.report.notify_view import targets_table
    from saturn_orchestrator.report.style import console, show

    topology = loaded(ctx)
    if not topology.notify.targets:
        raise UsageError(
            "the topology names nobody who is sent notices",
            code="no_targets",
            hint="add to topology.yaml: notify: {targets: [{url: env:SATURN_NOTIFY_URL}]}",
        )
    sent = asyncio.run(delivered(topology.notify.targets, TEST, topology.folder))
    if as_json:
        sys.stdout.write(dump(notify_document(sent)))
    else:
        show(console(sys.stdout), targets_table(sent))
    return 1 if any(each.problem for each in sent) else 0
