"""`saturn trust`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from saturn_orchestrator.cli import offers
from saturn_orchestrator.cli.options import loaded

if TYPE_CHECKING:
    from saturn_orchestrator.app.trust import Ask
    from saturn_orchestrator.session.introduction import Introduction


def _fingerprint(_: click.Context, __: click.Parameter, value: str) -> str:
    if value and not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", value):
        raise click.BadParameter(f"{value!r} is no fingerprint such as ssh-keygen -l shows: SHA256: and 43 characters")
    return value


fingerprint_option = click.option(
    "--fingerprint",
    default="",
    callback=_fingerprint,
    metavar="SHA256:…",
    help="The key that it must have; asks nobody.",
)


@click.command("trust")
@click.argument("host", shell_complete=offers.HOST)
@fingerprint_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document on standard output.")
@click.pass_context
def command(ctx: click.Context, host: str, fingerprint: str, as_json: bool) -> int:
    """Show the key that a host offers, ask, and pin it; a key that changed is shown beside the old one.

    \b
    saturn trust chelsty
    saturn trust chelsty --fingerprint SHA256:sk8DvDkiRYBtArqLcZ0oov4zGbmEgyWGvmECDjzJhnA
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    import sys

    from saturn_orchestrator.app.trust import trust
    from saturn_orchestrator.cli.dialling import dialled
    from saturn_orchestrator.cli.options import Selection
    from saturn_orchestrator.report.documents import dump
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.report.trust_view import trust_document, trusted_text
    from saturn_orchestrator.session.introduction import Outcome
    from saturn_orchestrator.state.outcome import EXIT_DECLINED

    topology = loaded(ctx)
    (meant,) = Selection((host,), (), (), everything=False).of(topology)
    done = dialled(topology, lambda dial: trust(meant, dial.scan, asking(), fingerprint))
    if as_json:
        sys.stdout.write(dump(trust_document(done)))
    else:
        show(console(sys.stdout), trusted_text(done))
    return EXIT_DECLINED if done.outcome is Outcome.DECLINED else 0


def asking() -> Ask | None:
    """Shows the keys on standard error and asks there; None without a terminal."""
    from saturn_orchestrator.cli.question import has_terminal

    return _ask if has_terminal() else None


async def _ask(found: Introduction) -> bool:
    """A new key takes a yes; one that changed takes the whole word."""
    import sys

    from saturn_orchestrator.cli.question import is_yes, typed
    from saturn_orchestrator.report.style import console, show
    from saturn_orchestrator.report.trust_view import introduction_text
    from saturn_orchestrator.session.introduction import Standing

    show(console(sys.stderr), introduction_text(found))
    name = found.host.name
    if found.standing is Standing.CHANGED:
        return await typed(f"\nThe key of {name} HAS CHANGED. Replace it? Type the whole word yes / [N]o: ") == "yes"
    return await is_yes(f"\nIs this the key of {name}? [y]es / [N]o: ")
