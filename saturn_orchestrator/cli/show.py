"""`saturn show`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import records


@click.command("show")
@click.argument("run", shell_complete=offers.RUN)
@click.option("--events", "as_events", is_flag=True, help="Print its events, a JSON object a line, each with its host.")
@click.option("--json", "as_json", is_flag=True, help="Print the document that `deploy --json` printed.")
def command(run: str, as_events: bool, as_json: bool) -> int:
    """Show a run as this machine knows it. RUN is its id, the beginning of it, or `last`."""
    import sys

    from saturn_orchestrator.app.show import run_named
    from saturn_orchestrator.report.documents import dump, event_line, run_document
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.report.summary import summary
    from saturn_orchestrator.state.outcome import outcome

    memory = records()
    state = run_named(run, memory)
    if as_events:
        sys.stdout.writelines(event_line(host, event) for host, event in memory.events_of(state.run))
    elif as_json:
        sys.stdout.write(dump(run_document(state, outcome(state))))
    else:
        show(console(sys.stdout), summary(state, outcome(state)))
    return 0
