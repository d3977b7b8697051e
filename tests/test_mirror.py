"""The tests mirror the source: whoever looks for the tests of a module finds them under the same path."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "saturn_orchestrator"

WITHOUT = {
    "cli/apart.py": "see cli/wiring.py",
    "cli/attach.py": "a verb: see cli/demo.py",
    "cli/backup.py": "a verb: see cli/demo.py",
    "cli/cancel.py": "a verb: see cli/demo.py",
    "cli/catch_up.py": "a verb: see cli/demo.py",
    "cli/demo.py": "a verb is a few lines of wiring: its command line is tried in cli/test_main.py and in e2e",
    "cli/deploy.py": "a verb: see cli/demo.py",
    "cli/diagnose.py": "a verb: see cli/demo.py",
    "cli/dialling.py": "see cli/wiring.py",
    "cli/doctor.py": "a verb: see cli/demo.py",
    "cli/groups.py": "what it says of a typo: cli/test_help.py",
    "cli/history.py": "a verb, tried with what it reads in app/test_show.py",
    "cli/init.py": "a verb: see cli/demo.py",
    "cli/logs.py": "a verb, tried with what it reads in app/test_show.py",
    "cli/onboard.py": "a verb: see cli/demo.py",
    "cli/onboarding.py": "the wiring of `saturn onboard`: see cli/wiring.py",
    "cli/notify.py": "a verb: what it sends is tried in app/test_notices.py, itself in e2e/test_hooks.py",
    "cli/plan.py": "a verb: see cli/demo.py",
    "cli/prefetch.py": "a verb: see cli/demo.py",
    "cli/prospect.py": "the wiring of `saturn plan`: see cli/demo.py",
    "cli/recover.py": "a verb: see cli/demo.py",
    "cli/restore.py": "a verb: see cli/demo.py",
    "cli/rollback.py": "a verb: see cli/demo.py",
    "cli/show.py": "a verb, tried with what it reads in app/test_show.py",
    "cli/status.py": "a verb: see cli/demo.py",
    "cli/trust.py": "a verb: see cli/demo.py",
    "cli/validate.py": "a verb: see cli/demo.py",
    "cli/watching.py": "see cli/wiring.py: e2e/test_watch.py",
    "cli/wiring.py": "the wiring of real screens, keys and signals: tried whole in e2e",
    "app/memory.py": "a Protocol, no behaviour",
    "app/sample.py": "where the sample lies: found by app/test_init.py, and from a built wheel in e2e/test_install.py",
    "journal/database.py": "the four modules of the journal are one thing: orchestrator/test_journal.py",
    "journal/records.py": "see journal/database.py",
    "journal/rows.py": "see journal/database.py",
    "journal/sink.py": "see journal/database.py",
    "policy.py": "a door to the executor's policy: node/test_policy.py",
    "report/advice.py": "wording alone: shown by report/test_summary.py and test_documents.py",
    "report/cancel_view.py": "wording alone: shown by app/test_cancel.py and e2e/test_attach.py",
    "report/diagnose_view.py": "wording alone: shown by `saturn diagnose`, tried in e2e",
    "report/lines.py": "orchestrator/report/test_event_lines.py",
    "report/live.py": "orchestrator/report/test_live_view.py",
    "report/plain.py": "orchestrator/report/test_plain_view.py",
    "report/onboard_view.py": "wording alone: shown by e2e/test_onboard.py; its document is pinned in contract",
    "report/tables.py": "drawn by orchestrator/report/test_status_view.py and test_summary.py",
    "rollout/host_attach.py": "one host's part of an attach, tried through it in app/test_attach.py",
    "rollout/outbox.py": "a host's way to the consumer, tried through both in rollout/test_runner.py",
    "rollout/sinks.py": "a Protocol, no behaviour",
    "session/base.py": "Protocols: contract/test_session_contract.py; its time limit: rollout/test_survey.py",
    "session/payload.py": "what a node does with it is a contract: contract/test_payload.py",
    "session/ssh/searching.py": "which processes an import starts: orchestrator/session/test_line.py",
    "session/ssh/channel.py": "orchestrator/session/test_ssh.py",
    "session/ssh/client.py": "what a server says before it lets anybody in: orchestrator/session/test_tailscale_ssh.py",
    "session/ssh/failure.py": "each error where it comes about: session/test_ssh.py and its neighbours",
    "session/ssh/jump.py": "orchestrator/session/test_jump.py",
    "session/ssh/keys.py": "orchestrator/session/test_ssh.py and test_tailscale_ssh.py",
    "session/ssh/opening.py": "orchestrator/session/test_ssh.py and test_tailscale_ssh.py",
    "report/trust_view.py": "wording alone: shown by e2e/test_trust.py; its document is pinned in contract",
    "session/introduction.py": "values; how they come about is tried in app/test_trust.py",
    "session/ssh/scan.py": "real servers: orchestrator/session/test_scan.py",
    "state/backups.py": "values; their exit codes are tried in app/test_backups.py and app/test_fetch.py",
    "state/cancellation.py": "a value without behaviour",
    "state/diagnosis.py": "a value; its one property is tried in app/test_diagnose.py",
    "state/record.py": "a value without behaviour",
    "state/standing.py": "what is remembered of a host: app/test_status.py",
    "topology/document.py": "the lines and keys of a file, tried through load in orchestrator/topology/test_load.py",
    "topology/model.py": "values, held against their entries in orchestrator/topology/test_entries.py",
    "topology/order.py": "orchestrator/topology/test_deploy_order.py",
    "topology/traces.py": "tried through orchestrator/topology/test_cache.py",
    "topology/resolve.py": "tried through load in orchestrator/topology/test_load.py",
    "topology/spelling.py": "wording, tried in orchestrator/topology/test_load_refuses.py and test_select.py",
    "topology/schema.py": "tried through load in orchestrator/topology/test_load_refuses.py",
}
"""Modules that have no test module of their own, and where they are tried instead."""


def sources() -> set[str]:
    return {file.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("*.py") if file.name != "__init__.py"}


def mirror(source: str) -> Path:
    path = Path(source)
    return TESTS / "orchestrator" / path.parent / f"test_{path.name}"


def test_every_module_has_its_test_module():
    assert sorted(source for source in sources() - set(WITHOUT) if not mirror(source).exists()) == []


def test_no_exception_outlives_its_reason():
    assert sorted(source for source in WITHOUT if source not in sources() or mirror(source).exists()) == []
