"""The units in the documents are units: their form, their names, and the commands of saturn that they call."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from saturn_orchestrator.cli.main import VERBS, saturn

DOCUMENT = Path(__file__).parents[1] / "docs/how-to/run-on-a-timer.md"
PROGRAM = "/home/ada/.venvs/saturn/bin/saturn"
SECTIONS = {"service": {"Unit", "Service"}, "timer": {"Unit", "Timer", "Install"}}
HARDENING = {
    "NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictAddressFamilies",
    "CapabilityBoundingSet", "SystemCallArchitectures",
}  # fmt: skip

Unit = dict[str, list[tuple[str, str]]]


def units() -> dict[str, str]:
    """The text of each unit by its name."""
    blocks = re.findall(
        r"^```ini\n# /etc/systemd/system/(\S+)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL
    )
    return dict(blocks)


def parsed(text: str) -> Unit:
    """The sections of a unit with their assignments, in order.

    Raises:
        ValueError: a line is neither a section, an assignment nor a comment.
    """
    sections: Unit = {}
    current: list[tuple[str, str]] | None = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        title = re.fullmatch(r"\[([A-Z]\w+)\]", line)
        assignment = re.fullmatch(r"([A-Z][A-Za-z]+)=(.*\S|)", line)
        if title:
            current = sections.setdefault(title[1], [])
        elif assignment and current is not None:
            current.append((assignment[1], assignment[2]))
        else:
            raise ValueError(f"no line of a unit: {line!r}")
    return sections


def values(unit: Unit, section: str) -> dict[str, str]:
    names = [name for name, _ in unit[section]]
    assert len(names) == len(set(names)), "a name is assigned twice"
    return dict(unit[section])


def command_lines() -> list[list[str]]:
    """Every command line of saturn in the document: of units and of cron."""
    text = DOCUMENT.read_text()
    lines = re.findall(rf"^ExecStart={re.escape(PROGRAM)} (.*)$", text, re.MULTILINE)
    lines += re.findall(r"^\*\S* .*?\$HOME/\.venvs/saturn/bin/saturn (.*?) 2>&1", text, re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_the_document_has_the_units():
    assert sorted(units()) == [
        "saturn-catch-up.service", "saturn-catch-up.timer", "saturn-failed@.service", "saturn-status.service",
        "saturn-status.timer",
    ]  # fmt: skip


@pytest.mark.parametrize("name", units())
def test_a_unit_has_the_sections_of_its_kind(name):
    unit = parsed(units()[name])

    assert set(unit) == SECTIONS[name.rpartition(".")[2]]
    assert values(unit, "Unit")["Description"]


@pytest.mark.parametrize("name", [name for name in units() if name.endswith(".timer")])
def test_a_timer_has_its_service_and_is_wanted(name):
    unit = parsed(units()[name])

    assert name.replace(".timer", ".service") in units()
    assert values(unit, "Install") == {"WantedBy": "timers.target"}


@pytest.mark.parametrize("name", [name for name in units() if name.endswith(".service") and "@" not in name])
def test_a_service_is_hardened_and_tells_when_it_fails(name):
    unit = parsed(units()[name])
    service = values(unit, "Service")

    assert values(unit, "Unit")["OnFailure"] == "saturn-failed@%n.service"
    assert HARDENING - set(service) == set()
    assert (service["Type"], service["User"]) == ("oneshot", "ada")
    assert "/home/ada/.local/state" in service["ReadWritePaths"].split()


def test_every_command_line_is_one_of_saturn():
    lines = command_lines()

    assert len(lines) == 4
    for verb, *words in lines:
        command = saturn.get_command(click.Context(saturn), verb)
        assert verb in VERBS
        assert command
        command.make_context(verb, words, resilient_parsing=False)


def test_systemd_takes_the_units(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze")
    for name, text in units().items():
        (tmp_path / name).write_text(text.replace(PROGRAM, sys.executable).replace("User=ada", "User=root"))
    names = [str(tmp_path / name) for name in units() if "@" not in name]

    done = subprocess.run((program, "verify", "--man=no", *names), capture_output=True, text=True, timeout=60)

    said = [line for line in (done.stdout + done.stderr).splitlines() if "saturn" in line]
    assert (said, done.returncode) == ([], 0), done.stderr
