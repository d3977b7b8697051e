"""The keyboard: one question a host, on standard error, answered on a terminal."""

from __future__ import annotations

import asyncio
import sys
import termios

from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.plan.model import Action, HostPlan

_ANSWERS = {
    "y": Answer.YES,
    "yes": Answer.YES,
    "d": Answer.DIFF,
    "diff": Answer.DIFF,
    "a": Answer.ALL,
    "all": Answer.ALL,
    "q": Answer.QUIT,
    "quit": Answer.QUIT,
}


def has_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def require_terminal() -> None:
    """Make sure that somebody can be asked.

    Raises:
        UsageError: input or screen is not a terminal.
    """
    if not has_terminal():
        raise UsageError(
            "nobody can be asked: there is no terminal, and --yes was not given",
            code="no_terminal",
            hint="run it in a terminal, or add --yes to confirm every host beforehand",
        )


def question(plan: HostPlan) -> str:
    """What is asked about the plan of a host, which it names, with the answers that make sense."""
    restored = [change.service for change in plan.changes if change.action is Action.RESTORE]
    if restored:
        return f"Restore {', '.join(restored)} on {plan.host}? [y]es / [N]o: "
    if plan.task:
        return f"Back up {plan.host}? [y]es / [N]o / [a]ll remaining / [q]uit: "
    verb = "Roll back" if plan.restores else "Deploy"
    return f"{verb} {plan.host}? [y]es / [N]o / [d]iff / [a]ll remaining / [q]uit: "


def answer_in(line: str) -> Answer:
    """What a person meant. No is the default, and an unclear answer is no."""
    return _ANSWERS.get(line.strip().lower(), Answer.NO)


async def ask(question: str) -> Answer:
    """What a person answers to the question."""
    return answer_in(await typed(question))


async def is_yes(question: str) -> bool:
    """Whether a person says yes to the question; an unclear answer is no."""
    return await ask(question) is Answer.YES


async def typed(question: str) -> str:
    """Print the question and read one line, without stopping the event loop: other hosts go on meanwhile."""
    # What was typed before the question was on the screen is no answer to it.
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    sys.stderr.write(question)
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        text = await line
    except asyncio.CancelledError:
        sys.stderr.write("\n")
        raise
    finally:
        loop.remove_reader(sys.stdin.fileno())
    if not text.endswith("\n"):
        sys.stderr.write("\n")
    return text.strip()
