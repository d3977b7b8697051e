"""`saturn completion`, and the answer when a shell then asks."""

from __future__ import annotations

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

VARIABLE = "_SATURN_COMPLETE"
"""The variable by which a shell asks what may come next. click makes it of the program's name."""


class Bash(BashComplete):
    """bash cuts `--hosts=a` in three words where it stands as one for others; click looks for the option before `a`."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one in hand, and that one as far as it is typed."""
        words, incomplete = super().get_completion_args()
        return [word for word in words if word != "="], incomplete


class Joined(ShellComplete):
    """zsh and fish leave `--hosts=a` one word, and put what is answered in the place of all of it."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """What may stand in the place of the word in hand."""
        option, mark, _ = incomplete.partition("=")
        before = f"{option}{mark}" if mark and option.startswith("-") else ""
        found = super().get_completions(args, incomplete)
        return [CompletionItem(f"{before}{each.value}", each.type, each.help) for each in found]


class Zsh(Joined, ZshComplete):
    """See Joined."""


class Fish(Joined, FishComplete):
    """click's script cuts an answer at every comma; only the first one ends the kind of answer."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


SHELLS = {each.name: each for each in (Bash, Zsh, Fish)}


@click.command("completion")
@click.argument("shell", type=click.Choice(tuple(SHELLS)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the script that teaches a shell to complete saturn's words.

    \b
    saturn completion bash > ~/.local/share/bash-completion/completions/saturn
    saturn completion zsh > ~/.zfunc/_saturn
    saturn completion fish > ~/.config/fish/completions/saturn.fish
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    click.echo(SHELLS[shell](ctx.find_root().command, {}, "saturn", VARIABLE).source())
    return 0


def completed(root: click.Command) -> int:
    """Answer a shell. Whatever is wrong is not said: it would stand in the middle of what a person types."""
    for speaker in SHELLS.values():
        add_completion_class(speaker)
    try:
        root.main([], prog_name="saturn", standalone_mode=False)
    except Exception:  # noqa: BLE001 - see above
        return 1
    return 0
