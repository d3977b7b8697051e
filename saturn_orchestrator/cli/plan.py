"""`saturn plan`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import Selection, Wish, loaded, prune_option, selection_options, wish_options


@click.command("plan")
@selection_options
@wish_options
@prune_option
@click.option("--diff", "with_diff", is_flag=True, help="Show the differences of the files, too.")
@click.option("--detailed-exitcode", "detailed", is_flag=True, help="Exit 2 when there is something to do.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(
    ctx: click.Context,
    selection: Selection,
    wish: Wish,
    prune: bool,
    with_diff: bool,
    detailed: bool,
    as_json: bool,
) -> int:
    """Show what a deploy would do to each host; nothing is touched. Every host of the topology unless some are named.

    \b
    saturn plan --hosts chelsty --diff
    saturn plan --detailed-exitcode     # 0: nothing to do, 2: there is
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    import sys

    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.cli.options import chosen_services, revisions
    from saturn_orchestrator.cli.prospect import prospects
    from saturn_orchestrator.report.documents import dump, plan_document
    from saturn_orchestrator.report.plan_view import prospects_text
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.state.outcome import combined

    topology = loaded(ctx)
    hosts, chosen = chosen_services(selection.of(topology, default_all=True), wish.services)
    moves = revisions(hosts, wish.revision)
    found = dialled(topology, lambda dial: prospects(topology, hosts, dial, chosen, moves, prune=prune, diff=with_diff))
    if as_json:
        sys.stdout.write(dump(plan_document(found)))
    else:
        show(console(sys.stdout), prospects_text(found))
    failure = combined(each.error.exit_code for each in found if each.error)
    is_something = any(each.plan and each.plan.changes_anything for each in found)
    return failure or (2 if detailed and is_something else 0)
