"""`saturn restore`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import link_patience_option, loaded


@click.command("restore")
@click.argument("host", shell_complete=offers.HOST)
@click.argument("service", shell_complete=offers.SERVICE)
@click.option("--from", "wanted", default="", metavar="NAME", help="Which backup.  [default: the newest]",
              shell_complete=offers.BACKUP)  # fmt: skip
@click.option("--yes", is_flag=True, help="Confirm beforehand; never implied.")
@link_patience_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(
    ctx: click.Context, host: str, service: str, wanted: str, yes: bool, link_patience_s: float, as_json: bool
) -> int:
    """Bring a backup of a service back; what stands there is kept as a backup of its own.

    \b
    saturn restore chelsty zigbee2mqtt
    saturn restore chelsty zigbee2mqtt --from 20261125T0310
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    from saturn_orchestrator.app.deploy import Deploy
    from saturn_orchestrator.app.planning import Scope
    from saturn_orchestrator.cli.apart import run_restore
    from saturn_orchestrator.cli.options import one_service
    from saturn_orchestrator.cli.question import require_terminal
    from saturn_orchestrator.cli.wiring import machine, person

    topology = loaded(ctx)
    meant, restored = one_service(topology, host, service)
    if not yes:
        require_terminal()
    scope = Scope(frozenset({restored.name}))
    order = Deploy(topology, (meant,), person(), machine(), scope, link_patience_s=link_patience_s, verb="restore")
    return run_restore(order, restored, wanted, yes=yes, as_json=as_json, verbose=ctx.obj["verbose"])
