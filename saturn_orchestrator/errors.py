"""The whole exception tree. Errors carry facts; their wording on a screen is report's work.

    SaturnError                       code, message, place, notes, hint, exit_code
      UsageError                 2    the command line cannot be obeyed
      InventoryError             2    topology or a service is invalid: every finding at once
      RepositoryError            2    git on SATURN cannot answer
      HookFailed                 2    the hook that guards a deploy failed: no host was touched
      TooManyFiles               2    SATURN may open no more files or connections
      SessionError                    a host could not be talked to (code tells how)
        Unreachable              3    refused, timed out, no route: worth another try
          OffTailnet             3    SATURN or the host is not on the tailnet now: no try would help
        Denied                   1    the login was denied, or no identity could be offered: never retried
        HostKeyRejected          1    the host key is unknown or another one: never retried
        SessionLost              1    the line broke in the middle; the node may still be working
        ExecutorRefused          1    the node is reachable but cannot or will not begin (no_python, locked, ...)
      NodeUnfit                  1    a host cannot be made ready for a deploy, or a step on the way to it failed
      SecretUnavailable          1    the command that should bring a host's secrets failed
      DemoFailed                 1    an act of `saturn demo` did not end as it should
      Interrupted              130    Ctrl-C

Foreign errors are translated where they enter: asyncssh's in session/ssh/failure.py, pydantic's and yaml's in
topology/load.py, git's in repository/. cli/main.py is the only place that catches a SaturnError to print it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from saturn_orchestrator.records import dataclass


@dataclass(frozen=True)
class InventoryFinding:
    """One thing wrong in the inventory.

    file: as a person would type it. line: from 1, 0 when unknown. key: a path like hosts.vps.address. code: of what a
    rule for services found, "" for what the files themselves must be. severity: error | warning | waived.
    """

    file: str
    line: int
    key: str
    message: str
    hint: str = ""
    code: str = ""
    severity: str = "error"

    @property
    def place(self) -> str:
        """`file:line key`, as far as it is known."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where} {self.key}" if self.key else where


class SaturnError(Exception):
    """A failure with a stable code, a sentence, a place, and the next command to type."""

    code = "error"
    exit_code = 2

    def __init__(
        self, message: str, *, code: str = "", place: str = "", notes: Sequence[str] = (), hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.place = place
        self.notes = tuple(notes)
        self.hint = hint


class UsageError(SaturnError):
    """The command line cannot be obeyed; nothing was touched."""

    code = "usage"


class InventoryError(SaturnError):
    """The inventory is invalid. `findings` holds everything that is wrong, in file order, warnings too."""

    code = "inventory_invalid"

    def __init__(self, findings: Sequence[InventoryFinding]) -> None:
        count = sum(each.severity == "error" for each in findings)
        super().__init__(
            f"the inventory has {count} error{'' if count == 1 else 's'}",
            hint="mend the lines above, then: saturn validate",
        )
        self.findings = tuple(findings)


class RepositoryError(SaturnError):
    """git on SATURN could not answer."""

    code = "repository"


class HookFailed(SaturnError):
    """hooks/pre-deploy failed or could not be run; no host was touched."""

    code = "hook_failed"


class TooManyFiles(SaturnError):
    """SATURN has no file descriptor left; it tells nothing of the host that was to be reached."""

    code = "too_many_files"

    @classmethod
    def of(cls, *, system_wide: bool = False) -> Self:
        """system_wide: it is not this process alone that has none."""
        if system_wide:
            return cls("SATURN as a whole has too many files open", hint="which program holds them? try: lsof | wc -l")
        return cls("saturn may open no more files or connections", hint="ulimit -n 4096   # then type it again")


class SessionError(SaturnError):
    """A host could not be talked to. Not final by itself: subclasses say whether another try makes sense."""

    code = "session"
    exit_code = 1
    retryable = False


class Unreachable(SessionError):
    """Nobody answered: refused, timed out, no route, no such name."""

    code = "unreachable"
    exit_code = 3
    retryable = True


class OffTailnet(Unreachable):
    """The host, or SATURN itself, is not on the tailnet now (`offline`, `not_on_tailnet`, `tailnet_stopped`, ...)."""

    code = "offline"
    retryable = False


class Denied(SessionError):
    """The host answered and denied the login, or there was no identity to offer."""

    code = "permission_denied"


class HostKeyRejected(SessionError):
    """The host's key is not the one we know (`host_key_changed`), or none is known (`host_key_unknown`)."""

    code = "host_key_changed"


class SessionLost(SessionError):
    """The line broke after the executor began to speak."""

    code = "session_lost"


class ExecutorRefused(SessionError):
    """The node is reachable but the executor cannot or will not begin; the code is the node's."""

    code = "refused"


class NodeUnfit(SaturnError):
    """A host is not ready for a deploy, and saturn could not make it so."""

    code = "node_unfit"
    exit_code = 1


class SecretUnavailable(SaturnError):
    """The command that should bring a host's secrets failed on SATURN; the host was not touched."""

    code = "secret_unavailable"
    exit_code = 1


class DemoFailed(SaturnError):
    """An act of `saturn demo` did not end as it should; nothing is left behind then, either."""

    code = "demo_failed"
    exit_code = 1


class Interrupted(SaturnError):
    """A person pressed Ctrl-C before anything was left to detach from."""

    code = "interrupted"
    exit_code = 130
