"""`saturn help`."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from saturn_orchestrator.cli.groups import Words


def _offer(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        there = _context(ctx.find_root(), ctx.params.get("words") or ())
    except click.UsageError:
        return []
    return there.command.shell_complete(there, incomplete) if isinstance(there.command, click.Group) else []


@click.command("help")
@click.argument("words", nargs=-1, metavar="[VERB]...", shell_complete=_offer)
@click.option("--man", "as_manual", is_flag=True, help="Print the manual page of it, for `man -l -`.")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], as_manual: bool) -> int:
    """Show the help of saturn, of a verb, or of a word behind a verb.

    \b
    saturn help deploy
    saturn help backup list
    saturn help --man deploy | man -l -
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    there = _context(ctx.find_root(), words)
    if not as_manual:
        click.echo(there.get_help())
        return 0
    from saturn_orchestrator.cli.manual import manual_of
    from saturn_orchestrator.report.manual import manual_page

    click.echo(manual_page(manual_of(there)), nl=False)
    return 0


def _context(root: click.Context, words: tuple[str, ...]) -> click.Context:
    """Where the words lead from saturn itself.

    Raises:
        click.UsageError: nowhere.
    """
    there = root
    for word in words:
        if not isinstance(there.command, Words):
            raise click.UsageError(f"{there.command_path!r} has no verbs of its own.", there)
        there = click.Context(there.command.named(there, word), parent=there, info_name=word)
    return there
