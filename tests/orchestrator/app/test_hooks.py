"""Hooks: real small scripts. Around a whole deploy: e2e/test_hooks.py."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from support import build

from saturn_orchestrator.app.deploy import Deploy
from saturn_orchestrator.app.hooks import LINES_MAX, Hooks, hook_findings
from saturn_orchestrator.errors import HookFailed
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.state.model import HostState, RunState, Status
from saturn_orchestrator.state.outcome import outcome
from saturn_orchestrator.topology.model import Hooks as Limits

RUN = RunState.of("r1", "8be02d44" * 5, ("alpha", "beta"))
PLANS = {name: HostPlan(name, "", "", "main", "", None, (), is_for_later=name == "beta") for name in RUN.hosts}


def hook(folder: Path, name: str, text: str, mode: int = 0o755) -> None:
    file = folder / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def hooks(folder: Path, heard: list[str] | None = None, timeout_s: float = 30.0) -> Hooks:
    topology = replace(build.topology(folder, build.host("alpha")), hooks=Limits(timeout_s=timeout_s))
    order = Deploy(topology, tuple(topology.hosts.values()), "ada", "saturn")
    lines = [] if heard is None else heard
    return Hooks(order, lambda name, line: lines.append(f"{name} | {line}"))


def before(these: Hooks) -> None:
    assert these.before
    asyncio.run(these.before(RUN, PLANS))


def after(these: Hooks, **statuses: Status) -> list[str]:
    run = RunState("r1", "", {name: HostState(name, status, by="ada") for name, status in statuses.items()})

    async def told() -> list[str]:
        return [each async for each in these.after(run, outcome(run), {"run": "r1"}) if each]

    return asyncio.run(told())


def refusal(these: Hooks) -> HookFailed:
    with pytest.raises(HookFailed) as caught:
        before(these)
    return caught.value


def test_without_a_hook_nobody_waits(tmp_path: Path):
    assert hooks(tmp_path).before is None
    assert after(hooks(tmp_path), alpha=Status.CHANGED) == []


def test_the_guard_is_told_of_the_hosts_that_are_to_start_now(tmp_path: Path):
    hook(tmp_path, "pre-deploy", "#!/bin/sh\ncat > told\necho $SATURN_HOOK $SATURN_VERB $SATURN_HOSTS $SATURN_PERSON\n")
    heard: list[str] = []
    before(hooks(tmp_path, heard))
    told = json.loads((tmp_path / "told").read_text())
    assert (told["version"], told["run"], list(told["hosts"])) == (1, "r1", ["alpha"])
    assert heard == ["pre-deploy | pre-deploy deploy alpha ada"]


@pytest.mark.parametrize(
    "text, mode, why",
    [
        ("#!/bin/sh\nexit 3\n", 0o755, "ended with status 3"),
        ("#!/bin/sh\nkill -9 $$\n", 0o755, "was ended by signal 9"),
        ("#!/no/such/shell\n", 0o755, "cannot be run: its interpreter"),
        ("no first line\n", 0o755, "cannot be run: it has no first line"),
        ("#!/bin/sh\n", 0o644, "cannot be run: it is not executable"),
    ],
)
def test_a_guard_that_does_not_succeed_stops_the_deploy(tmp_path: Path, text: str, mode: int, why: str):
    hook(tmp_path, "pre-deploy", text, mode)
    error = refusal(hooks(tmp_path))
    assert (error.code, error.exit_code) == ("hook_failed", 2)
    assert error.message.startswith(f"hooks/pre-deploy {why}")
    assert error.message.endswith("no host was touched")
    assert "saturn deploy --hosts alpha --no-hooks" in error.hint


def test_a_guard_that_leads_nowhere_is_a_guard(tmp_path: Path):
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks" / "pre-deploy").symlink_to("nowhere")
    assert "cannot be run" in refusal(hooks(tmp_path)).message


def test_a_guard_has_its_time(tmp_path: Path):
    hook(tmp_path, "pre-deploy", "#!/bin/sh\nsleep 100\n")
    assert "did not end within 1 s" in refusal(hooks(tmp_path, timeout_s=1.0)).message


def test_what_it_prints_is_neutral_and_bounded(tmp_path: Path):
    hook(tmp_path, "pre-deploy", "#!/bin/sh\nprintf '\\033[2Jone\\n'; seq 1000; exit 1\n")
    heard: list[str] = []
    error = refusal(hooks(tmp_path, heard))
    assert heard[0] == "pre-deploy | [2Jone"
    assert (len(heard), heard[-1]) == (LINES_MAX + 1, "pre-deploy | ... more than this is not shown")
    assert error.notes == ("996", "997", "998", "999", "1000")


@pytest.mark.parametrize(
    "status, ran",
    [
        (Status.CHANGED, ["post-deploy"]),
        (Status.FAILED, ["on-failure", "post-deploy"]),
        (Status.ROLLED_BACK, ["on-failure", "post-deploy"]),
        (Status.DEFERRED, []),
    ],
)
def test_which_hooks_follow(tmp_path: Path, status: Status, ran: list[str]):
    for name in ("post-deploy", "on-failure"):
        hook(tmp_path, name, "#!/bin/sh\necho $SATURN_OUTCOME:$SATURN_EXIT_CODE\n")
    heard: list[str] = []
    assert after(hooks(tmp_path, heard), alpha=status) == []
    assert [line.split(" | ")[0] for line in heard] == ran


def test_a_hook_that_follows_changes_nothing_and_is_told(tmp_path: Path):
    hook(tmp_path, "post-deploy", "#!/bin/sh\nexit 4\n")
    assert after(hooks(tmp_path), alpha=Status.CHANGED) == [
        "hooks/post-deploy ended with status 4; the run is as it is told above"
    ]


def test_files_that_would_never_run_are_named(tmp_path: Path):
    for name in ("pre_deploy", "post-deploy.sh", "README.md", "lib", "deploy", "pre-deploy.sample"):
        hook(tmp_path, name, "#!/bin/sh\n")
    hook(tmp_path, "pre-deploy", "#!/bin/sh\n", 0o644)
    hook(tmp_path, "on-failure", "#!/bin/sh\n", 0o644)
    found = [(Path(each.file).name, each.code, each.severity) for each in hook_findings(tmp_path)]
    assert found == [
        ("on-failure", "hook_not_executable", "warning"),
        ("post-deploy.sh", "hook_unknown", "warning"),
        ("pre-deploy", "hook_not_executable", "error"),
        ("pre_deploy", "hook_unknown", "warning"),
    ]


def test_a_repository_without_hooks_has_no_findings(tmp_path: Path):
    assert list(hook_findings(tmp_path)) == []
