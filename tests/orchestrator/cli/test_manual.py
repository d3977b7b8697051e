"""The manual of every command of saturn, from what click knows."""

from __future__ import annotations

import click
import pytest
from orchestrator.report.test_manual import is_well_formed, rendered

from saturn_orchestrator.cli.main import saturn
from saturn_orchestrator.cli.manual import manual_of
from saturn_orchestrator.report.manual import manual_page


def contexts(there: click.Context) -> dict[str, click.Context]:
    found = {there.command_path: there}
    if isinstance(there.command, click.Group):
        for word in there.command.list_commands(there):
            command = there.command.get_command(there, word)
            assert command
            found |= contexts(click.Context(command, parent=there, info_name=word))
    return found


COMMANDS = contexts(click.Context(saturn, info_name="saturn"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_manual_page(name):
    manual = manual_of(COMMANDS[name])
    page = manual_page(manual)

    assert is_well_formed(page)
    assert (manual.name, bool(manual.summary), bool(manual.paragraphs), bool(manual.options)) == (
        name,
        True,
        True,
        True,
    )


def test_groff_takes_every_page():
    pages = "".join(manual_page(manual_of(there)) for there in COMMANDS.values())

    done = rendered(pages)

    assert (done.returncode, done.stderr) == (0, "")
    assert "--link-patience TIME" in done.stdout
    assert "saturn deploy --all --batch 1,25%,100% --max-failures 1" in done.stdout
