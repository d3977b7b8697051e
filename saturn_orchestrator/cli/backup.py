"""`saturn backup`: the bare word writes backups, the words behind it look at them and bring them home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.groups import Words
from saturn_orchestrator.cli.options import (
    Selection,
    link_patience_option,
    loaded,
    selection_options,
    services_option,
)


@click.group("backup", cls=Words, invoke_without_command=True)
@selection_options
@services_option
@click.option("--yes", is_flag=True, help="Confirm every host beforehand; never implied.")
@click.option("--fetch", "fetches", is_flag=True, help="Bring home what was written, too: see saturn backup fetch.")
@link_patience_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(
    ctx: click.Context,
    selection: Selection,
    services: tuple[str, ...],
    yes: bool,
    fetches: bool,
    link_patience_s: float,
    as_json: bool,
) -> int:
    """Write a backup of every chosen service that has `backup` in its service.yaml; ask before each host.

    \b
    saturn backup --hosts chelsty
    saturn backup --all --services zigbee2mqtt --yes --fetch
    saturn backup list
    saturn backup fetch chelsty zigbee2mqtt
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    from saturn_orchestrator.errors import UsageError

    if ctx.invoked_subcommand:
        if not selection.is_empty or services or yes or fetches or as_json:
            word = ctx.invoked_subcommand
            raise UsageError(f"options stand behind the word {word}", hint=f"saturn backup {word} --help")
        return 0
    from saturn_orchestrator.app.backup import with_backups
    from saturn_orchestrator.app.deploy import Deploy
    from saturn_orchestrator.app.planning import Scope
    from saturn_orchestrator.cli.apart import run_backup
    from saturn_orchestrator.cli.options import chosen_services
    from saturn_orchestrator.cli.question import require_terminal
    from saturn_orchestrator.cli.wiring import machine, person

    topology = loaded(ctx)
    hosts, chosen = chosen_services(selection.of(topology), services)
    hosts, others = with_backups(hosts, chosen)
    if not yes:
        require_terminal()
    scope = Scope(chosen, backup=True)
    order = Deploy(topology, hosts, person(), machine(), scope, link_patience_s=link_patience_s, verb="backup")
    return run_backup(order, others, yes=yes, fetches=fetches, as_json=as_json, verbose=ctx.obj["verbose"])


def _asking(word: str, text: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A word that asks nodes for something about their backups: its hosts, its services, its document."""

    def made(function: Callable[..., Any]) -> click.Command:
        for option in (
            click.pass_context,
            click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
            services_option,
            selection_options,
        ):
            function = option(function)
        return command.command(word, help=text)(function)

    return made


@_asking("list", "Show the backups that lie on the nodes. All hosts unless some are chosen.")
def list_command(ctx: click.Context, selection: Selection, services: tuple[str, ...], as_json: bool) -> int:
    """The table of what is there."""
    import sys

    from saturn_orchestrator.app.backups import holdings
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.cli.options import chosen_services
    from saturn_orchestrator.report.backups_view import holdings_document, holdings_text
    from saturn_orchestrator.report.documents import dump
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.state.outcome import combined

    topology = loaded(ctx)
    hosts, chosen = chosen_services(selection.of(topology, default_all=True), services)
    found = dialled(topology, lambda dial: holdings(hosts, dial, chosen))
    if as_json:
        sys.stdout.write(dump(holdings_document(found)))
    else:
        show(console(sys.stdout), holdings_text(found))
    return combined(each.exit_code for each in found)


@_asking("verify", "Have the nodes read every backup to its end, and say which are sound. It changes nothing.")
def verify_command(ctx: click.Context, selection: Selection, services: tuple[str, ...], as_json: bool) -> int:
    """The table of verdicts."""
    import sys

    from saturn_orchestrator.app.backups import inspections
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.cli.options import chosen_services
    from saturn_orchestrator.report.backups_view import inspections_document, inspections_text
    from saturn_orchestrator.report.documents import dump
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.state.outcome import combined

    topology = loaded(ctx)
    hosts, chosen = chosen_services(selection.of(topology, default_all=True), services)
    found = dialled(topology, lambda dial: inspections(hosts, dial, chosen))
    if as_json:
        sys.stdout.write(dump(inspections_document(found)))
    else:
        show(console(sys.stdout), inspections_text(found))
    return combined(each.exit_code for each in found)


@command.command("fetch")
@click.argument("host", shell_complete=offers.HOST)
@click.argument("service", shell_complete=offers.SERVICE)
@click.option("--from", "wanted", default="", metavar="NAME", help="Which backup.  [default: the newest]",
              shell_complete=offers.BACKUP)  # fmt: skip
@click.option("--to", "folder", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Below which folder.  [default: backups/HOST/SERVICE in saturn's state folder]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def fetch_command(ctx: click.Context, host: str, service: str, wanted: str, folder: Path | None, as_json: bool) -> int:
    """Copy a backup to this machine, and check it. What was broken off goes on where it stopped."""
    from saturn_orchestrator.app.fetch import Wish
    from saturn_orchestrator.cli.apart import copies_folder, run_fetch
    from saturn_orchestrator.cli.options import one_service

    topology = loaded(ctx)
    meant, kept = one_service(topology, host, service)
    target = folder.absolute() if folder else copies_folder(meant, kept)
    return run_fetch(topology, Wish(meant, kept, target, wanted), as_json=as_json)
