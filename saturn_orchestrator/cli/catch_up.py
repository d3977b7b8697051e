"""`saturn catch-up`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import Selection, hooks_option, link_patience_option, loaded, selection_options


@click.command("catch-up")
@selection_options
@link_patience_option
@hooks_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(ctx: click.Context, selection: Selection, link_patience_s: float, hooks: bool, as_json: bool) -> int:
    """Do what was confirmed with `deploy --defer-offline`, on hosts that are back. Safe in cron or a timer.

    What would be done is looked at anew, and refused when it is more than what was confirmed. Every host of the
    topology unless some are named.
    """
    from saturn_orchestrator.cli.options import records
    from saturn_orchestrator.cli.wiring import run_catch_up

    topology = loaded(ctx)
    hosts = selection.of(topology, default_all=True)
    return run_catch_up(
        topology, hosts, records(), link_patience_s, hooks=hooks, as_json=as_json, verbose=ctx.obj["verbose"]
    )
