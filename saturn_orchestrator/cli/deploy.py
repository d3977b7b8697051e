"""`saturn deploy`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import (
    Selection,
    Wish,
    duration,
    hooks_option,
    link_patience_option,
    loaded,
    prune_option,
    rollout_options,
    selection_options,
    wish_options,
)


@click.command("deploy")
@selection_options
@wish_options
@prune_option
@click.option("--resume", is_flag=True, help="Continue where the last run of each host stopped.")
@click.option("--retry-failed", default="", metavar="RUN", help="The hosts that did not succeed in this run.",
              shell_complete=offers.RUN)  # fmt: skip
@rollout_options
@click.option("--rollback-on-failure", is_flag=True, help="Return what a failed run touched to what it was.")
@click.option("--defer-offline", is_flag=True, help="Remember what is confirmed for absent hosts: saturn catch-up.")
@click.option("--expires", "expires_s", callback=duration, default="7d", show_default=True, metavar="TIME",
              help="How long a deferred deploy is good for.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Confirm every host beforehand; never implied.")
@click.option("--detach", is_flag=True, help="Start on the nodes, print the run, and leave.")
@link_patience_option
@hooks_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(
    ctx: click.Context,
    selection: Selection,
    wish: Wish,
    prune: bool,
    resume: bool,
    retry_failed: str,
    batches: tuple[str, ...],
    max_failures: int | str | None,
    rollback_on_failure: bool,
    defer_offline: bool,
    expires_s: float,
    yes: bool,
    detach: bool,
    link_patience_s: float,
    hooks: bool,
    as_json: bool,
) -> int:
    """Show what would change on each host, ask before each, then deploy: all at once, or batch by batch.

    \b
    saturn deploy --hosts chelsty,solaria
    saturn deploy --tags lte --resume
    saturn deploy --all --batch 1,25%,100% --max-failures 1
    saturn deploy --all --yes --json
    saturn deploy --hosts chelsty --defer-offline
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    from saturn_orchestrator.app.deferral import Defer
    from saturn_orchestrator.app.deploy import Deploy
    from saturn_orchestrator.app.planning import Scope
    from saturn_orchestrator.cli.options import chosen_services, records, retried, revisions
    from saturn_orchestrator.cli.question import require_terminal
    from saturn_orchestrator.cli.wiring import machine, person, run_deploy
    from saturn_orchestrator.errors import UsageError
    from saturn_orchestrator.plan.batches import batches as in_batches

    topology = loaded(ctx)
    selected = retried(selection, topology, retry_failed) if retry_failed else selection.of(topology)
    hosts, chosen = chosen_services(selected, wish.services)
    if not yes:
        require_terminal()
    cut = batches or topology.rollout.batches
    if detach and len(in_batches([host.name for host in hosts], cut)) > 1:
        raise UsageError(
            "--detach leaves nobody at the gate between batches", hint="add --batch 100%, or leave --detach out"
        )
    memory = records()
    known = memory.revisions()
    order = Deploy(
        topology,
        hosts,
        person(),
        machine(),
        Scope(chosen, resume, prune, rollback_on_failure),
        revisions(hosts, wish.revision),
        cut,
        topology.rollout.max_failures if max_failures is None else max_failures,
        Defer(memory, expires_s) if defer_offline else None,
        link_patience_s=link_patience_s,
        detach=detach,
        known=lambda host: known.get(host, ""),
    )
    return run_deploy(order, yes=yes, hooks=hooks, as_json=as_json, verbose=ctx.obj["verbose"])
