"""A session in which a run has begun with its plan."""

from __future__ import annotations

from collections.abc import AsyncIterator

from saturn_orchestrator.events import Line, Request
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.tailnet.model import Peer


class Begun:
    """A Session of which the first thing that is asked, the run itself, was asked already."""

    def __init__(self, session: Session, answer: AsyncIterator[Line]) -> None:
        """answer: what is left of it."""
        self._session = session
        self._answer: AsyncIterator[Line] | None = answer

    @property
    def peer(self) -> Peer | None:
        """See Session.peer."""
        return self._session.peer

    def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        """See Session.ask."""
        answer, self._answer = self._answer, None
        return answer or self._session.ask(request, bundle, secrets)

    def tell(self, request: Request) -> None:
        """See Session.tell."""
        self._session.tell(request)

    async def close(self) -> None:
        """See Session.close."""
        await self._session.close()
