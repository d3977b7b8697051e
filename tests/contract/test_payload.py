"""The bootstrap as a node runs it: /bin/sh, some python3, and a payload small enough to read."""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import saturn_node
from saturn_node import bytecode

from saturn_orchestrator import events
from saturn_orchestrator.session import payload as shipping
from saturn_orchestrator.session.payload import Payload, bootstrap_command, payload, refusal

PYENV = Path.home() / ".pyenv" / "versions"
REQUEST = b'{"verb":"facts"}\n'

CONVERSATION = """
import os, sys
def converse(payload, digest, early=b""):
    told = early
    while True:
        piece = os.read(0, 65536)
        if not piece:
            break
        told += piece
    sys.stdout.write("%s %d %s\\n" % (digest[:8], len(payload), told.decode().strip()))
    return 7
"""


def zipped(**modules: str) -> Payload:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("saturn_node/__init__.py", "")
        for name, source in modules.items():
            archive.writestr(f"saturn_node/{name}.py", source)
    return Payload(buffer.getvalue(), hashlib.sha256(buffer.getvalue()).hexdigest())


TINY = zipped(conversation=CONVERSATION)
SHIPMENT = shipping.PAYLOAD_FOLLOWS + TINY.data
ANSWER = f"{TINY.digest[:8]} {len(TINY.data)} ".encode() + REQUEST


def command_for(shipped: Payload, root: Path) -> tuple[str, ...]:
    """The real bootstrap, told of another payload."""
    *words, script = bootstrap_command(str(root), become=False)
    real = f"{payload().digest} {len(payload().data)}"
    assert real in script
    return (*words, script.replace(real, f"{shipped.digest} {len(shipped.data)}"))


def bootstrapped(
    told: bytes, root: Path, shipped: Payload = TINY, environ: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Exit status and output of a bootstrap whose standard input is `told` and then ends."""
    done = subprocess.run(
        command_for(shipped, root), input=told, env={**os.environ, **(environ or {})}, capture_output=True, timeout=60
    )
    assert not done.stderr, done.stderr.decode()
    return done.returncode, done.stdout


def installed(root: Path, data: bytes) -> None:
    (root / "bin").mkdir(parents=True)
    (root / "bin" / f"saturn-node-{TINY.digest[:16]}.pyz").write_bytes(data)


def path_with(folder: Path, python: Path) -> dict[str, str]:
    """An environment whose only python3 is that one."""
    folder.mkdir()
    (folder / "python3").symlink_to(python)
    return {"PATH": str(folder)}


def test_a_node_without_the_payload_asks_for_it_and_runs_it(tmp_path):
    assert bootstrapped(REQUEST + SHIPMENT, tmp_path) == (7, b"[SATURN] need\n[SATURN] have\n" + ANSWER)


def test_requests_around_the_payload_all_reach_the_conversation(tmp_path):
    status, said = bootstrapped(b"one\ntwo\n" + SHIPMENT + b"three\n", tmp_path)

    assert (status, said.splitlines()[2:]) == (7, [ANSWER.split(b" {")[0] + b" one", b"two", b"three"])


def test_a_node_with_the_payload_is_not_sent_it(tmp_path):
    installed(tmp_path, TINY.data)

    assert bootstrapped(REQUEST, tmp_path) == (7, b"[SATURN] have\n" + ANSWER)


def test_a_payload_that_a_person_can_start_is_the_same_payload(tmp_path):
    installed(tmp_path, b"#!/usr/bin/env python3\n" + TINY.data)

    assert bootstrapped(REQUEST, tmp_path) == (7, b"[SATURN] have\n" + ANSWER)


@pytest.mark.parametrize("data", [b"", b"#!no end of line", b"#!x\n", TINY.data[:-1], TINY.data + b"x"])
def test_a_damaged_payload_on_the_node_is_asked_for_again(tmp_path, data):
    installed(tmp_path, data)

    assert bootstrapped(REQUEST + SHIPMENT, tmp_path) == (7, b"[SATURN] need\n[SATURN] have\n" + ANSWER)


def test_a_payload_that_does_not_arrive_whole_is_refused(tmp_path):
    damaged = TINY.data[:-1] + b"?"

    status, said = bootstrapped(REQUEST + shipping.PAYLOAD_FOLLOWS + damaged, tmp_path)

    digest = hashlib.sha256(damaged).hexdigest()[:16]
    assert (status, said) == (3, f"[SATURN] need\n[SATURN] refused payload_damaged {digest}\n".encode())
    assert refusal(f"payload_damaged {digest}").message == f"the executor did not arrive whole (digest {digest})"


@pytest.mark.parametrize("told", [b"", REQUEST, REQUEST + SHIPMENT[:-1]])
def test_a_bootstrap_whose_controller_goes_away_ends(tmp_path, told):
    assert bootstrapped(told, tmp_path) == (3, b"[SATURN] need\n")


def test_the_bootstrap_leaves_nothing_on_the_node(tmp_path):
    root, home, temporary = (tmp_path / name for name in ("root", "home", "tmp"))
    for folder in (root, home, temporary):
        folder.mkdir()

    bootstrapped(REQUEST + SHIPMENT, root, environ={"HOME": str(home), "TMPDIR": str(temporary)})

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "root", "tmp"]


def test_a_root_with_blanks_and_quotes_is_one_word(tmp_path):
    root = tmp_path / 'it\'s a "root" $HOME'
    installed(root, TINY.data)

    assert bootstrapped(REQUEST, root) == (7, b"[SATURN] have\n" + ANSWER)


def test_a_node_without_python3_says_so(tmp_path):
    assert bootstrapped(REQUEST, tmp_path, environ={"PATH": str(tmp_path)}) == (3, b"[SATURN] refused no_python\n")


def old_python() -> Path:
    python = PYENV / "3.6.15" / "bin" / "python3.6"
    if not python.exists():
        pytest.skip(f"there is no Python older than 3.8 on this machine ({python})")
    return python


def test_a_python_that_is_too_old_is_refused_with_its_version(tmp_path):
    environ = path_with(tmp_path / "bin36", old_python())

    assert bootstrapped(REQUEST, tmp_path, environ=environ) == (3, b"[SATURN] refused python_too_old 3.6\n")


def supported_pythons() -> list[Path]:
    found = [PYENV / version / "bin" / "python3" for version in ("3.8.18", "3.9.18", "3.12.1", "3.13.0")]
    return [*(python for python in found if python.exists()), Path(sys.executable)]


@pytest.mark.parametrize("python", supported_pythons(), ids=lambda python: python.parents[1].name)
def test_every_supported_python_runs_the_payload(tmp_path, python):
    environ = path_with(tmp_path / "bin", python.resolve())

    assert bootstrapped(REQUEST + SHIPMENT, tmp_path, environ=environ) == (
        7,
        b"[SATURN] need\n[SATURN] have\n" + ANSWER,
    )


def test_the_executor_starts_as_another_user_through_sudo_without_a_question():
    words = bootstrap_command("/opt/homelab", become=True)

    assert words[:2] == ("/bin/sh", "-c")
    assert "exec sudo -n python3 -I -S -c " in words[2]


def test_the_payload_is_the_installed_executor_and_always_the_same_bytes():
    again = payload.__wrapped__()
    with zipfile.ZipFile(io.BytesIO(again.data)) as archive:
        shipped = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        dates = {entry.date_time for entry in archive.infolist()}

    folder = Path(saturn_node.__file__).parent
    assert again == payload()
    assert again.digest == hashlib.sha256(again.data).hexdigest()
    assert dates == {(1980, 1, 1, 0, 0, 0)}
    assert {name: data for name, data in shipped.items() if name != "__main__.py"} == {
        f"saturn_node/{file.name}": file.read_bytes() for file in folder.glob("*.py")
    }
    compile(shipped["__main__.py"], "__main__.py", "exec")


def test_no_login_shell_finds_a_character_in_the_packed_bootstrap_to_interpret(tmp_path):
    packed = bootstrap_command(str(tmp_path), become=False)[2].split('b64decode("')[1].split('"')[0]

    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed)


NO_DOCKER = events.NodeOrder("alpha", "/nowhere", "/nowhere/repo", "", "main", ("/nowhere/docker", "compose"))


@pytest.mark.parametrize(
    ("damage", "code"), [(b"", "no_docker"), (b"?", "bundle_damaged")], ids=["whole", "changed on its way"]
)
def test_a_bundle_close_behind_the_payload_reaches_the_executor_as_it_was_sent(tmp_path, damage, code):
    bundle = bytes(range(256)) * 1000 + b"\n\n" + shipping.PAYLOAD_FOLLOWS + b"\n"
    digest = hashlib.sha256(bundle + damage).hexdigest()
    plan = events.Request("plan", "p", NO_DOCKER, "a" * 40, bundle=digest, bundle_size=len(bundle), facts_known=True)
    shipment = shipping.PAYLOAD_FOLLOWS + payload().data
    facts = events.Request("facts", "f", NO_DOCKER)
    told = events.encode(plan).encode() + b"\n" + shipment + bundle + events.encode(facts).encode() + b"\n"

    done = subprocess.run(bootstrap_command(str(tmp_path), become=False), input=told, capture_output=True, timeout=60)

    said = [events.decode(line) for line in done.stdout.splitlines() if line.startswith(b"[STRUCT]")]
    assert [each.type for each in said] == ["hello", "refused", "goodbye", "hello", "facts", "goodbye"]
    assert said[1].code == code


# --- the same, compiled beside it -------------------------------------------------------------------------------------


QUICK = CONVERSATION.replace('"%s %d %s\\n"', '"quick %s %d %s\\n"')


def python_of_a_node() -> str:
    """What the bootstrap finds as python3 here, as the name of a compiled executor has it."""
    told = "import sys; print('%s-%x' % (sys.implementation.cache_tag, sys.hexversion))"
    return subprocess.run(
        ("python3", "-I", "-S", "-c", told), capture_output=True, text=True, check=True
    ).stdout.strip()


def compiled_there(shipped: Payload) -> bytes:
    """What the Python of a node makes of it."""
    source = Path(bytecode.__file__).read_text()
    told = "import sys; sys.stdout.buffer.write(compiled(sys.stdin.buffer.read()))"
    made = subprocess.run(
        ("python3", "-I", "-S", "-c", source + told), input=shipped.data, capture_output=True, check=True
    )
    return made.stdout


def test_an_executor_that_was_compiled_for_this_python_is_taken(tmp_path):
    installed(tmp_path, TINY.data)
    place = tmp_path / "bin" / f"saturn-node-{TINY.digest[:16]}.{python_of_a_node()}.zip"
    place.write_bytes(compiled_there(zipped(conversation=QUICK)))

    assert bootstrapped(REQUEST, tmp_path) == (7, b"[SATURN] have\nquick " + ANSWER)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: b"x" + data[1:], lambda _: b"", lambda _: b"\n"]
)
def test_a_compiled_executor_that_is_not_whole_is_left_alone(tmp_path, damage):
    installed(tmp_path, TINY.data)
    place = tmp_path / "bin" / f"saturn-node-{TINY.digest[:16]}.{python_of_a_node()}.zip"
    place.write_bytes(damage(compiled_there(zipped(conversation=QUICK))))

    assert bootstrapped(REQUEST, tmp_path) == (7, b"[SATURN] have\n" + ANSWER)


def test_a_compiled_executor_without_its_source_is_not_trusted(tmp_path):
    (tmp_path / "bin").mkdir()
    place = tmp_path / "bin" / f"saturn-node-{TINY.digest[:16]}.{python_of_a_node()}.zip"
    place.write_bytes(compiled_there(zipped(conversation=QUICK)))

    assert bootstrapped(REQUEST, tmp_path) == (3, b"[SATURN] need\n")


def test_the_name_of_a_compiled_executor_is_the_one_that_the_bootstrap_looks_for():
    here = f"{sys.implementation.cache_tag}-{sys.hexversion:x}"
    assert bytecode.compiled_name("0123") == f"saturn-node-0123.{here}.zip"
