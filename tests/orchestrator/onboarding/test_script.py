"""Steps as a script: what real shells make of it, and what is believed of what it says."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from saturn_orchestrator.onboarding.preparation import Step
from saturn_orchestrator.onboarding.script import EVIDENCE, Listening, Word, script

SHELLS = [("dash",), ("busybox", "sh"), ("bash",)]


def step(name: str, *choices: tuple[tuple[str, ...], ...]) -> Step:
    return Step(name, name, choices)


def run(shell: tuple[str, ...], *steps: Step, text: str = "") -> list[Word]:
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} here")
    done = subprocess.run((*shell, "-s"), input=text or script(steps), capture_output=True, text=True, check=False)
    listening = Listening(steps)
    return [word for line in done.stdout.splitlines() for word in listening.words(line)]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_steps_run_in_order_and_of_each_choice_the_first_that_succeeds(shell, tmp_path):
    file = str(tmp_path / "it's here")
    one = step("one", (("false",), ("touch", file), ("rm", file)))
    two = step("two", (("test", "-e", file),), (("rm", file),))

    words = run(shell, one, two)

    assert [(word.kind, word.step) for word in words] == [
        ("begin", "one"), ("end", "one"), ("begin", "two"), ("end", "two"), ("over", ""),
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_step_that_fails_ends_it_and_is_told_with_its_last_lines(shell, tmp_path):
    failing = step("bad", (("sh", "-c", "seq 30; echo so sad >&2; exit 7"),))

    words = run(shell, failing, step("never", (("touch", str(tmp_path / "x")),)))

    assert [(word.kind, word.step, word.status) for word in words] == [("begin", "bad", 0), ("failed", "bad", 7)]
    assert (len(words[-1].evidence), words[-1].evidence[-1]) == (EVIDENCE, "so sad")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_half_a_script_does_nothing(shell, tmp_path):
    whole = script([step("one", (("touch", str(tmp_path / "x")),))])

    for length in range(0, len(whole) - 30, 7):
        assert run(shell, text=whole[:length] or " ") == []

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_nobody_listening_lets_the_step_in_hand_end_and_begins_no_other(shell, tmp_path):
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} here")
    steps = [
        step("one", (("sh", "-c", f"sleep 0.5; touch {tmp_path}/one"),)),
        step("two", (("touch", f"{tmp_path}/two"),)),
    ]
    child = subprocess.Popen((*shell, "-s"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin
    assert child.stdout
    child.stdin.write(script(steps).encode())
    child.stdin.close()
    child.stdout.readline()
    child.stdout.close()
    child.wait()

    assert [each.name for each in tmp_path.iterdir()] == ["one"]


def test_a_command_that_reads_its_input_does_not_eat_the_script(tmp_path):
    words = run(("dash",), step("one", (("cat",),)), step("two", (("true",),)))

    assert words[-1].kind == "over"


def test_only_words_of_our_steps_are_believed():
    listening = Listening([step("one", (("true",),))])

    lines = [
        "saturn-step",
        "saturn-step end other",
        "saturn-step rm one",
        " saturn-step end one",
        "saturn-step failed one x",
    ]

    assert [word for line in lines for word in listening.words(line)] == [Word("failed", "one", 0)]


def test_evidence_is_bounded_and_harmless():
    listening = Listening([step("one", (("true",),))])
    for number in range(100):
        assert list(listening.words(f"saturn-out \x1b[2J{number}{'x' * 9000}")) == []

    (word,) = listening.words("saturn-step failed one 2")

    assert (len(word.evidence), max(map(len, word.evidence)) <= 500) == (EVIDENCE, True)
    assert all("\x1b" not in line for line in word.evidence)
