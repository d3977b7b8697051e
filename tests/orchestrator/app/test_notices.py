"""Notices to a real HTTP server on this machine, through the real Apprise."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from orchestrator.topology.homelab import GIT, homelab
from support import build

from saturn_orchestrator.app import notices
from saturn_orchestrator.app.deploy import Deploy
from saturn_orchestrator.app.notices import Notices, delivered, name_of, target_findings
from saturn_orchestrator.errors import SaturnError
from saturn_orchestrator.state.model import HostError, HostState, RunState, Status
from saturn_orchestrator.state.notices import Notice, Sent
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.topology.load import load
from saturn_orchestrator.topology.model import Notify, Target, Topology

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own affair

TOKEN = "t0k3n-of-the-phone-4711"
HELLO = Notice("title", "body *of* <b>it</b>")
HEAD = "version: 1\n" + GIT + "hosts: {vps: {}}\n"


class Phone:
    """Takes notices; answer: the status it gives, None for none at all."""

    def __init__(self) -> None:
        self.came: list[dict[str, Any]] = []
        self.answer: int | None = 200
        self.hanging = threading.Event()
        phone = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                phone.came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                if phone.answer is None:
                    phone.hanging.wait(20)
                self.send_response(phone.answer or 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Taking)
        self.machine = f"127.0.0.1:{self.server.server_port}"
        self.url = f"json://{self.machine}/{TOKEN}"


@pytest.fixture
def phone() -> Iterator[Phone]:
    taking = Phone()
    threading.Thread(target=taking.server.serve_forever, daemon=True).start()
    yield taking
    taking.hanging.set()
    taking.server.shutdown()
    taking.server.server_close()


def send(folder: Path, *targets: Target) -> tuple[Sent, ...]:
    return asyncio.run(delivered(targets, HELLO, folder))


def told(folder: Path, run: RunState, *targets: Target, verb: str = "deploy") -> str:
    topology: Topology = build.topology(folder, build.host("alpha"))
    topology = replace(topology, notify=Notify(targets=targets))
    order = Deploy(topology, tuple(topology.hosts.values()), "ada", "saturn", verb=verb)
    return asyncio.run(Notices(topology, folder / "state").follow(order, run, outcome(run)))


def run_of(status: Status) -> RunState:
    error = None if status is Status.CHANGED else HostError("up_failed", "it would not")
    return RunState("r1", "8be02d44", {"alpha": HostState("alpha", status, error=error)})


def test_a_notice_reaches_a_url_wherever_it_comes_from(tmp_path: Path, phone: Phone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PHONE", phone.url)
    printing = (sys.executable, "-c", f"print({phone.url!r}); print('more')")
    sent = send(tmp_path, Target(url=phone.url), Target(url="env:PHONE"), Target(url_command=printing))
    assert [each.problem for each in sent] == ["", "", ""]
    assert [(each["title"], each["message"]) for each in phone.came] == [(HELLO.title, HELLO.body)] * 3


@pytest.mark.parametrize(
    "target, problem",
    [
        (Target(url="env:NOBODY"), "the environment variable NOBODY is not set"),
        (Target(url_command=("/no/such",)), "the command that prints its URL cannot be run: No such file or directory"),
        (Target(url_command=(sys.executable, "-c", "raise SystemExit(3)")), "ended with status 3"),
        (Target(url_command=(sys.executable, "-c", "pass")), "printed none"),
        (Target(url="nope://x/y"), "its URL is none that Apprise understands"),
        (Target(url="json://127.0.0.1:1/" + TOKEN), "Connection error"),
    ],
)
def test_why_a_target_was_not_reached_is_told_without_its_secret(tmp_path: Path, target: Target, problem: str):
    (sent,) = send(tmp_path, target)
    assert problem in sent.problem
    assert TOKEN not in f"{sent}"


def test_what_apprise_says_is_not_printed(tmp_path: Path, phone: Phone, capfd: pytest.CaptureFixture[str]):
    phone.answer = 500
    (sent,) = send(tmp_path, Target(url=phone.url))
    assert sent.problem
    assert capfd.readouterr() == ("", "")


def test_one_that_hangs_is_not_waited_for(tmp_path: Path, phone: Phone, monkeypatch: pytest.MonkeyPatch):
    phone.answer = None
    monkeypatch.setattr(notices, "LIMIT_S", 2.0)
    assert [each.problem for each in send(tmp_path, Target(url=phone.url))] == ["no answer within 2 s"]


def test_without_apprise_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SaturnError) as caught:
        send(tmp_path, Target(url="json://127.0.0.1"))
    assert (caught.value.code, caught.value.hint) == ("apprise_missing", "pip install 'saturn-orchestrator[notify]'")


def test_a_failure_is_told_once_and_its_mending_once(tmp_path: Path, phone: Phone):
    target = Target(url=phone.url)
    ends = (Status.FAILED, Status.FAILED, Status.CHANGED, Status.CHANGED, Status.FAILED)
    assert [told(tmp_path, run_of(each), target) for each in ends] == [""] * 5
    assert [each["title"] for each in phone.came] == [
        "saturn: failure on alpha (deploy 8be02d44)",
        "saturn: recovered on alpha (deploy 8be02d44)",
        "saturn: failure on alpha (deploy 8be02d44)",
    ]
    assert TOKEN not in (tmp_path / "state" / "notices.json").read_text()


def test_who_does_not_want_it_is_not_told(tmp_path: Path, phone: Phone):
    told(tmp_path, run_of(Status.FAILED), Target(url=phone.url, when=("success",)))
    assert (phone.came, (tmp_path / "state").exists()) == ([], False)


def test_what_reached_nobody_is_not_held_back(tmp_path: Path, phone: Phone):
    target = Target(url=phone.url)
    phone.answer = 500
    said = told(tmp_path, run_of(Status.FAILED), target)
    assert said.startswith(f"no notice reached json://{phone.machine}… (")
    assert TOKEN not in said
    phone.answer = 200
    assert told(tmp_path, run_of(Status.FAILED), target) == ""
    assert len(phone.came) == 2


def test_a_state_that_cannot_be_kept_is_told_and_a_damaged_one_begun_anew(tmp_path: Path, phone: Phone):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "notices.json").write_text("{")
    assert told(tmp_path, run_of(Status.FAILED), Target(url=phone.url)) == ""
    (tmp_path / "state" / "notices.json").unlink()
    (tmp_path / "state").rmdir()
    (tmp_path / "state").write_text("in the way")
    assert "cannot be remembered" in told(tmp_path, run_of(Status.FAILED), Target(url=phone.url))


@pytest.mark.parametrize(
    "target, name",
    [
        (Target(url="env:PHONE"), "env:PHONE"),
        (Target(url_command=("pass", "show", "a b")), "pass show 'a b'"),
        (Target(url="tgram://123456789:AAbbCCdd/42"), "tgram://…"),
        (Target(url="discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"), "discord://…"),
        (Target(url="mailto://ada:secret@mail.example.com/x"), "mailto://mail.example.com…"),
        (Target(url="ntfys://ntfy.lan:8443/topic"), "ntfys://ntfy.lan:8443…"),
        (Target(url="json://[::1"), "json://…"),
        (Target(url="nothing"), "?://…"),
    ],
)
def test_what_is_shown_of_a_target_is_harmless(target: Target, name: str):
    assert name_of(target) == name


@pytest.mark.parametrize(
    "url, is_told",
    [
        ("tgram://123456789:AAbbCCddEEffGG0011/42", True),
        ("mailto://ada:secret@mail.example.com", True),
        ("json://10.0.0.5:8080/hook", False),
        ("ntfy://ntfy.lan/alarms", False),
        ("env:PHONE", False),
    ],
)
def test_a_url_with_a_secret_is_a_warning_on_its_line(tmp_path: Path, url: str, is_told: bool):
    topology = load(homelab(tmp_path, HEAD + f'notify:\n  targets:\n    - when: [failure]\n      url: "{url}"\n'))
    found = [(each.code, each.severity, each.key, each.line) for each in target_findings(topology)]
    line = (HEAD + "notify:\n  targets:\n    - when\n      url").count("\n") + 1
    assert found == ([("notify_secret", "warning", "notify.targets[0].url", line)] if is_told else [])


@pytest.mark.parametrize("entry", ["{}", "{url: env:A, url_command: [a]}"])
def test_a_target_has_just_one_url(tmp_path: Path, entry: str):
    with pytest.raises(SaturnError) as caught:
        load(homelab(tmp_path, HEAD + f"notify: {{targets: [{entry}]}}\n"))
    assert "should have either url or url_command" in caught.value.findings[0].message
