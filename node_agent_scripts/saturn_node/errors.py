"""What can go wrong on a node.

    NodeError            a stable code, a sentence, a way out, and the evidence
      Blocked            validate found errors: nothing was touched
      Cancelled          a person asked the run to stop
      FailedBefore       only what was failing before this run began is still failing

Codes are a contract, listed with cause and remedy in docs/reference/errors.md.
"""

from __future__ import annotations

from typing import Sequence, Tuple


class NodeError(Exception):
    """A failure the executor can name.

    code: stable, for scripts. hint: the next command to type. service: the one concerned, or "".
    tail: the last lines of what failed, oldest first.
    """

    def __init__(self, code: str, message: str, hint: str = "", service: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.service = service
        self.tail: Tuple[str, ...] = tuple(tail)


class Blocked(NodeError):
    """Policy or validation forbids the deploy."""


class Cancelled(NodeError):
    """The run stopped because a person asked; it is resumable."""


class FailedBefore(NodeError):
    """Services are not well that were not well before, either: not this run's fault, and nothing to take back."""
