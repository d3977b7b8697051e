"""`saturn history`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import listed, records


@click.command("history")
@click.option("--hosts", multiple=True, callback=listed, metavar="A,B", help="Runs that had one of these hosts.",
              shell_complete=offers.HOSTS)  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many runs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(hosts: tuple[str, ...], limit: int, as_json: bool) -> int:
    """List the runs that this machine knows of, newest first: who, when, which hosts, how they ended."""
    import sys

    from saturn_orchestrator.report.documents import dump, history_document
    from saturn_orchestrator.report.history_view import history_table
    from saturn_orchestrator.report.style import console, show

    known = records().runs(limit, hosts)
    if as_json:
        sys.stdout.write(dump(history_document(known)))
    else:
        show(console(sys.stdout), history_table(known))
    return 0
