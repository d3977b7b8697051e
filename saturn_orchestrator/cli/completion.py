"""`saturn completion`, and the answer when a shell then asks."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, add_completion_class, get_completion_class

VARIABLE = "_SATURN_COMPLETE"
"""The variable by which a shell asks what may come next. click makes it of the program's name."""


class Bash(BashComplete):
    """bash cuts `--hosts=a` in three words where it stands as one for others; click looks for the option before `a`."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one in hand, and that one as far as it is typed."""
        words, incomplete = super().get_completion_args()
        return [word for word in words if word != "="], incomplete


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print the script that teaches a shell to complete saturn's words.

    \b
    saturn completion bash > ~/.local/share/bash-completion/completions/saturn
    saturn completion zsh > ~/.zfunc/_saturn
    saturn completion fish > ~/.config/fish/completions/saturn.fish
    """  # noqa: D301 - click's mark for lines that must not be wrapped
    speaker = get_completion_class(shell)
    assert speaker, "click knows the three shells"
    click.echo(speaker(ctx.find_root().command, {}, "saturn", VARIABLE).source())
    return 0


def completed(root: click.Command) -> int:
    """Answer a shell. Whatever is wrong is not said: it would stand in the middle of what a person types."""
    add_completion_class(Bash)
    try:
        root.main([], prog_name="saturn", standalone_mode=False)
    except Exception:  # noqa: BLE001 - see above
        return 1
    return 0
