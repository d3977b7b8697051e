"""Every command of saturn, walked through: help, reference, completion, JSON. The commands are found, never listed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import click
import pytest
from click.shell_completion import ShellComplete
from test_docs import section, text_of

from saturn_orchestrator.cli.completion import VARIABLE
from saturn_orchestrator.cli.main import VERBS, saturn

WITHOUT_JSON = {
    "saturn": "it only has verbs",
    "saturn init": "it tells a person what to do next",
    "saturn demo": "it is a story",
    "saturn help": "it is words",
    "saturn completion": "it is a script",
}
"""Commands that report nothing to a program."""

NAMES = {"A,B", "T", "R", "REV", "RUN", "REV|RUN", "NAME"}
"""What stands for a name of the inventory, of git or of the journal."""

_LINK = re.compile(r"\((json\.md)?#([\w-]+)\)")
_BLOCK = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command as it is typed."""

    context: click.Context

    @property
    def name(self) -> str:
        return self.context.command_path

    @property
    def words(self) -> list[str]:
        return self.name.split()[1:]

    @property
    def options(self) -> list[click.Option]:
        return [each for each in self.context.command.get_params(self.context) if isinstance(each, click.Option)]

    @property
    def has_json(self) -> bool:
        return any("--json" in each.opts for each in self.options)


def walked(context: click.Context) -> list[Command]:
    found = [Command(context)]
    if isinstance(context.command, click.Group):
        for word in context.command.list_commands(context):
            command = context.command.get_command(context, word)
            assert command, word
            found += walked(click.Context(command, parent=context, info_name=word))
    return found


COMMANDS = {each.name: each for each in walked(click.Context(saturn, info_name="saturn"))}
every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


def reference(command: Command) -> str:
    return section(text_of("reference/cli.md"), f"`{command.name}`")


def offered(words: list[str], incomplete: str) -> list[str]:
    return [item.value for item in ShellComplete(saturn, {}, "saturn", VARIABLE).get_completions(words, incomplete)]


def test_the_walk_meets_every_verb_and_what_stands_behind_one():
    assert {f"saturn {verb}" for verb in VERBS} < set(COMMANDS)
    assert {"saturn backup list", "saturn backup fetch"} < set(COMMANDS)


# --- help -------------------------------------------------------------------------------------------------------------


@every_command
def test_help_begins_with_the_usage_and_says_what_the_command_does(command):
    usage, _, rest = command.context.get_help().partition("\n")

    assert usage.startswith(f"Usage: {command.name}")
    assert rest.strip().splitlines()[0].strip()
    assert [each.opts for each in command.options if not each.help] == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_one_line_of_help_that_is_a_sentence(verb):
    assert re.fullmatch(r"[A-Z].{10,75}\.", VERBS[verb])


# --- reference --------------------------------------------------------------------------------------------------------


@every_command
def test_reference_has_every_command_and_option(command):
    told = reference(command)
    names = {word for each in command.options for word in each.opts if word not in command.context.help_option_names}

    assert told, f"reference/cli.md has no section for {command.name}"
    assert {each for each in names if f"`{each}" not in told} == set()


@every_command
def test_reference_names_no_option_that_is_not_there(command):
    rows = re.findall(r"^\| (`-.*?) \|", reference(command).partition("\n### ")[0], re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(--[\w-]+)", row)}

    assert told - {word for each in command.options for word in each.opts} == set()


def test_reference_names_no_command_that_is_not_there():
    told = re.findall(r"^###? `(saturn [a-z -]+)`$", text_of("reference/cli.md"), re.MULTILINE)

    assert sorted(told) == sorted(set(COMMANDS) - {"saturn"})


# --- completion -------------------------------------------------------------------------------------------------------


@every_command
def test_completion_offers_the_command_and_its_options(command):
    *before, last = command.words or [""]

    assert not last or last in offered(before, last[:2])
    for option in command.options:
        long = max(option.opts, key=len)
        assert long in offered(command.words, long[:4]), long


@every_command
def test_completion_knows_every_name(command):
    named = [each for each in command.options if each.metavar in NAMES and not each.is_flag]
    named += [each for each in command.context.command.params if each.name in {"host", "service", "run"}]

    assert [each.name for each in named if each._custom_shell_complete is None] == []


# --- JSON -------------------------------------------------------------------------------------------------------------


def test_every_command_that_reports_has_json():
    assert {name for name, each in COMMANDS.items() if not each.has_json} == set(WITHOUT_JSON)


@pytest.mark.parametrize("command", [each for each in COMMANDS.values() if each.has_json], ids=lambda each: each.name)
def test_what_json_prints_is_described(command):
    own = reference(command).partition("\n### ")[0]
    row = next(line for line in own.splitlines() if line.startswith("| `--json` |"))
    if "(events.md)" in row:
        return  # a line is an event, which reference/events.md describes one by one
    (_, anchor), *_ = _LINK.findall(row)

    assert '"version": 1' in described(anchor)


def described(anchor: str) -> str:
    """The section of json.md, and what it says to be the same as."""
    document = text_of("reference/json.md")
    headings = re.findall(r"^## (.*)$", document, re.MULTILINE)
    heading = next(each for each in headings if each.replace(" ", "-") == anchor)
    told = section(document, heading)
    others = [other for _, other in _LINK.findall(told) if other != anchor]
    return told if '"version": 1' in told else "".join(described(other) for other in others[:1])


@pytest.mark.parametrize("block", _BLOCK.findall(text_of("reference/json.md")), ids=lambda block: block[:40])
def test_every_document_that_is_shown_is_json_of_the_present_version(block):
    assert json.loads(block)["version"] == 1
