"""Hooks: programs in `hooks/` of the repository that run on SATURN before and after a deploy.

They run as the person who deploys, with what that person may do. `pre-deploy` is a guard: when it fails no host is
touched. The others are told what became of the run, and change nothing about it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path

from saturn_orchestrator import __version__
from saturn_orchestrator.app.deploy import Before, Deploy
from saturn_orchestrator.app.program import run_program
from saturn_orchestrator.errors import HookFailed, InventoryFinding
from saturn_orchestrator.events import neutral
from saturn_orchestrator.plan.model import HostPlan
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.report.documents import Document, dump, order_document
from saturn_orchestrator.state.model import RunState, Status
from saturn_orchestrator.state.outcome import Outcome
from saturn_orchestrator.topology.location import shown
from saturn_orchestrator.topology.spelling import near

PRE, POST, FAILURE = "pre-deploy", "post-deploy", "on-failure"
NAMES = (PRE, POST, FAILURE)
FOLDER = "hooks"

LINES_MAX = 200
"""Lines of one hook that a person is shown."""

WIDTH_MAX = 500
"""Characters of one line."""

_TAIL = 5
_EXAMPLES = {".sample", ".example", ".md", ".txt"}
_OWN = frozenset({"SATURN_OUTCOME", "SATURN_EXIT_CODE"})
_REASONS = {
    errno.EACCES: "it is not executable",
    errno.ENOENT: "its interpreter, the program behind #!, is missing",
    errno.ENOEXEC: "it has no first line such as #!/bin/sh",
}

Heard = Callable[[str, str], None]


@dataclass(frozen=True)
class Complaint:
    """Why a hook did not succeed, in words that continue its name, and the last lines that it printed."""

    why: str
    tail: tuple[str, ...] = ()


class Hooks:
    """The hooks of one command."""

    def __init__(self, order: Deploy, heard: Heard) -> None:
        """`heard` is told each line that a hook prints, fit for a screen, with the hook's name before it."""
        self._order = order
        self._heard = heard
        self._is_crossed = False

    @property
    def before(self) -> Before | None:
        """What runs before the first host starts: the hook, if it is there. See app.deploy.Ports."""
        return self._before if self._is_there(PRE) else None

    async def _before(self, run: RunState, plans: Mapping[str, HostPlan]) -> None:
        now = {name: plan for name, plan in plans.items() if not plan.is_for_later}
        complaint = await self._run(PRE, run, tuple(now), order_document(run, now))
        if complaint:
            raise HookFailed(
                f"{FOLDER}/{PRE} {complaint.why}; no host was touched",
                notes=complaint.tail,
                hint=f"mend it, or leave it out: saturn {self._order.verb} --hosts {','.join(now)} --no-hooks",
            )
        self._is_crossed = True

    async def after(self, run: RunState, verdict: Outcome, document: Document) -> AsyncIterator[str]:
        """Run what follows a run; yields a sentence for each hook that did not succeed.

        on-failure follows a run that broke something, post-deploy every run in which a host was given its order.
        """
        if is_broken(verdict) and self._is_there(FAILURE):
            yield await self._followed(FAILURE, run, verdict, document)
        if (self._is_crossed or was_ordered(run)) and self._is_there(POST):
            yield await self._followed(POST, run, verdict, document)

    async def _followed(self, name: str, run: RunState, verdict: Outcome, document: Document) -> str:
        told = {"SATURN_OUTCOME": verdict.word, "SATURN_EXIT_CODE": str(verdict.exit_code)}
        complaint = await self._run(name, run, tuple(run.hosts), document, told)
        return f"{FOLDER}/{name} {complaint.why}; the run is as it is told above" if complaint else ""

    def _is_there(self, name: str) -> bool:
        return os.path.lexists(self._file(name))

    def _file(self, name: str) -> Path:
        return self._order.topology.folder / FOLDER / name

    async def _run(
        self, name: str, run: RunState, hosts: Sequence[str], document: Document, told: Mapping[str, str] | None = None
    ) -> Complaint | None:
        topology, printed = self._order.topology, _Printed(name, self._heard)
        about = {
            "SATURN_VERSION": __version__,
            "SATURN_HOOK": name,
            "SATURN_VERB": self._order.verb,
            "SATURN_RUN": run.run,
            "SATURN_HOSTS": ",".join(hosts),
            "SATURN_REVISION": run.revision,
            "SATURN_PERSON": self._order.by,
            "SATURN_INVENTORY": str(topology.file),
            **(told or {}),
        }
        inherited = {key: value for key, value in os.environ.items() if key not in _OWN}
        limit_s = topology.hooks.timeout_s
        try:
            ended = await run_program(
                (str(self._file(name)),),
                topology.folder,
                limit_s,
                given=dump(document).encode(),
                environ={**inherited, **about},
                heard=printed.heard,
            )
        except TimeoutError:
            return Complaint(f"did not end within {limit_s:g} s, and was ended", printed.tail)
        except OSError as error:
            return Complaint(f"cannot be run: {_REASONS.get(error.errno or 0, error.strerror)}")
        if ended.status == 0:
            return None
        how = f"ended with status {ended.status}" if ended.status > 0 else f"was ended by signal {-ended.status}"
        return Complaint(how, printed.tail)


class _Printed:
    """What a hook prints, on its way to the screen: neutral, short, and not too much of it."""

    def __init__(self, name: str, heard: Heard) -> None:
        self._name = name
        self._heard = heard
        self._count = 0
        self.tail: tuple[str, ...] = ()

    def heard(self, line: str) -> None:
        """The next line."""
        told = neutral(line.rstrip())[:WIDTH_MAX]
        self._count += 1
        self.tail = (*self.tail, told)[-_TAIL:]
        if self._count <= LINES_MAX:
            self._heard(self._name, told)
        elif self._count == LINES_MAX + 1:
            self._heard(self._name, "... more than this is not shown")


def is_broken(verdict: Outcome) -> bool:
    """Whether a host failed, was blocked, lost, locked or rolled back; one that is away is no failure."""
    return verdict.exit_code in {1, 4, 5}


def was_ordered(run: RunState) -> bool:
    """Whether any host was given its order: a person's yes alone reaches a deferred one, too."""
    return any(host.by and host.status is not Status.DEFERRED for host in run.hosts.values())


def hook_findings(folder: Path) -> Iterator[InventoryFinding]:
    """What `saturn validate` says of the files in the hooks folder of this repository."""
    place = folder / FOLDER
    if not place.is_dir():
        return
    for file in sorted(place.iterdir()):
        if file.name in NAMES:
            yield from _executable_findings(file)
        elif meant := _meant(file):
            message = f"is no hook, so it is never run: {meant}"
            yield InventoryFinding(
                shown(file), 0, "", message, f"hooks are {', '.join(NAMES)}", code="hook_unknown", severity="warning"
            )


def _executable_findings(file: Path) -> Iterator[InventoryFinding]:
    if not (file.is_file() and os.access(file, os.X_OK)):
        name = shown(file)
        yield InventoryFinding(
            name, 0, "", "should be an executable file", f"chmod +x {name} && git update-index --chmod=+x {name}",
            code="hook_not_executable", severity="error" if file.name == PRE else "warning",
        )  # fmt: skip


def _meant(file: Path) -> str:
    """`did you mean "pre-deploy"?` for a file whose name comes near that of a hook; "" for any other."""
    if file.suffix in _EXAMPLES or not stat.S_ISREG(file.lstat().st_mode):
        return ""
    return near(file.name.removesuffix(file.suffix).lower().replace("_", "-"), NAMES, cutoff=0.8)
