"""Hooks around a real deploy, and notices to a real server on SATURN."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.fleet.process import wait_until
from support.world import World

HOST = "chelsty"
RUNS = "/opt/homelab/state/deploy/runs"
TOKEN = "t0k3n-of-the-phone-4711"
KEEP = 'cat > "$HOME/$SATURN_HOOK.json"; env | grep ^SATURN_ | sort > "$HOME/$SATURN_HOOK.env"'


def hook(world: World, name: str, text: str = KEEP, mode: int = 0o755) -> None:
    world.homelab.write(f"hooks/{name}", f"#!/bin/sh\n{text}\n", mode)


def kept(world: World, name: str) -> Any:
    return json.loads((world.saturn.home / f"{name}.json").read_text())


def variables(world: World, name: str) -> dict[str, str]:
    lines = (world.saturn.home / f"{name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def has_run_something(world: World, host: str = HOST) -> bool:
    return world.fleet.host(host).path(RUNS).exists()


def lives(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def break_bridge(world: World) -> None:
    world.homelab.write("services/bridge/healthcheck.sh", "#!/bin/sh\nexit 1\n", 0o755)
    world.homelab.append("services/bridge/service.yaml", "healthcheck: {timeout_s: 2, interval_s: 1}\n")
    world.push("a bridge that is never well")


@contextmanager
def phone() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An HTTP server that takes notices: the URL for Apprise, and what came."""
    came: list[dict[str, Any]] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://127.0.0.1:{server.server_port}/{TOKEN}", came
        server.shutdown()


def test_a_failing_guard_leaves_every_node_untouched(world: World) -> None:
    hook(world, "pre-deploy", "echo checking; printf '\\033[31mnot now\\033[0m\\n' >&2; exit 3")
    hook(world, "post-deploy")
    hook(world, "on-failure")

    said = world.saturn.run("deploy", "--hosts", "chelsty,vps", "--yes", "--json")

    assert (said.exit_code, said.out) == (2, "")
    assert "error[hook_failed]: hooks/pre-deploy ended with status 3; no host was touched" in said.err
    assert "pre-deploy | checking" in said.err
    assert "not now" in said.err
    assert "\x1b" not in said.err
    assert "--no-hooks" in said.err
    assert not has_run_something(world, "chelsty")
    assert not has_run_something(world, "vps")
    assert not (world.saturn.home / "post-deploy.json").exists()
    assert not (world.saturn.home / "on-failure.json").exists()


def test_a_guard_that_cannot_be_run_stops_a_deploy_and_no_hooks_leaves_it_out(world: World) -> None:
    hook(world, "pre-deploy", mode=0o644)

    stopped = world.saturn.run("deploy", "--hosts", "solaria", "--yes")
    passed = world.saturn.run("deploy", "--hosts", "solaria", "--yes", "--no-hooks")

    assert (stopped.exit_code, "it is not executable" in stopped.err) == (2, True)
    assert passed.exit_code == 0, passed.err


def test_hooks_are_told_the_plans_before_and_the_document_after(world: World) -> None:
    for name in ("pre-deploy", "post-deploy", "on-failure"):
        hook(world, name)

    said = world.saturn.run("deploy", "--hosts", "chelsty,solaria", "--yes", "--json")

    assert said.exit_code == 0, said.err
    before, after = kept(world, "pre-deploy"), kept(world, "post-deploy")
    assert after == said.document
    assert (before["run"], sorted(before["hosts"])) == (after["run"], ["chelsty", "solaria"])
    assert {each["service"] for each in before["hosts"][HOST]["changes"]} == {"bridge", "broker"}
    told = variables(world, "post-deploy")
    assert (told["SATURN_OUTCOME"], told["SATURN_EXIT_CODE"], told["SATURN_RUN"]) == ("success", "0", after["run"])
    assert "SATURN_OUTCOME" not in variables(world, "pre-deploy")
    assert not (world.saturn.home / "on-failure.json").exists()


def test_a_declined_deploy_runs_no_hook(world: World) -> None:
    for name in ("pre-deploy", "post-deploy", "on-failure"):
        hook(world, name)

    said = world.saturn.type(("deploy", "--hosts", "solaria"), {"[q]uit": "n\r"})

    assert said.exit_code == 6
    assert list(world.saturn.home.glob("*.json")) == []


def test_a_guard_that_hangs_is_ended_with_all_that_it_started(world: World) -> None:
    hook(world, "pre-deploy", "sleep 1000 & echo $! > pid; wait")
    world.homelab.topology["hooks"] = {"timeout_s": 2}
    world.push("little patience")

    said = world.saturn.run("deploy", "--hosts", "solaria", "--yes")

    assert "hooks/pre-deploy did not end within 2 s, and was ended" in said.err
    assert not lives((world.homelab.folder / "pid").read_text().strip())


def test_ctrl_c_ends_a_guard_and_the_deploy(world: World) -> None:
    hook(world, "pre-deploy", "echo $$ > pid.part; mv pid.part pid; exec sleep 1000")
    pid = world.homelab.folder / "pid"

    process = world.saturn.start("deploy", "--hosts", "solaria", "--yes")
    wait_until("the guard began", pid.exists, limit_s=60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 6, err
    assert not lives(pid.read_text().strip())
    assert not has_run_something(world, "solaria")


@pytest.mark.timeout(400)
def test_a_failed_deploy_is_told_once_an_hour_and_its_mending_once(world: World) -> None:
    hook(world, "on-failure", f"{KEEP}; printf 'alarm \\033]0;x\\007\\n'; exit 9")
    break_bridge(world)
    with phone() as (url, came):
        world.homelab.topology["notify"] = {
            "targets": [{"url": "env:PHONE"}, {"url": f"json://127.0.0.1:1/{TOKEN}", "when": ["failure"]}]
        }
        world.push("somebody is told")

        said = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json", PHONE=url)
        again = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json", PHONE=url)
        world.homelab.write("services/bridge/healthcheck.sh", "#!/bin/sh\nexit 0\n", 0o755)
        revision = world.push("a bridge that is well")
        mended = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json", PHONE=url)
        quiet = world.saturn.run("deploy", "--hosts", HOST, "--yes", "--json", PHONE=url)

    assert [each.exit_code for each in (said, again, mended, quiet)] == [1, 1, 0, 0]
    assert kept(world, "on-failure") == again.document
    assert "note: hooks/on-failure ended with status 9" in said.err
    first, last = came
    assert first["title"] == f"saturn: failure on chelsty (deploy {said.document['revision'][:8]})"
    assert "healthcheck_failed (verify, bridge)" in first["message"]
    assert "saturn deploy --hosts chelsty --resume" in first["message"]
    assert last["title"] == f"saturn: recovered on chelsty (deploy {revision[:8]})"
    assert "no notice reached json://127.0.0.1:1" in said.err
    for each in (said, again, mended, quiet):
        assert TOKEN not in each.err + each.out
        assert "\x1b" not in each.err


def test_everybody_can_be_tried_without_a_failure(world: World) -> None:
    with phone() as (url, came):
        world.homelab.topology["notify"] = {"targets": [{"url_command": ["printenv", "PHONE"]}, {"url": "env:NOBODY"}]}
        world.push("two are told")

        said = world.saturn.run("notify", "--json", PHONE=url)

    assert said.exit_code == 1
    assert said.document["targets"] == [
        {"target": "printenv PHONE", "sent": True, "problem": None},
        {"target": "env:NOBODY", "sent": False, "problem": "the environment variable NOBODY is not set"},
    ]
    assert [each["title"] for each in came] == ["saturn: a test"]
