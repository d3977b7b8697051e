from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.build import plan

from saturn_orchestrator.app.consent import Answer
from saturn_orchestrator.cli.question import answer_in, ask, question, require_terminal
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.plan.model import Action, Change


@pytest.mark.parametrize(
    "line, answer",
    [
        ("y\n", Answer.YES), ("YES\n", Answer.YES), (" y \n", Answer.YES), ("a\n", Answer.ALL), ("all\n", Answer.ALL),
        ("q\n", Answer.QUIT), ("quit\n", Answer.QUIT), ("n\n", Answer.NO), ("", Answer.NO), ("\n", Answer.NO),
        ("yy\n", Answer.NO), ("ja\n", Answer.NO), ("\x1b[Ay\n", Answer.NO),
    ],
)  # fmt: skip
def test_only_a_clear_yes_is_a_yes(line, answer):
    assert answer_in(line) is answer


@pytest.mark.parametrize(
    "fields, asked",
    [
        ({}, "Deploy alpha? [y]es / [N]o / [d]iff / [a]ll remaining / [q]uit: "),
        ({"restores": "r1"}, "Roll back alpha? [y]es / [N]o / [d]iff / [a]ll remaining / [q]uit: "),
        ({"changes": (Change("web", Action.BACKUP),)}, "Back up alpha? [y]es / [N]o / [a]ll remaining / [q]uit: "),
        ({"changes": (Change("web", Action.RESTORE),)}, "Restore web on alpha? [y]es / [N]o: "),
    ],
)
def test_a_question_names_the_host_and_what_would_be_done(fields, asked):
    assert question(plan(**fields)) == asked


@contextmanager
def keyboard() -> Iterator[int]:
    """Standard input is a terminal; yields the end at which a test types."""
    typing, terminal = pty.openpty()
    before = sys.stdin
    with open(terminal, encoding="utf-8") as sys.stdin:
        try:
            yield typing
        finally:
            sys.stdin = before
            os.close(typing)


def test_ask_prints_the_question_on_standard_error_and_takes_one_line(capsys):
    async def story(typing: int) -> Answer:
        answer = asyncio.create_task(ask("Deploy alpha? "))
        await asyncio.sleep(0)
        os.write(typing, b"all\n")
        return await answer

    with keyboard() as typing:
        assert asyncio.run(story(typing)) is Answer.ALL
    assert capsys.readouterr() == ("", "Deploy alpha? ")


def test_the_end_of_input_is_a_no(capsys):
    async def story(typing: int) -> Answer:
        answer = asyncio.create_task(ask("Deploy alpha? "))
        await asyncio.sleep(0)
        os.write(typing, b"\x04")
        return await answer

    with keyboard() as typing:
        assert asyncio.run(story(typing)) is Answer.NO
    assert capsys.readouterr().err == "Deploy alpha? \n"


def test_other_hosts_go_on_while_a_person_thinks():
    async def story(typing: int) -> Answer:
        answer = asyncio.create_task(ask("?"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not answer.done()
        os.write(typing, b"n\n")
        return await answer

    with keyboard() as typing:
        assert asyncio.run(story(typing)) is Answer.NO


def test_without_a_terminal_nobody_can_be_asked():
    with open(os.devnull) as nothing:
        before, sys.stdin = sys.stdin, nothing
        try:
            with pytest.raises(UsageError) as caught:
                require_terminal()
        finally:
            sys.stdin = before

    assert (caught.value.code, caught.value.exit_code) == ("no_terminal", 2)
