"""What `saturn onboard` would do to a machine, what it is doing, and what came of it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from saturn_orchestrator.onboarding.machine import Machine
from saturn_orchestrator.onboarding.packages import Choice
from saturn_orchestrator.onboarding.preparation import Preparation, Problem, Step
from saturn_orchestrator.onboarding.script import Word
from saturn_orchestrator.report.documents import VERSION
from saturn_orchestrator.report.style import counted, look, size_text, unbroken, verbatim
from saturn_orchestrator.report.text import Group, Text
from saturn_orchestrator.report.trust_view import trust_document
from saturn_orchestrator.session.introduction import Trusted

_STEP_WORDS = {"begin": "begins", "end": "done", "failed": "failed"}
_STEP_LOOKS = {"begin": "running", "end": "changed", "failed": "failed"}


def preparation_text(wanted: Preparation) -> Group:
    """The machine, a line and its commands for each step, what stands in the way, and the counted line last."""
    return Group(*_lines(wanted))


def preparation_total(wanted: Preparation) -> str:
    """The counted line, such as `Plan: 2 steps, as root through sudo.`."""
    if wanted.problems:
        return f"Plan: nothing is done before {counted(len(wanted.problems), 'problem')} is seen to."
    if not wanted.steps:
        return "Plan: nothing to do."
    return f"Plan: {counted(len(wanted.steps), 'step')}{', as root through sudo' if wanted.becomes else ''}."


def _lines(wanted: Preparation) -> Iterator[Text]:
    yield verbatim(wanted.host, "bold").append_text(verbatim(f"  {_standing(wanted.machine)}"))
    width = max((len(step.name) for step in wanted.steps), default=0)
    for step in wanted.steps:
        drawn = look("create")
        yield verbatim(f"  {drawn.symbol} {step.name:<{width}}  ", drawn.style).append_text(
            verbatim(step.words, "default")
        )
        yield from (unbroken(f"      {command}", "dim") for command in _commands(step))
    for problem in wanted.problems:
        drawn = look("invalid")
        yield unbroken(f"  {drawn.symbol} {problem.message} [{problem.code}]", drawn.style)
        yield from (unbroken(f"      {command}") for command in problem.commands)
    yield from (unbroken(f"  · {note}") for note in wanted.notes)
    yield verbatim(preparation_total(wanted), "bold")


def _standing(machine: Machine) -> str:
    """`debian, login deploy: python3 3.11, git 2.39.5, no docker; 12 GB free`."""
    python = ".".join(map(str, machine.python))
    tools = (("python3", python), ("git", machine.git), ("docker", machine.docker), ("compose", machine.compose))
    words = ", ".join(f"{name} {version}" if version else f"no {name}" for name, version in tools)
    room = f"; {size_text(machine.free_kb * 1024)} free" if machine.free_kb >= 0 else ""
    return f"{machine.os or 'an unknown system'}, login {machine.user}: {words}{room}"


def _commands(step: Step) -> Iterator[str]:
    return (_either(choice) for choice in step.choices)


def _either(choice: Choice) -> str:
    return " || ".join(shlex.join(command) for command in choice)


def word_line(host: str, word: Word) -> Text:
    """A step that begins, has ended or failed."""
    drawn = look(_STEP_LOOKS.get(word.kind, ""))
    line = verbatim(f"{drawn.symbol} ", drawn.style)
    return line.append_text(verbatim(f"{host} {word.step} {_STEP_WORDS.get(word.kind, word.kind)}", "default"))


def onboarded_text(host: str, outcome: str, following: Sequence[str]) -> Group:
    """What came of it, in a line, and what to type next."""
    words = {
        "ready": f"{host} is ready; nothing was changed on it",
        "prepared": f"{host} is ready",
        "declined": "declined: nothing was changed there",
        "blocked": f"{host} is not ready; nothing was changed on it",
    }
    return Group(verbatim(f"{words[outcome]}."), *(unbroken(f"  next: {each}") for each in following))


def onboarding_document(
    host: str, outcome: str, trusted: Trusted | None, wanted: Preparation | None,
    changes: Sequence[str], following: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """What `onboard --json` prints. wanted: what was to be done, None when it did not come to that."""
    return {
        "version": VERSION,
        "host": host,
        "outcome": outcome,
        "files": list(changes),
        "trust": trust_document(trusted) if trusted else None,
        "machine": _machine(wanted.machine) if wanted else None,
        "steps": [_step(step) for step in wanted.steps] if wanted else [],
        "problems": [_problem(problem) for problem in wanted.problems] if wanted else [],
        "notes": list(wanted.notes) if wanted else [],
        "next": list(following),
    }


def _machine(machine: Machine) -> dict[str, Any]:
    return {
        "os": machine.os or None,
        "manager": machine.manager or None,
        "user": machine.user,
        "sudo": machine.sudo,
        "python": ".".join(map(str, machine.python)) or None,
        "git": machine.git or None,
        "docker": machine.docker or None,
        "compose": machine.compose or None,
        "free_bytes": machine.free_kb * 1024 if machine.free_kb >= 0 else None,
        "deployed": machine.is_deployed,
    }


def _step(step: Step) -> dict[str, Any]:
    return {"name": step.name, "words": step.words, "commands": list(_commands(step)), "needs_root": step.needs_root}


def _problem(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "message": problem.message, "commands": list(problem.commands)}
