"""`saturn validate`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli.options import topology_file


@click.command("validate")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> int:
    """Check the inventory and its services on this machine. No host is touched."""
    import sys

    from saturn_orchestrator.app.validate import validate
    from saturn_orchestrator.errors import InventoryError
    from saturn_orchestrator.report.documents import dump, validation_document
    from saturn_orchestrator.report.problems import findings_text
    from saturn_orchestrator.report.style import console, counted, show

    file = topology_file(ctx)
    try:
        valid = validate(file)
    except InventoryError as error:
        if not as_json:
            raise
        sys.stdout.write(dump(validation_document(str(file), 0, 0, error.findings)))
        return error.exit_code
    if as_json:
        sys.stdout.write(dump(validation_document(str(file), valid.hosts, valid.services, valid.warnings)))
        return 0
    if valid.warnings:
        show(console(sys.stdout), findings_text(valid.warnings))
    warnings = f", {counted(len(valid.warnings), 'warning')}" if valid.warnings else ""
    hosts, services = counted(valid.hosts, "host"), counted(valid.services, "service")
    console(sys.stdout).print(f"{file} is valid: {hosts}, {services}{warnings}.")
    return 0
