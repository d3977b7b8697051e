"""`saturn rollback`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import (
    Selection,
    hooks_option,
    link_patience_option,
    loaded,
    selection_options,
    services_option,
)


@click.command("rollback")
@selection_options
@click.option("--to", "to", default="", metavar="REV|RUN", help="Where to return to.  [default: the former deployment]",
              shell_complete=offers.DEPLOYMENT)  # fmt: skip
@services_option
@click.option("--yes", is_flag=True, help="Confirm every host beforehand; never implied.")
@link_patience_option
@hooks_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(
    ctx: click.Context,
    selection: Selection,
    to: str,
    services: tuple[str, ...],
    yes: bool,
    link_patience_s: float,
    hooks: bool,
    as_json: bool,
) -> int:
    """Return hosts to a former deployment: its revision, and the images as they were then.

    \b
    saturn rollback --hosts chelsty
    saturn rollback --hosts chelsty --to 8be02d4
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    from saturn_orchestrator.app.deploy import Deploy
    from saturn_orchestrator.app.planning import Scope
    from saturn_orchestrator.app.rollback import returning
    from saturn_orchestrator.cli.options import chosen_services
    from saturn_orchestrator.cli.question import require_terminal
    from saturn_orchestrator.cli.wiring import machine, person, run_deploy

    topology = loaded(ctx)
    hosts, chosen = chosen_services(selection.of(topology), services)
    if not yes:
        require_terminal()
    order = Deploy(
        topology,
        hosts,
        person(),
        machine(),
        Scope(chosen),
        is_return=True,
        link_patience_s=link_patience_s,
        verb="rollback",
    )
    return run_deploy(
        order,
        yes=yes,
        hooks=hooks,
        as_json=as_json,
        verbose=ctx.obj["verbose"],
        propose=lambda planner: returning(planner, to),
    )
