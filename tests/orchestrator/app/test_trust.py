"""When a host key is accepted, and all the times when it is not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build

from saturn_orchestrator.app.trust import trust
from saturn_orchestrator.errors import HostKeyRejected, SaturnError, UsageError
from saturn_orchestrator.session.base import Offer, Tell
from saturn_orchestrator.session.introduction import Introduction, Outcome, Standing, Trusted
from saturn_orchestrator.session.known_hosts import Key
from saturn_orchestrator.topology.model import Host, Ssh

ED, RSA, OLD = Key("ssh-ed25519", "bmV3"), Key("ssh-rsa", "cnNh"), Key("ssh-ed25519", "b2xk")


class Desk:
    """A person with an answer, a host with keys, and a known_hosts file."""

    def __init__(self, folder: Path, text: str = "", *, keys: tuple[Key, ...] = (ED, RSA), told: tuple[Key, ...] = ()):
        self.file = folder / "known_hosts"
        self.file.write_text(text)
        self.host = build.host("nas", address="10.0.0.5", ssh=Ssh(user="x", known_hosts=self.file))
        self.offer: Offer | None = Offer("10.0.0.5 port 22", ("10.0.0.5", "nas"), keys, told)
        self.asked: list[Introduction] = []
        self.answer = True

    async def scan(self, _: Host, __: Tell) -> Offer | None:
        return self.offer

    async def ask(self, found: Introduction) -> bool:
        self.asked.append(found)
        return self.answer

    def trust(self, fingerprint: str = "", *, is_alone: bool = False) -> Trusted:
        return asyncio.run(trust(self.host, self.scan, None if is_alone else self.ask, fingerprint))

    def refusal(self, fingerprint: str = "", *, is_alone: bool = False) -> SaturnError:
        before = self.file.read_text()
        with pytest.raises(SaturnError) as caught:
            self.trust(fingerprint, is_alone=is_alone)
        assert (self.file.read_text(), self.asked) == (before, [])
        return caught.value


def test_a_new_key_is_pinned_after_a_yes_the_one_to_prefer(tmp_path):
    desk = Desk(tmp_path, "# mine\n")

    assert desk.trust().outcome is Outcome.PINNED
    assert desk.file.read_text() == f"# mine\n10.0.0.5 {ED.line}\n"
    assert [found.standing for found in desk.asked] == [Standing.NEW]


def test_a_no_writes_nothing(tmp_path):
    desk = Desk(tmp_path, "# mine\n")
    desk.answer = False

    assert desk.trust().outcome is Outcome.DECLINED
    assert desk.file.read_text() == "# mine\n"


@pytest.mark.parametrize("key", [ED, RSA])
def test_a_key_that_is_pinned_already_asks_nobody(tmp_path, key):
    desk = Desk(tmp_path, f"nas {key.line}\n")

    assert desk.trust(is_alone=True).outcome is Outcome.NOTHING
    assert desk.file.read_text() == f"nas {key.line}\n"


def test_a_key_that_changed_is_shown_beside_the_old_one_and_replaces_it(tmp_path):
    desk = Desk(tmp_path, f"nas {OLD.line}\n")

    assert desk.trust().outcome is Outcome.REPLACED
    (asked,) = desk.asked
    assert (asked.standing, [entry.key for entry in asked.known.keys]) == (Standing.CHANGED, [OLD])
    assert desk.file.read_text() == f"10.0.0.5 {ED.line}\n"


def test_one_of_two_pinned_keys_that_changed_is_a_change(tmp_path):
    desk = Desk(tmp_path, f"nas {OLD.line}\nnas {RSA.line}\n")

    desk.trust()

    assert [found.standing for found in desk.asked] == [Standing.CHANGED]


def test_a_fingerprint_pins_that_very_key_and_asks_nobody(tmp_path):
    desk = Desk(tmp_path)

    assert desk.trust(RSA.fingerprint, is_alone=True).outcome is Outcome.PINNED
    assert desk.file.read_text() == f"10.0.0.5 {RSA.line}\n"
    assert desk.trust(RSA.fingerprint, is_alone=True).outcome is Outcome.NOTHING


def test_a_fingerprint_that_is_not_offered_writes_nothing(tmp_path):
    error = Desk(tmp_path).refusal(OLD.fingerprint)

    assert (type(error), error.code) == (HostKeyRejected, "fingerprint_not_offered")


def test_nobody_to_ask_is_no_consent(tmp_path):
    error = Desk(tmp_path).refusal(is_alone=True)

    assert (type(error), error.code) == (UsageError, "no_terminal")
    assert ED.fingerprint not in error.hint, "what was not compared is not offered for copying"


@pytest.mark.parametrize("fingerprint", ["", ED.fingerprint])
def test_a_revoked_key_is_never_accepted(tmp_path, fingerprint):
    assert Desk(tmp_path, f"@revoked * {ED.line}\n").refusal(fingerprint).code == "host_key_revoked"


def test_a_host_that_also_offers_a_revoked_key_is_refused(tmp_path):
    assert Desk(tmp_path, f"@revoked nas {RSA.line}\n").refusal().code == "host_key_revoked"


def test_an_authority_is_told_and_stays(tmp_path):
    desk = Desk(tmp_path, f"@cert-authority * {OLD.line}\n")

    desk.trust()

    assert [entry.key for entry in desk.asked[0].known.authorities] == [OLD]
    assert desk.file.read_text().startswith(f"@cert-authority * {OLD.line}\n")


def test_a_host_that_the_tailnet_knows_needs_no_pin(tmp_path):
    desk = Desk(tmp_path, told=(OLD, ED))

    done = desk.trust(is_alone=True)

    assert (done.outcome, done.introduction.standing, desk.file.read_text()) == (Outcome.NOTHING, Standing.TAILNET, "")


def test_a_host_that_shows_other_keys_than_the_tailnet_tells_is_refused(tmp_path):
    error = Desk(tmp_path, told=(OLD,)).refusal(ED.fingerprint)

    assert (error.code, error.place) == ("host_key_changed", "the tailnet")


def test_this_machine_itself_has_no_key_to_pin(tmp_path):
    desk = Desk(tmp_path)
    desk.offer = None

    assert desk.trust(is_alone=True).introduction.standing is Standing.LOCAL


def test_a_file_that_is_no_known_hosts_is_left_alone(tmp_path):
    assert Desk(tmp_path, "what is this\n@huh\n").refusal().code == "known_hosts_unreadable"


def test_a_pattern_that_names_the_host_is_for_a_person_to_mend(tmp_path):
    desk = Desk(tmp_path, f"10.0.0.* {OLD.line}\n")

    with pytest.raises(UsageError) as caught:
        desk.trust()

    assert (caught.value.code, desk.file.read_text()) == ("known_hosts_pattern", f"10.0.0.* {OLD.line}\n")


def test_a_file_that_somebody_else_changed_meanwhile_is_not_written_over(tmp_path):
    desk = Desk(tmp_path)

    async def ask(_: Introduction) -> bool:
        desk.file.write_text("# theirs\n")
        return True

    with pytest.raises(UsageError) as caught:
        asyncio.run(trust(desk.host, desk.scan, ask))

    assert (caught.value.code, desk.file.read_text()) == ("file_moved", "# theirs\n")
