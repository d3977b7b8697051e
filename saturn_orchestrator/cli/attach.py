"""`saturn attach`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import Selection, link_patience_option, loaded, selection_options


@click.command("attach")
@selection_options
@link_patience_option
@click.option("--json", "as_json", is_flag=True, help="Print the runs as one JSON document on standard output.")
@click.pass_context
def command(ctx: click.Context, selection: Selection, link_patience_s: float, as_json: bool) -> int:
    """Watch the runs that are at work on the nodes, and bring home those that ended unseen.

    Works from any terminal and any machine that has the inventory. Every host of the topology unless some are named.

    \b
    saturn attach
    saturn attach --hosts chelsty
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    from saturn_orchestrator.app.attach import Attach
    from saturn_orchestrator.cli.wiring import machine, person, run_attach

    topology = loaded(ctx)
    order = Attach(selection.of(topology, default_all=True), f"{person()}@{machine()}", link_patience_s)
    return run_attach(order, topology, as_json=as_json, verbose=ctx.obj["verbose"])
