"""`saturn deploy`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import Selection, link_patience_option, loaded, selection_options


@click.command("deploy")
@selection_options
@click.option("--resume", is_flag=True, help="Continue where the last run of each host stopped.")
@click.option("--yes", is_flag=True, help="Confirm every host beforehand; never implied.")
@click.option("--detach", is_flag=True, help="Start on the nodes, print the run, and leave.")
@link_patience_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(
    ctx: click.Context,
    selection: Selection,
    resume: bool,
    yes: bool,
    detach: bool,
    link_patience_s: float,
    as_json: bool,
) -> int:
    """Show what would change on each host, ask before each, then deploy to all in parallel.

    \b
    saturn deploy --hosts chelsty,solaria
    saturn deploy --tags lte --resume
    saturn deploy --all --yes --json
    saturn deploy --hosts chelsty --detach
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    from saturn_orchestrator.app.deploy import Deploy
    from saturn_orchestrator.cli.question import require_terminal
    from saturn_orchestrator.cli.wiring import machine, person, run_deploy

    topology = loaded(ctx)
    hosts = selection.of(topology)
    if not yes:
        require_terminal()
    order = Deploy(topology, hosts, person(), machine(), resume, link_patience_s, detach)
    return run_deploy(order, yes=yes, as_json=as_json, verbose=ctx.obj["verbose"])
