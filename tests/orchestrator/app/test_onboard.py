"""The order of an onboarding: key, look, show, ask, do, look again; and where each of them ends it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build
from support.fake_channel import FakeChannel

from saturn_orchestrator.app.onboard import Onboard, Onboarded, Outcome, Ports, onboard
from saturn_orchestrator.errors import NodeUnfit, SaturnError, SessionLost
from saturn_orchestrator.onboarding.preparation import Preparation
from saturn_orchestrator.onboarding.script import Word
from saturn_orchestrator.session.base import Offer, Tell
from saturn_orchestrator.session.introduction import Introduction
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.session.script import ROOT_SHELL, SHELL
from saturn_orchestrator.topology.model import Host, Ssh

FACTS = {
    "user": "deploy", "uid": "1000", "group": "deploy", "in_group": "yes", "listed": "yes", "sudo": "yes",
    "init": "other", "lingers": "no", "python": "Python 3.11.2", "git": "git version 2.39.5",
    "docker": "Docker version 20.10.24, build 1", "compose": "2.26.1", "becomes": "yes", "socket": "ok",
    "root": "folder", "writable": "yes", "empty": "no", "parent_writable": "no", "checkout": "no", "deployed": "no",
    "free_kb": "99000000",
}  # fmt: skip
BARE = {"in_group": "no", "listed": "no", "socket": "denied"}
DONE = "begin docker-group", "end docker-group", "over"


def told(**other: str) -> FakeChannel:
    """A machine's answer to the probe."""
    facts = {**FACTS, **other, "end": "yes"}
    return FakeChannel([f"saturn-fact {key}={value}\n".encode() for key, value in facts.items()])


def said(*words: str, last_words: str = "") -> FakeChannel:
    """A machine's answer to the steps."""
    return FakeChannel([f"saturn-step {word}\n".encode() for word in words], last_words=last_words)


class Desk:
    """A person, and a host that answers each connection in turn."""

    def __init__(self, folder: Path, *channels: FakeChannel) -> None:
        known_hosts = folder / "known_hosts"
        self.host = build.host("pi", ssh=Ssh(user="deploy", known_hosts=known_hosts))
        self.channels = list(channels)
        self.opened = list(channels)
        self.commands: list[tuple[str, ...]] = []
        self.shown: list[Preparation] = []
        self.words: list[tuple[str, str]] = []
        self.accepts, self.confirms = True, True

    async def scan(self, _: Host, __: Tell) -> Offer:
        return Offer("pi port 22", ("pi",), (Key("ssh-ed25519", "bmV3"),))

    async def shell(self, _: Host, command: tuple[str, ...], __: Tell) -> FakeChannel:
        self.commands.append(command)
        return self.channels.pop(0)

    async def ask_key(self, _: Introduction) -> bool:
        return self.accepts

    async def confirm(self, _: Preparation) -> bool:
        return self.confirms

    def tell(self, _: Host, word: Word) -> None:
        self.words.append((word.kind, word.step))

    def onboard(self, *, install: bool = False) -> Onboarded:
        ports = Ports(self.scan, self.shell, self.ask_key, self.confirm, self.shown.append, self.tell)
        return asyncio.run(onboard(Onboard(self.host, install, "", "saturn onboard pi"), ports))

    def failure(self) -> SaturnError:
        with pytest.raises(SaturnError) as caught:
            self.onboard()
        assert all(channel.is_closed for channel in self.opened if channel not in self.channels)
        return caught.value


def test_a_host_that_lacks_something_is_shown_asked_about_made_and_looked_at_again(tmp_path):
    desk = Desk(tmp_path, told(**BARE), said(*DONE), told())

    done = desk.onboard()

    assert (done.outcome, [len(each.steps) for each in desk.shown]) == (Outcome.PREPARED, [1])
    assert desk.commands == [SHELL, ROOT_SHELL, SHELL]
    assert desk.words == [("begin", "docker-group"), ("end", "docker-group"), ("over", "")]
    assert b"usermod" in desk.opened[1].written
    assert all(channel.is_closed for channel in desk.opened)


def test_a_host_that_lacks_nothing_is_only_looked_at(tmp_path):
    desk = Desk(tmp_path, told())

    assert (desk.onboard().outcome, desk.commands) == (Outcome.READY, [SHELL])


def test_nobody_logs_in_with_a_key_that_was_declined(tmp_path):
    desk = Desk(tmp_path)
    desk.accepts = False

    assert (desk.onboard().outcome, desk.commands) == (Outcome.DECLINED, [])


def test_steps_that_were_declined_are_not_done(tmp_path):
    desk = Desk(tmp_path, told(**BARE))
    desk.confirms = False

    assert (desk.onboard().outcome, desk.commands) == (Outcome.DECLINED, [SHELL])


def test_a_problem_keeps_everything_from_being_done(tmp_path):
    desk = Desk(tmp_path, told(**BARE, git=""))

    done = desk.onboard()

    assert (done.outcome, desk.commands) == (Outcome.BLOCKED, [SHELL])
    assert done.before
    assert [problem.code for problem in done.before.problems] == ["tool_missing"]


def test_a_step_that_fails_ends_it_with_its_evidence(tmp_path):
    failing = FakeChannel(
        [b"saturn-step begin docker-group\nsaturn-out no such group\n", b"saturn-step failed docker-group 6\n"]
    )

    error = Desk(tmp_path, told(**BARE), failing).failure()

    assert (type(error), error.code, error.notes) == (NodeUnfit, "step_failed", ("no such group",))
    assert error.hint == "mend that, then go on: saturn onboard pi"


def test_a_line_that_breaks_in_between_says_how_to_go_on(tmp_path):
    error = Desk(tmp_path, told(**BARE), said("begin docker-group", last_words="Connection reset")).failure()

    assert (type(error), error.notes, error.hint) == (SessionLost, ("Connection reset",), "saturn onboard pi")


def test_a_line_that_breaks_while_it_is_looked_at_is_a_broken_line(tmp_path):
    half = FakeChannel([b"saturn-fact user=deploy\n"])

    assert type(Desk(tmp_path, half).failure()) is SessionLost


def test_steps_that_all_end_well_and_help_nothing_are_told(tmp_path):
    error = Desk(tmp_path, told(**BARE), said(*DONE), told(**BARE)).failure()

    assert (error.code, "group docker" in error.notes[0]) == ("node_unfit", True)
