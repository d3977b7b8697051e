"""`saturn recover`."""

from __future__ import annotations

from pathlib import Path

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import Selection, loaded, records


@click.command("recover")
@click.argument("host", shell_complete=offers.HOST)
@click.option("--run", default="", metavar="RUN", shell_complete=offers.RUN,
              help="A run's id, the beginning of it, or `last`.  [default: the newest that failed]")  # fmt: skip
@click.option("--output", metavar="FILE", help="Where the bundle goes; - for standard output.")
@click.option("--offline", is_flag=True, help="Ask nobody: what the journal and earlier diagnostics tell.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document about the bundle.")
@click.pass_context
def command(ctx: click.Context, host: str, run: str, output: str | None, offline: bool, as_json: bool) -> int:
    """Gather all that is known of a host in trouble, without secrets, for a person or a model; changes nothing.

    \b
    saturn recover chelsty
    saturn recover chelsty --offline --output - | less
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    import os
    import sys

    from saturn_orchestrator.app.prompt import recover_prompt
    from saturn_orchestrator.app.recovery import Recover, kept, recover, redaction
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.cli.main import VERBS
    from saturn_orchestrator.files import write_ordered
    from saturn_orchestrator.journal import state_folder
    from saturn_orchestrator.report.documents import dump
    from saturn_orchestrator.report.recovery_view import recovery_bundle, recovery_document, recovery_text
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.state.recovery import next_commands

    if as_json and output == "-":
        raise click.UsageError("--json and --output - both want standard output")
    topology = loaded(ctx)
    (meant,) = Selection((host,), (), (), everything=False).of(topology)
    prompt, folder = recover_prompt(topology.folder), state_folder(os.environ)
    order = Recover(topology, meant, run, is_offline=offline)
    known = dialled(topology, lambda dial: recover(order, records(), dial, folder / "diagnostics"))
    commands = next_commands(known, VERBS)
    bundle = recovery_bundle(known, redaction(known, topology, os.environ, prompt), prompt, commands)
    if output == "-":
        sys.stdout.write(bundle.text)
        return 0
    file = write_ordered(Path(output), bundle.text) if output else kept(folder / "recovery" / host, bundle.text)
    if as_json:
        sys.stdout.write(dump(recovery_document(known, bundle, str(file), commands)))
    else:
        show(console(sys.stdout), recovery_text(known, bundle, str(file), commands))
    return 0
