"""A group of words that says, of one that it does not know, which it may have been."""

from __future__ import annotations

import click


class Words(click.Group):
    """As click has it, whatever its version; and a word that is not there is answered with one that is near."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command behind the first word."""
        if not (ctx.resilient_parsing or args[0].startswith("-")):
            self.named(ctx, args[0])
        return super().resolve_command(ctx, args)

    def named(self, ctx: click.Context, word: str) -> click.Command:
        """The command of that name.

        Raises:
            click.UsageError: there is none.
        """
        found = self.get_command(ctx, word)
        if found is None:
            raise click.UsageError(f"No such verb {word!r}.{self._near(ctx, word)}", ctx)
        return found

    def _near(self, ctx: click.Context, word: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(word, self.list_commands(ctx), n=1)
        return f" Did you mean {near[0]!r}?" if near else ""
