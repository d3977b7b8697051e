"""`saturn logs`."""

from __future__ import annotations

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import records
from saturn_orchestrator.errors import UsageError


@click.command("logs")
@click.argument("host", shell_complete=offers.HOST)
@click.option("--run", help="A run's id, the beginning of it, or `last`.  [default: the newest that reached the host]",
              shell_complete=offers.RUN)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the events, a JSON object a line.")
def command(host: str, run: str | None, as_json: bool) -> int:
    """Print what a host said in a run, from the journal of this machine: nobody is asked, so it works offline."""
    import sys

    from saturn_orchestrator.app.show import run_named
    from saturn_orchestrator.report.documents import event_line
    from saturn_orchestrator.report.logs_view import log_lines
    from saturn_orchestrator.report.style import console, show

    memory = records()
    newest = run or memory.newest(host, with_prefetch=True)[0]
    if not newest:
        raise UsageError(f"no run that reached {host} is known here", code="unknown_host", hint="saturn history")
    state = run_named(newest, memory)
    if host not in state.hosts:
        known = ", ".join(state.hosts)
        raise UsageError(f"run {state.run} had no host {host}", code="unknown_host", notes=[f"it had: {known}"])
    told = memory.events_of(state.run, host)
    if as_json:
        sys.stdout.writelines(event_line(name, event) for name, event in told)
    else:
        show(console(sys.stdout), *log_lines(state.hosts[host], state.run, (event for _, event in told)))
    return 0
