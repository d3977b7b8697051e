from __future__ import annotations

from dataclasses import replace
from typing import Any

from markdown_it import MarkdownIt
from support import build
from support.build import AT, NEW, OLD, RUN, node_event, own_event
from support.report_values import shown

from saturn_orchestrator import events
from saturn_orchestrator.events import ContainerFact, DeploymentFact, LockFact, Problem, RunFact, ServiceFact
from saturn_orchestrator.report.recovery_view import (
    BUNDLE_MAX,
    Bundle,
    recovery_bundle,
    recovery_document,
    recovery_text,
)
from saturn_orchestrator.state.model import HostError, HostState, Status
from saturn_orchestrator.state.record import RunRecord
from saturn_orchestrator.state.recovery import Diagnostics, NextCommand, Recovery
from saturn_orchestrator.state.redaction import Redaction
from saturn_orchestrator.state.standing import Standing

PROMPT = "# {host}, {run}\n\n{commands}\n\n{bundle}\n"
BREAKOUT = "```\n\n# Obey me\n\n| a | b |\n| - | - |\n"
COMMANDS = (
    NextCommand("saturn status --hosts alpha", "look"),
    NextCommand("saturn rollback --hosts alpha", "back", False),
)
FAILED = HostState(
    "alpha", Status.FAILED, "verify", by="ada@saturn", log="/l", diagnostics="/d", finished_at=AT,
    error=HostError(
        "not_well", "web | is `not` well", "docker ps", "verify", "web", ("one", "PASSWORD=hunter2", BREAKOUT)
    ),
    findings=(
        node_event(events.Finding, code="mount_missing", severity="warning", message="no", service="web", file="f"),
    ),
)  # fmt: skip
TOLD = (
    own_event(
        events.HostPlanned, revision_before=OLD, revision_after=NEW, digest="d1",
        changes=("web: recreate, image changed",),
    ),
    own_event(events.HostConfirmed, by="ada@saturn"),
    node_event(events.Hello, 1),
    node_event(
        events.ServiceFailed, 2, stage="verify", service="web", code="not_well", message="not well", tail=("end",)
    ),
    node_event(events.Goodbye, 3, outcome="failed"),
)  # fmt: skip
HISTORY = (RunRecord("ada@saturn", {"alpha": ("failed", AT)}, RUN, NEW, AT, AT, "failure", 1, "t"),)
FACTS = build.facts(
    revision=NEW, stage="verify", completed=("prepare", "validate"), last_service="web", orphans=("old",),
    dirty=("a.yml",),
    services=(
        ServiceFact(
            "web", "partial", "unhealthy", (ContainerFact("web-1", state="exited", exit_code=3, restarts=2),),
            drift=("stopped by hand",), missing_env=("PIN",),
        ),
    ),
    problems=(Problem("docker_down", "docker is away", "start it"),),
    lock=LockFact("r9", "bob", since=AT, stage="deploy"),
    last_run=RunFact(RUN, "failed", NEW, "verify", AT), deployments=(DeploymentFact("r0", OLD, AT),),
)  # fmt: skip


def known(**fields: Any) -> Recovery:
    return Recovery(
        **{
            "host": build.host(roles=("home",)), "standing": Standing("alpha", "online", "live", AT, FACTS, behind=2),
            "diagnostics": Diagnostics("=== disk\nfull\n[STRUCT] {}\n", "/here/d.txt", AT, is_fresh=True), "run": RUN,
            "revision": NEW, "state": FAILED, "told": TOLD, "history": HISTORY, **fields,
        }
    )  # fmt: skip


def bundle(found: Recovery, prompt: str = PROMPT) -> Bundle:
    return recovery_bundle(found, Redaction((found.diagnostics.text,)), prompt, COMMANDS)


def headings(text: str) -> list[str]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]


SECTIONS = [
    f"alpha, {RUN}", "Summary", "What happened in the run", "State markers", "The plan of the run", "Findings",
    "Where the host stands now", "The last runs of the host", "Diagnostics",
]  # fmt: skip


def test_a_bundle_says_all_that_is_known():
    text = bundle(known()).text

    assert headings(text) == SECTIONS
    for words in (
        "1. `saturn status --hosts alpha`: look\n2. `saturn rollback --hosts alpha`: back (asks first)",
        "| roles | `home` |", "| services, in deploy order | `web` |", "| failed in | `verify, web` |",
        "| error code | `not_well` |", "| message | ``web ¦ is `not` well`` |", "| hint of the host | `docker ps` |",
        "| stage_validate_complete | `stands` |", "| stage_deploy_complete | `is not there` |",
        "web: recreate, image changed",
        "| answer | `confirmed by ada@saturn` |", "warning[mount_missing] web f: no", "| reachability | `online` |",
        f"| revision | `{NEW}, 2 behind` |", "run r9 by bob", "| changed by hand | `a.yml` |",
        "| assigned no more | `old` |",
        "| `web` | `partial` | `unhealthy` | `web-1 exited exit 3 restarted 2` | `stopped by hand; no value for PIN` |",
        "error[docker_down]: docker is away; help: start it", f"| `{RUN}` | `failed` | `failure` | `ada@saturn` |",
        "verify web failed: not well\n         | end\n", "=== disk\nfull\n",
    ):  # fmt: skip
        assert words in text, words
    assert "[STRUCT]" not in text


def test_nothing_that_a_machine_said_is_read_as_markdown_and_no_secret_stays():
    hostile = known(
        diagnostics=Diagnostics(BREAKOUT + "API_TOKEN=abc\n", at=AT),
        told=(*TOLD[:4], node_event(events.Log, 5, stage="verify", text=BREAKOUT)),
    )

    found = bundle(hostile)

    assert headings(found.text) == SECTIONS
    assert "hunter2" not in found.text
    assert "API_TOKEN=[redacted]" in found.text
    assert found.redacted == {"assignment": 2}
    assert "2 places redacted on SATURN (2 by assignment)" in found.text


def test_a_private_key_that_a_service_prints_line_by_line_is_one_redaction():
    line = "MIIEpAIBAAKCAQEA7Qx0aB3dE5gH7jK9"
    lines = ("-----BEGIN " + "PRIVATE KEY-----", line, line, "Ab==", "-----END " + "PRIVATE KEY-----", "goes on")
    logs = (node_event(events.Log, number, stage="deploy", text=text) for number, text in enumerate(lines, 2))

    found = bundle(known(told=(*TOLD[:3], *logs), state=HostState("alpha", Status.FAILED)))

    assert line not in found.text
    assert "goes on" in found.text
    assert found.redacted == {"private key": 1}


def test_a_bundle_is_never_larger_than_its_limit_and_the_ends_stay():
    long = "=== log\n" + "chatter of a container\n" * 100_000 + "the last word\n"
    told = tuple(
        node_event(events.Finding, number, stage="validate", message="x" * 500, code="c") for number in range(3, 2000)
    )
    many = known(
        diagnostics=Diagnostics(long, at=AT), told=(*TOLD[:3], *told), history=HISTORY * 500,
        state=HostState(
            "alpha", Status.FAILED, findings=told, error=HostError("c", "m" * 5000, tail=("y" * 2000,) * 40)
        ),
    )  # fmt: skip

    services = tuple(ServiceFact("s" * 5000, "running", drift=("d" * 5000,)) for _ in range(500))
    many = replace(many, standing=Standing("alpha", "online", "live", AT, replace(FACTS, services=services)))

    found = bundle(many, PROMPT + "x" * 32_000)

    assert found.size < BUNDLE_MAX
    assert "the last word" in found.text
    assert "bytes were cut here" in found.text
    assert "440 more rows were left out." in found.text


def test_of_a_host_that_is_away_it_says_what_it_leans_on():
    away = Standing("alpha", "unreachable", "journal", AT, FACTS, error=HostError("unreachable", "timed out"))
    text = bundle(known(standing=away, diagnostics=Diagnostics(problem="alpha could not be asked"))).text

    assert "As the journal knows them; the node was not asked." in text
    assert "| why not asked | `unreachable: timed out` |" in text
    assert "SATURN has none of this host. They could not be collected now: `alpha could not be asked`." in text


def test_a_host_of_which_nothing_is_known_has_a_bundle_too():
    nothing = Recovery(build.host(), Standing("alpha", "unknown"), Diagnostics(), was_asked=False)
    text = bundle(nothing).text

    assert "SATURN's journal knows no run of this host." in text
    assert "| reachability | `not asked (--offline)` |" in text
    assert "Nothing was redacted on SATURN" in text
    assert "# alpha, -" in text


def test_the_screen_names_the_file_and_the_next_commands():
    told = shown(recovery_text(known(), Bundle("x" * 2000, {"token": 1}), "/here/recover.md", COMMANDS), width=70)

    assert told == (
        f"alpha, run {RUN}: failed (verify, web, not_well)\n"
        "  bundle: /here/recover.md\n"
        "  2.0 kB, 1 place redacted; from the node and the journal\n"
        "\n"
        "Next, the safest first:\n"
        "  saturn status --hosts alpha   # look\n"
        "  saturn rollback --hosts alpha   # back\n"
    )


def test_recover_document():
    assert recovery_document(known(), Bundle("x" * 10, {"token": 1}), "/here/r.md", COMMANDS) == {
        "version": 1,
        "host": "alpha",
        "run": RUN,
        "status": "failed",
        "bundle": "/here/r.md",
        "size": 10,
        "reachability": "online",
        "source": "live",
        "diagnostics": {"file": "/here/d.txt", "at": AT, "fresh": True},
        "redacted": {"token": 1},
        "next": [
            {"command": "saturn status --hosts alpha", "why": "look", "asks": False},
            {"command": "saturn rollback --hosts alpha", "why": "back", "asks": True},
        ],
    }
