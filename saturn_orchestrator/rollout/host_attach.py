"""The story of one host that is attached to: connect, facts, then every run of which something is missing here."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable

from saturn_orchestrator import events
from saturn_orchestrator.errors import SaturnError, SessionError
from saturn_orchestrator.events import Facts, Request, now
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.rollout.following import Following, Link
from saturn_orchestrator.rollout.outbox import Outbox
from saturn_orchestrator.rollout.survey import connect, gather_facts
from saturn_orchestrator.session.base import Session
from saturn_orchestrator.topology.model import Host


@dataclass(frozen=True)
class Attaching:
    """What attaching to hosts needs of the world.

    by: person@machine. unfinished: the host's runs whose end is not known here. missing: those and what the facts tell
    of beyond them, oldest first; each is open then. after: the last seq known of a run. away: told why a host with no
    run to wait for could not be asked.
    """

    link: Link
    by: str
    unfinished: tuple[str, ...]
    missing: Callable[[Facts], tuple[str, ...]]
    after: Callable[[str], int]
    outbox: Callable[[str], Outbox]
    away: Callable[[SaturnError], None]


class HostAttach:
    """One host's part of an attach. It only posts events; it owns no state."""

    def __init__(self, host: Host, attaching: Attaching) -> None:
        """Nothing is asked yet."""
        self._host = host
        self._attaching = attaching
        self._following: Following | None = None
        self._is_stopping = False

    async def walk(self) -> None:
        """Bring home what the node remembers, oldest run first, and follow the one at work to its end."""
        session: Session | None = None
        try:
            session = await connect(self._host, self._attaching.link.open_session)
            facts = await gather_facts(self._host, session)
            for run in self._attaching.missing(facts):
                session = await self._followed(run, session)
        except SessionError as error:
            self._say_away(error)
        except asyncio.CancelledError:
            if not self._following:
                self._leave_all("interrupted", "this terminal left")
            raise
        except Exception as error:  # noqa: BLE001 - a defect of ours on one host must not cost the others their watch
            self._attaching.link.trace(traceback.format_exc())
            self._say_away(SaturnError(f"a defect in saturn: {type(error).__name__}: {error}", code="internal_error"))
        finally:
            if self._following:
                await self._following.close()
            elif session:
                await session.close()

    def stop(self, task: asyncio.Task[None]) -> None:
        """Ask the node to stop after the service in hand; a host that was not reached yet is let go."""
        self._is_stopping = True
        if self._following:
            self._following.stop()
        else:
            task.cancel()

    async def _followed(self, run: str, session: Session | None) -> Session | None:
        """Follow one run to its end; the session, when it may be used for another."""
        outbox = self._attaching.outbox(run)
        outbox.post(events.HostAttached(now(), self._attaching.by))
        after, by = self._attaching.after(run), self._attaching.by
        request = Request(verb="follow", run=run, node=node_order(self._host), after=after, by=by)
        self._following = Following(self._host, request, self._attaching.link, outbox, session)
        if self._is_stopping:
            self._following.stop()
        await self._following.to_the_end()
        return self._following.session

    def _say_away(self, error: SaturnError) -> None:
        code = "link_lost" if isinstance(error, SessionError) else "internal_error"
        self._leave_all(code, "; ".join((error.message, *error.notes)))
        if not self._attaching.unfinished:
            self._attaching.away(error)

    def _leave_all(self, code: str, message: str) -> None:
        for run in self._attaching.unfinished:
            hint = f"saturn attach --hosts {self._host.name}"
            self._attaching.outbox(run).post(events.HostLeft(now(), code, message, hint))
