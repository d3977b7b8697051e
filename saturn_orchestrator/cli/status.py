"""`saturn status`."""

from __future__ import annotations

from pathlib import Path

import click

from saturn_orchestrator.cli.options import Selection, loaded, selection_options


@click.command("status")
@selection_options
@click.option("--watch", "period_s", is_flag=False, flag_value=5.0, type=click.FloatRange(min=1), metavar="[SECONDS]",
              help="Go on, and ask again every so many seconds (5), until Ctrl-C.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document; with --watch one a line, on changes.")
@click.option("--prometheus", metavar="FILE", help="Write metrics into FILE, too; - prints them instead of the table.")
@click.pass_context
def command(
    ctx: click.Context, selection: Selection, period_s: float | None, as_json: bool, prometheus: str | None
) -> int:
    """Show where every node stands: reachability, revision, last run, services. All hosts unless some are chosen.

    \b
    saturn status --tags lte
    saturn status --watch
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    import sys

    from saturn_orchestrator.app.status import status, surroundings
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.cli.options import records
    from saturn_orchestrator.session.dial import Switchboard
    from saturn_orchestrator.state.standing import Standing, Surroundings, exit_code

    if as_json and prometheus == "-":
        raise click.UsageError("--json and --prometheus - both want standard output")
    if prometheus and period_s is not None:
        raise click.UsageError("--watch and --prometheus exclude each other: let a timer write the file")
    topology = loaded(ctx)
    hosts = selection.of(topology, default_all=True)
    memory = records()
    if period_s is not None:
        from saturn_orchestrator.app.watch import Watch
        from saturn_orchestrator.cli.watching import run_watch

        return run_watch(Watch(topology, hosts, period_s), memory, as_json=as_json)

    async def asked(dial: Switchboard) -> tuple[tuple[Standing, ...], Surroundings]:
        standings = await status(topology, hosts, dial, memory, dial.book)
        return standings, await surroundings(topology, dial.book)

    with memory.kept_open():
        standings, around = dialled(topology, asked)
    if as_json:
        from saturn_orchestrator.report.documents import dump, status_document

        sys.stdout.write(dump(status_document(standings, around)))
    elif prometheus != "-":
        from saturn_orchestrator.report.status_view import status_table
        from saturn_orchestrator.report.style import console, show

        show(console(sys.stdout), status_table(standings, around))
    if prometheus:
        from saturn_orchestrator.events import now
        from saturn_orchestrator.files import PUBLIC, write_ordered
        from saturn_orchestrator.report.prometheus import exposition

        metrics = exposition(standings, now())
        if prometheus == "-":
            sys.stdout.write(metrics)
        else:
            write_ordered(Path(prometheus), metrics, PUBLIC)
    return exit_code(standings)
