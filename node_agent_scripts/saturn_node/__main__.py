"""saturn-node: what a person types on a node, without SATURN and without the forge. Also the worker's command line.

    saturn-node deploy [--resume]   deploy the newest order again; --resume continues where it stopped
    saturn-node status              where this node stands
    saturn-node follow [RUN]        watch a run, the newest one if none is named
    saturn-node cancel [--now]      stop the run at work after the service in hand, or at once
    saturn-node diagnose            collect what a person wants to see after a failure
    saturn-node backup [SERVICE]    write a backup of every service that has one in its service.yaml, or of one
    saturn-node backups             the backups that lie here
    saturn-node restore SERVICE NAME --yes   bring one back; what stands now is kept as a backup of its own

Exit status: 0 success, 1 failed, blocked or lost, 2 wrong usage, 4 rolled back, 5 locked by another run, 6 cancelled.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence

from . import backup, conversation, diagnostics, facts, launch, state, wire, worker
from .archive import size_words
from .errors import NodeError
from .follower import Follower
from .log import human_lines
from .records import replace
from .redaction import node_redactor, printable
from .state import Paths
from .survey import Survey
from .wire import Request, ServiceOrder

_EXIT = {"success": 0, "failed": 1, "blocked": 1, "refused": 5, "cancelled": 6, "rolled_back": 4}
_FAILED = 1
_USAGE = 2


class Place(NamedTuple):
    """Where this program lies: its root, its file, and its digest's beginning."""

    root: str
    program: str

    @property
    def paths(self) -> Paths:
        """Everything below the root."""
        return Paths(self.root)

    @property
    def executor(self) -> str:
        """The digest in the file's name: saturn-node-<digest>.pyz."""
        name = os.path.basename(self.program)
        return name[len("saturn-node-") : -len(".pyz")] if name.endswith(".pyz") else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Obey one command line, by default that of this process; the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    program = os.path.realpath(sys.argv[0])
    place = Place(os.path.dirname(os.path.dirname(program)), program)
    verb, rest = (arguments[0], tuple(arguments[1:])) if arguments else ("--help", ())
    if verb in ("--help", "-h", "help"):
        return _say(__doc__ or "")
    command = _COMMANDS.get(verb)
    if command is None:
        sys.stderr.write(f"saturn-node: unknown verb {verb!r}; see: saturn-node --help\n")
        return _USAGE
    try:
        return command(place, rest)
    except NodeError as error:
        sys.stderr.write(f"saturn-node: {error.message} ({error.code})\n  next: {error.hint}\n")
        return _USAGE


def _say(text: str) -> int:
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


def _worker(place: Place, rest: tuple[str, ...]) -> int:
    """`worker RUN --launch WAY`: how a run's worker is started; nobody types it."""
    run, _, way = rest
    launch.redirect(place.paths.run(run, "worker.log"))
    return worker.work(place.root, run, place.executor, way)


def _deploy(place: Place, rest: tuple[str, ...]) -> int:
    if rest not in ((), ("--resume",)):
        raise NodeError("usage", "deploy knows --resume only", "saturn-node --help")
    return _ordered(place, resume=bool(rest))


def _backup(place: Place, rest: tuple[str, ...]) -> int:
    return _ordered(place, _some(place, rest[:1]), backup=True)


def _backups(place: Place, _rest: tuple[str, ...]) -> int:
    names = [each.name for each in _newest_request(place.paths).node.services]
    found = [fact for name in names for fact in backup.known(place.paths, name)]
    lines = [
        f"{each.service:<16} {each.name:<22} {size_words(each.size):>10}  {each.reason}, {each.revision[:8] or '-'}"
        for each in found
    ]
    return _say("\n".join(lines) or "there is no backup on this node")


def _restore(place: Place, rest: tuple[str, ...]) -> int:
    if len(rest) < 2:
        raise NodeError("usage", "restore needs a service and the name of a backup", "saturn-node backups")
    services = _some(place, rest[:1])
    fact = backup.found(place.paths, rest[0], rest[1], _newest_request(place.paths).node.host)
    if rest[2:] != ("--yes",):
        _say(f"{fact.service} would be stopped, and its folders be those of {fact.name} ({size_words(fact.size)})")
        raise NodeError(
            "usage", "nothing was touched: --yes was not given", f"saturn-node restore {' '.join(rest[:2])} --yes"
        )
    return _ordered(place, services, snapshot=fact.name)


def _some(place: Place, names: tuple[str, ...]) -> tuple[ServiceOrder, ...]:
    """The services of the newest order, or those named. Fails with unknown_service."""
    known = _newest_request(place.paths).node.services
    for name in names:
        if name not in [each.name for each in known]:
            listing = ", ".join(each.name for each in known)
            raise NodeError("unknown_service", f"{name} is no service of this node: {listing}", "saturn-node status")
    return tuple(each for each in known if not names or each.name in names)


def _ordered(place: Place, services: tuple[ServiceOrder, ...] = (), **wish: object) -> int:
    """Start a run with the newest order's words, and watch it. services: only these. wish: what is other than there."""
    last = _newest_request(place.paths)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    run = f"{stamp}-{os.urandom(2).hex()}"
    order: Dict[str, Any] = {
        **vars(last),
        "node": replace(last.node, services=services) if services else last.node,
        "verb": "run",
        "run": run,
        "resume": False,
        "after": 0,
        "by": os.environ.get("USER") or str(os.getuid()),
        "controller": os.uname().nodename,
        "plan": "",
        "bundle": "",
        "restore": "",
        "prefetch": False,
        "failing": (),
        "attended": True,
        "secrets_size": 0,
        **wish,
    }
    os.makedirs(place.paths.run(run))
    request = Request(**order)
    state.write_atomically(place.paths.run(run, "request.json"), wire.encode(request).encode(), 0o600)
    conversation.start_worker(place.paths, place.program, place.executor, run)
    return _watch(place.paths, request)


def _newest_request(paths: Paths) -> Request:
    for run in state.newest_runs(paths):
        text = state.read_text(paths.run(run, "request.json"))
        request = wire.decode_request(text) if text else None
        if request and not request.deploys_nothing:
            return request
    raise NodeError("no_order", "no run was ever ordered on this node", "saturn deploy, on the controller")


def _follow(place: Place, rest: tuple[str, ...]) -> int:
    runs = rest or state.newest_runs(place.paths)
    text = state.read_text(place.paths.run(runs[0], "request.json")) if runs else ""
    if not text:
        raise NodeError("unknown_run", "there is no such run on this node", "saturn-node status")
    return _watch(place.paths, wire.decode_request(text))


def _watch(paths: Paths, request: Request) -> int:
    """Print a run as it goes; the exit status that its outcome means."""
    seen: dict[str, str] = {}

    def show(line: bytes) -> None:
        record = json.loads(line)
        if record["type"] == "heartbeat":
            return
        seen.update(code=record.get("code", ""), outcome=record.get("outcome", ""))
        _say("\n".join(printable(each) for each in human_lines(record)))

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return True

    try:
        Follower(paths, request, show).follow(wait)
    except KeyboardInterrupt:
        _say(f"the run goes on; watch it again with: saturn-node follow {request.run}")
        return 130
    return _EXIT.get(seen.get("outcome", ""), _FAILED)


def _status(place: Place, _rest: tuple[str, ...]) -> int:
    request = _newest_request(place.paths)
    known = facts.observed(Survey(request.node), place.executor)
    lines = ["{:<12} {}".format("revision", known["revision"]), "{:<12} {}".format("stage", known["stage"])]
    lines += [f"{each.name:<12} {each.state}, {each.health}" for each in known["services"]]
    if known["lock"]:
        lines.append("{:<12} {}".format("deploying", known["lock"].run))
    if known["last_run"]:
        outcome = known["last_run"].outcome or "running"
        lines.append("{:<12} {} {}".format("last run", known["last_run"].run, outcome))
    lines += [f"{each.code:<12} {each.message}; next: {each.hint}" for each in known["problems"]]
    return _say("\n".join(lines))


def _cancel(place: Place, rest: tuple[str, ...]) -> int:
    if rest not in ((), ("--now",)):
        raise NodeError("usage", "cancel knows --now only", "saturn-node --help")
    run = conversation.cancel(place.paths, "", now=bool(rest))
    if not run:
        raise NodeError("not_running", "no run is at work on this node", "saturn-node status")
    return _say(f"run {run} stops {'now' if rest else 'after the service in hand'}; watch it: saturn-node follow {run}")


def _diagnose(place: Place, _rest: tuple[str, ...]) -> int:
    request = _newest_request(place.paths)
    redactor = node_redactor(place.paths.config)
    return _say(diagnostics.collect(request, place.paths, redactor, place.executor))


_COMMANDS: Mapping[str, Callable[[Place, tuple], int]] = {  # type: ignore[type-arg]
    "worker": _worker,
    "deploy": _deploy,
    "follow": _follow,
    "cancel": _cancel,
    "status": _status,
    "diagnose": _diagnose,
    "backup": _backup,
    "backups": _backups,
    "restore": _restore,
}

if __name__ == "__main__":
    sys.exit(main())
