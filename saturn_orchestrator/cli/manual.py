"""What click knows of a command, as the manual tells it."""

from __future__ import annotations

import inspect

import click

from saturn_orchestrator import __version__
from saturn_orchestrator.report.manual import Entry, Manual

_AS_IS = "\b\n"
"""click's mark before lines that must not be wrapped: ours are examples."""


def manual_of(ctx: click.Context) -> Manual:
    """The manual of the context's command."""
    command = ctx.command
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return Manual(
        name=ctx.command_path,
        version=__version__,
        summary=command.get_short_help_str(limit=200).rstrip("."),
        usage=" ".join(command.collect_usage_pieces(ctx)),
        paragraphs=tuple(" ".join(each.split()) for each in paragraphs if not each.startswith(_AS_IS)),
        examples=tuple(
            line for each in paragraphs if each.startswith(_AS_IS) for line in each.removeprefix(_AS_IS).splitlines()
        ),
        options=tuple(Entry(*record) for each in command.get_params(ctx) if (record := each.get_help_record(ctx))),
        verbs=_verbs(ctx, command),
    )


def _verbs(ctx: click.Context, command: click.Command) -> tuple[Entry, ...]:
    if not isinstance(command, click.Group):
        return ()
    found = ((word, command.get_command(ctx, word)) for word in command.list_commands(ctx))
    return tuple(Entry(word, each.get_short_help_str(limit=200)) for word, each in found if each)
