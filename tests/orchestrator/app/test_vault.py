"""Secrets come from commands on SATURN: real small programs stand for vaults here."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest
from support.build import host, service

from saturn_orchestrator.app.vault import Vault, promise, shown
from saturn_orchestrator.errors import SecretUnavailable
from saturn_orchestrator.events import Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.topology.model import Secrets


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def order(*command: str, names: tuple[str, ...] = ("KEY",), timeout_s: float = 30.0, **wish: object):
    web = service("web", required_env=names, secrets=Secrets(command=command, timeout_s=timeout_s))
    made = host("alpha", services=(web, service("db")))
    return made, Request("run", "r", node_order(made), **wish)


def brought(folder: Path, *command: str, **more: object) -> dict[str, dict[str, str]]:
    data = asyncio.run(Vault(folder).secrets(*order(*command, **more)))
    return json.loads(data) if data else {}


def refusal(folder: Path, *command: str, **more: object) -> SecretUnavailable:
    with pytest.raises(SecretUnavailable) as caught:
        brought(folder, *command, **more)
    return caught.value


def test_a_command_with_a_name_is_run_for_each_name(tmp_path: Path):
    say = program("import sys; print('-'.join(sys.argv[1:]))")
    found = brought(tmp_path, *say, "{host}/{service}", "{name}", names=("KEY", "OTHER"))
    assert found == {"web": {"KEY": "alpha/web-KEY", "OTHER": "alpha/web-OTHER"}}


def test_a_command_without_a_name_prints_lines_of_an_env_file(tmp_path: Path):
    found = brought(tmp_path, *program("print('KEY=one\\nexport MORE=\"two\\nlines\"\\n# a comment')"))
    assert found == {"web": {"KEY": "one", "MORE": "two\nlines"}}


@pytest.mark.parametrize(
    "printed, value", [("x\n", "x"), ("x\r\n", "x"), (" x \n\n", " x \n"), ("a\nb", "a\nb"), ("ü$'\"", "ü$'\"")]
)
def test_just_the_end_of_the_line_is_no_part_of_a_value(tmp_path: Path, printed: str, value: str):
    say = program(f"import sys; sys.stdout.buffer.write({printed!r}.encode())")
    assert brought(tmp_path, *say, "{name}") == {"web": {"KEY": value}}


def test_no_shell_reads_the_command(tmp_path: Path):
    say = program("import sys; print(sys.argv[1])")
    assert brought(tmp_path, *say, "$(id); `id` > x", "{name}")["web"]["KEY"] == "$(id); `id` > x"
    assert not list(tmp_path.iterdir())


def test_commands_run_in_the_repository(tmp_path: Path):
    assert brought(tmp_path, *program("import os; print(os.getcwd())"), "{name}")["web"]["KEY"] == str(tmp_path)


def test_the_same_command_runs_once_for_many_hosts(tmp_path: Path):
    append = program("open('count', 'a').write('x'); print('v')")

    async def both() -> None:
        vault = Vault(tmp_path)
        first, request = order(*append, "{name}")
        await asyncio.gather(vault.secrets(first, request), vault.secrets(first, request))

    asyncio.run(both())
    assert (tmp_path / "count").read_text() == "x"


@pytest.mark.parametrize("wish", [{"prefetch": True}, {"backup": True}, {"snapshot": "20260101T000000Z"}])
def test_what_deploys_nothing_needs_no_secret(tmp_path: Path, wish: dict[str, object]):
    assert brought(tmp_path, *program("raise SystemExit(1)"), **wish) == {}


def test_services_that_were_not_chosen_need_none(tmp_path: Path):
    made, _ = order(*program("raise SystemExit(1)"))
    request = Request("run", "r", node_order(made, frozenset({"db"})))
    assert asyncio.run(Vault(tmp_path).secrets(made, request)) == b""


@pytest.mark.parametrize(
    "text, why",
    [
        (
            "import sys; sys.stderr.write('noise\\nlocked \\x1b[31mvault\\n'); raise SystemExit(7)",
            "status 7: locked [31mvault",
        ),
        ("pass", "it printed no value for KEY of web"),
        ("print('x' * 100_000)", "printed more than 64 kB"),
    ],
)
def test_a_command_that_brings_nothing_is_told_with_its_last_words(tmp_path: Path, text: str, why: str):
    error = refusal(tmp_path, *program(text), "{name}")
    assert (error.code, error.exit_code) == ("secret_unavailable", 1)
    assert why in error.message
    assert error.message.endswith("nothing was touched")


def test_a_command_that_is_not_there_is_told(tmp_path: Path):
    assert "it cannot be run: No such file" in refusal(tmp_path, "/no/such/vault", "{name}").message


def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path):
    hang = (
        "import subprocess, time; open('pid', 'w').write(str(subprocess.Popen(['sleep', '100']).pid)); time.sleep(100)"
    )
    assert "did not end within 3 s" in refusal(tmp_path, *program(hang), "{name}", timeout_s=3.0).message
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_no_value_is_in_an_error(tmp_path: Path):
    (tmp_path / "vault.py").write_text("print('KEY=hunter22'); raise SystemExit(1)")
    error = refusal(tmp_path, sys.executable, "vault.py")
    assert "hunter22" not in f"{error.message}{error.notes}{error.hint}{error!r}"


def test_a_command_cannot_ask_the_person(tmp_path: Path):
    assert brought(tmp_path, *program("import sys; print(repr(sys.stdin.read()))"), "{name}")["web"]["KEY"] == "''"


def test_the_plan_names_the_command_and_never_a_value():
    made, _ = order("pass", "show", "lab/{service}/{name}", names=("KEY", "OTHER"))
    assert promise(made.services[0], "alpha") == (
        "web: writes KEY, OTHER to its .env on alpha, from: pass show 'lab/web/{name}'"
    )
    lines, _ = order("sops", "-d", "secrets/{host}.env")
    assert (
        promise(lines.services[0], "alpha")
        == "web: writes what it prints to its .env on alpha, from: sops -d secrets/alpha.env"
    )
    assert shown(lines.services[0], "alpha") == "sops -d secrets/alpha.env"
    assert os.sep == "/"
