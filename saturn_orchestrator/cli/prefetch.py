"""`saturn prefetch`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import (
    Selection,
    Wish,
    link_patience_option,
    loaded,
    selection_options,
    wish_options,
)


@click.command("prefetch")
@selection_options
@wish_options
@link_patience_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(
    ctx: click.Context,
    selection: Selection,
    wish: Wish,
    link_patience_s: float,
    as_json: bool,
) -> int:
    """Bring the commit and the images to the hosts, and check the rules; nothing that runs is touched.

    The deploy that follows takes seconds, even on a slow line. Nobody is asked, since nothing changes.
    """
    from saturn_orchestrator.app.deploy import Deploy
    from saturn_orchestrator.app.planning import Scope
    from saturn_orchestrator.cli.options import chosen_services, revisions
    from saturn_orchestrator.cli.wiring import machine, person, run_deploy

    topology = loaded(ctx)
    hosts, chosen = chosen_services(selection.of(topology), wish.services)
    order = Deploy(
        topology,
        hosts,
        person(),
        machine(),
        Scope(chosen, prefetch=True),
        revisions(hosts, wish.revision),
        link_patience_s=link_patience_s,
        verb="prefetch",
    )
    return run_deploy(order, yes=True, hooks=False, as_json=as_json, verbose=ctx.obj["verbose"])
