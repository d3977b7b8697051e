"""`saturn status`."""

from __future__ import annotations

from pathlib import Path

import click

from saturn_orchestrator.cli.options import Selection, loaded, selection_options


@click.command("status")
@selection_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--prometheus", metavar="FILE", help="Write metrics into FILE, too; - prints them instead of the table.")
@click.pass_context
def command(ctx: click.Context, selection: Selection, as_json: bool, prometheus: str | None) -> int:
    """Show where every node stands: reachability, revision, last run, services. All hosts unless some are chosen."""
    import sys

    from saturn_orchestrator.app.status import status, surroundings
    from saturn_orchestrator.app.whole_file import PUBLIC, write_ordered
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.cli.options import records
    from saturn_orchestrator.events import now
    from saturn_orchestrator.report.documents import dump, status_document
    from saturn_orchestrator.report.prometheus import exposition
    from saturn_orchestrator.report.status_view import status_table
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.session.dial import Switchboard
    from saturn_orchestrator.state.standing import Standing, Surroundings

    if as_json and prometheus == "-":
        raise click.UsageError("--json and --prometheus - both want standard output")
    topology = loaded(ctx)
    hosts = selection.of(topology, default_all=True)
    memory = records()

    async def asked(dial: Switchboard) -> tuple[tuple[Standing, ...], Surroundings]:
        standings = await status(topology, hosts, dial, memory, dial.book)
        return standings, await surroundings(topology, dial.book)

    standings, around = dialled(topology, asked)
    if as_json:
        sys.stdout.write(dump(status_document(standings, around)))
    elif prometheus == "-":
        sys.stdout.write(exposition(standings, now()))
    else:
        show(console(sys.stdout), status_table(standings, around))
    if prometheus and prometheus != "-":
        write_ordered(Path(prometheus), exposition(standings, now()), PUBLIC)
    codes = {1 if each.reachability == "denied" else 3 for each in standings if each.reachability != "online"}
    return min(codes, default=0)
