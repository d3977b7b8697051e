"""The executor as bytes: a deterministic zipapp of the installed saturn_node, and the bootstrap that starts it.

The bootstrap is one command. It looks for the payload by digest under <root>/bin, asks for it when it is not there
(`[SATURN] need`), verifies the digest, and runs it from memory: a node that a person declines is never written to.
"""

from __future__ import annotations

import base64
import hashlib
import io
import shlex
import zipfile
import zlib
from functools import cache
from importlib.resources import files

from saturn_orchestrator.errors import ExecutorRefused
from saturn_orchestrator.records import dataclass

MARK = b"[SATURN] "
"""Begins every line the bootstrap and the conversation say about themselves; login noise before it is ignored."""

PAYLOAD_FOLLOWS = b"PAYLOAD\n"
"""Between the requests already sent and the payload bytes, when the bootstrap needs them."""

_READY = """
def ready(folder, short):
    name = "saturn-node-%s.%s-%x.zip" % (short, sys.implementation.cache_tag, sys.hexversion)
    path = os.path.join(folder, name)
    try:
        with open(path, "rb") as file:
            digest, code = file.read(16 << 20).split(b"\\n", 1)
    except (OSError, ValueError):
        return ""
    return path if hashlib.sha256(code).hexdigest().encode() == digest else ""
"""
"""Finds the executor compiled for the Python at work; saturn_node/bytecode.py writes it."""

_BOOTSTRAP = f"""
import sys
def say(text):
    sys.stdout.write("[SATURN] " + text + "\\n")
    sys.stdout.flush()
if sys.version_info < (3, 8):
    say("refused python_too_old %d.%d" % sys.version_info[:2])
    sys.exit(3)
import gc, hashlib, os
gc.disable()
leave = os._exit
{_READY}digest, size, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def matches(data):
    return hashlib.sha256(data).hexdigest() == digest
data = early = b""
try:
    with open(os.path.join(root, "bin", "saturn-node-%s.pyz" % digest[:16]), "rb") as file:
        data = file.read(size + 256)
    if data.startswith(b"#!"):
        data = data.split(b"\\n", 1)[1]
except (OSError, IndexError):
    pass
if not matches(data):
    say("need")
    mark, got = b"PAYLOAD\\n", b""
    while mark not in got or len(got.split(mark, 1)[1]) < size:
        piece = os.read(0, 65536)
        if not piece:
            sys.exit(3)
        got += piece
    early, data = got.split(mark, 1)
    early, data = early + data[size:], data[:size]
    if not matches(data):
        say("refused payload_damaged " + hashlib.sha256(data).hexdigest()[:16])
        sys.exit(3)
path = ready(os.path.join(root, "bin"), digest[:16])
if not path:
    try:
        place = os.memfd_create("saturn-node")
        path = "/proc/self/fd/%d" % place
    except (AttributeError, OSError):
        import atexit, tempfile
        place, path = tempfile.mkstemp(suffix=".pyz")
        atexit.register(os.unlink, path)
        leave = sys.exit
    with os.fdopen(place, "wb", closefd=False) as file:
        file.write(data)
sys.path.insert(0, path)
from saturn_node.conversation import converse
gc.freeze()
gc.enable()
say("have")
status = converse(data, digest, early)
sys.stdout.flush()
leave(status)
"""
"""Its start and end are a good part of a short answer: no garbage is looked for while modules are loaded, and where
nothing is left to do at exit nothing is taken apart there."""

_START = f"""
import hashlib, os, sys
{_READY}
archive = os.path.dirname(os.path.realpath(__file__))
path = ready(os.path.dirname(archive), os.path.basename(archive)[len("saturn-node-"):-len(".pyz")])
if path:
    sys.path.insert(0, path)
from saturn_node.__main__ import main
raise SystemExit(main(sys.argv[1:]))
"""
"""Begins the archive as a program: what a person types on the node."""


@dataclass(frozen=True)
class Payload:
    """The executor's zip bytes and their SHA-256 in hex."""

    data: bytes
    digest: str


@cache
def payload() -> Payload:
    """The executor of this very installation: same source, same bytes, same digest."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, source in sorted(_sources().items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, source)
    data = buffer.getvalue()
    return Payload(data, hashlib.sha256(data).hexdigest())


def _sources() -> dict[str, bytes]:
    modules = {
        f"saturn_node/{entry.name}": entry.read_bytes()
        for entry in files("saturn_node").iterdir()
        if entry.name.endswith(".py")
    }
    return {"__main__.py": _START.encode(), **modules}


@cache
def _packed() -> str:
    """The bootstrap so that no login shell (fish, csh) finds a character in it to interpret."""
    packed = base64.b64encode(zlib.compress(_BOOTSTRAP.encode(), 9)).decode()
    return f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'


def bootstrap_command(root: str, *, become: bool) -> tuple[str, ...]:
    """The command that starts the executor on a node, as words."""
    shipped = payload()
    python = ("python3", "-I", "-S", "-c", _packed(), shipped.digest, str(len(shipped.data)), root)
    start = shlex.join(("sudo", "-n", *python) if become else python)
    missing = f"{{ echo '{MARK.decode()}refused no_python'; exit 3; }}"
    return ("/bin/sh", "-c", f"command -v python3 >/dev/null 2>&1 || {missing}; exec {start}")


_REFUSALS = {
    "no_python": (
        "there is no python3 on the node",
        "on the node, install it (for example: sudo apt install python3), then try again",
    ),
    "python_too_old": ("the node's python3 is {detail}, 3.8 or newer is needed", "upgrade python3 on the node"),
    "payload_damaged": (
        "the executor did not arrive whole (digest {detail})",
        "try again; if it repeats, look for a proxy that changes data",
    ),
}


def refusal(words: str) -> ExecutorRefused:
    """The error behind a `[SATURN] refused CODE DETAIL` line."""
    code, _, detail = words.partition(" ")
    message, hint = _REFUSALS.get(code, (f"the bootstrap refused: {words}", ""))
    return ExecutorRefused(message.format(detail=detail or "unknown"), code=code, hint=hint)
