"""`saturn onboard`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import listed, topology_file
from saturn_orchestrator.cli.trust import fingerprint_option

if TYPE_CHECKING:
    from saturn_orchestrator.app.onboard import Onboarded


@click.command("onboard")
@click.argument("host", shell_complete=offers.HOST)
@click.option("--address", metavar="A", help="Where it is reached.  [default: its name]")
@click.option("--user", metavar="U", help="Who logs in there.  [default: the topology's]")
@click.option(
    "--port", type=click.IntRange(1, 65_535), metavar="P", help="Of its SSH server.  [default: the topology's]"
)
@click.option("--root", metavar="PATH", help="Its folder for everything.  [default: the topology's]")
@click.option("--services", multiple=True, callback=listed, metavar="A,B", help="What it shall run.",
              shell_complete=offers.SERVICES)  # fmt: skip
@click.option("--roles", multiple=True, callback=listed, metavar="R", help="For --roles of other verbs.",
              shell_complete=offers.ROLES)  # fmt: skip
@click.option("--tags", multiple=True, callback=listed, metavar="T", help="For --tags of other verbs.",
              shell_complete=offers.TAGS)  # fmt: skip
@click.option("--link", type=click.Choice(["stable", "intermittent", "metered"]), help="How it is connected.")
@click.option("--install", is_flag=True, help="Install what is missing of python3, git, docker and compose.")
@fingerprint_option
@click.option("--yes", is_flag=True, help="Confirm everything but the host key beforehand; never implied.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and end once the host is ready.")
@click.pass_context
def command(
    ctx: click.Context, /, host: str, install: bool, fingerprint: str, yes: bool, as_json: bool, **entry: Any
) -> int:
    """Take a machine in: its entry in the topology, its host key, what it lacks, and its first deploy.

    \b
    saturn onboard pi --address 10.0.0.7 --user ada --services mosquitto
    saturn onboard pi --install
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    from saturn_orchestrator.app.enrolment import enrolment
    from saturn_orchestrator.app.onboard import Onboard
    from saturn_orchestrator.cli.onboarding import enrolled, finished, prepared, reported
    from saturn_orchestrator.cli.question import require_terminal
    from saturn_orchestrator.state.outcome import EXIT_DECLINED

    wanted = enrolment(topology_file(ctx), host, _entry(**entry))
    if not yes:
        require_terminal()
    if not enrolled(wanted, asks=not yes):
        return EXIT_DECLINED
    again = f"saturn onboard {host}{' --install' if install else ''}"
    done: Onboarded = prepared(wanted.topology, Onboard(wanted.host, install, fingerprint, again), asks=not yes)
    code = reported(done, wanted, again, as_json=as_json)
    return code or (0 if as_json else finished(done, wanted, yes=yes, verbose=ctx.obj["verbose"]))


def _entry(
    address: str | None,
    user: str | None,
    port: int | None,
    root: str | None,
    link: str | None,
    **lists: tuple[str, ...],
) -> dict[str, object]:
    """What was named, as it stands in a topology."""
    ssh = {key: value for key, value in (("user", user), ("port", port)) if value is not None}
    entry = {"address": address, "root": root, "ssh": ssh or None, "link": link}
    named = {key: list(lists[key]) for key in ("roles", "tags", "services") if lists[key]}
    return {**{key: value for key, value in entry.items() if value is not None}, **named}
