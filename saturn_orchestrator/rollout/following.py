"""One run on one node, followed from the last event known here to its end, over lines that break and come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from math import inf
from operator import lt
from typing import TypeGuard

from saturn_orchestrator import events
from saturn_orchestrator.errors import (
    ExecutorRefused,
    HostKeyRejected,
    SaturnError,
    SessionError,
    SessionLost,
    TooManyFiles,
)
from saturn_orchestrator.events import Line, NodeEvent, Output, Request, WorkerVanished, now
from saturn_orchestrator.records import dataclass, replace
from saturn_orchestrator.rollout.outbox import Outbox
from saturn_orchestrator.rollout.survey import connect
from saturn_orchestrator.session.base import OpenSession, Session
from saturn_orchestrator.topology.model import Host

LINK_PATIENCE_S = 600.0
"""How long a line that is away is tried again: the run belongs to the node, and LTE may be gone for minutes."""

SILENCE_S = 45.0
"""A follower gives a sign of life every 10 s; a line that is silent for this long is as good as broken."""

GRAIN_S = 1.0
"""How exactly that is timed: a timer a line would cost more than the line."""

PAUSE_S = 0.5
PAUSE_MAX_S = 15.0
"""Before a line that broke is tried again; doubled each time it breaks without a word."""

MAX_EVENTS = 200_000
"""Ten times what an executor sends at most; a node beyond it is not listened to any more."""

TURN = 256
"""Lines of garbage that are looked at before the other hosts have their turn."""

_WORDLESS = ("hello", "refused")
"""Events after which it is not yet known that the node took the run."""


@dataclass(frozen=True)
class Link:
    """How a host is reached. patience_s: how long a line may stay away, 0 for ever. trace: what `--verbose` shows."""

    open_session: OpenSession
    trace: Callable[[str], None]
    patience_s: float = LINK_PATIENCE_S


class Following:
    """Follows one run. It only posts events; it owns no state of the run but how far it was heard."""

    def __init__(
        self, host: Host, request: Request, link: Link, outbox: Outbox, session: Session | None, bundle: bytes = b"",
        secrets: bytes = b"",
    ) -> None:  # fmt: skip
        """`request`: run or follow, after the last seq that is known here. `session` is used while it lasts.

        bundle, secrets: what goes with a request to run.
        """
        self._host = host
        self._request = request
        self._bundle = bundle
        self._secrets = secrets
        self._link = link
        self._outbox = outbox
        self._told: Session | None = None
        self._question = ""
        self._answered: tuple[Session, str] | None = None
        self._at_stake: set[str] = set()
        self._is_stopping = False
        self._is_detaching = False
        self._is_away = False
        self._has_end = False
        self._is_answer = False
        self._is_listening = False
        self._noise = 0
        self._heard = 0
        self._heard_at = time.monotonic()
        self._waiting: tuple[str, str] | None = None
        self._greeting: events.Hello | None = None
        self.stale = ""
        self.session = session
        self.seq = request.after

    async def to_the_end(self, *, detach: bool = False, at_stake: Collection[str] = ()) -> None:
        """Post what the node says until the run has an end, or until it is left: see events.HostLeft.

        detach: leave it as soon as the node has taken it, and has done with what is `at_stake`: services that carry the
        connection, each of which somebody must acknowledge. `stale` tells afterwards why the node did not begin, its
        plan being not true any more; nothing was posted then, and the session still stands.
        """
        self._is_detaching = detach
        self._at_stake = set(at_stake)
        try:
            await self._follow_over_lines()
        except asyncio.CancelledError:
            self.leave("interrupted", "this terminal left")
            raise
        finally:
            if self._told or self._answered:  # told too late, they answer for themselves: no line to ask more on
                await self.close()

    def stop(self) -> None:
        """Ask the node to stop after the service in hand. It is told with its next word, and again on a new line."""
        self._is_stopping = True
        if self._is_listening:
            self._tell_to_stop()

    def _tell_to_stop(self) -> None:
        if self.session and self.session is not self._told and not self._has_end:
            self.session.tell(replace(self._request, verb="cancel"))
            self._told = self.session

    def _acknowledge(self) -> None:
        """Answer the question that is open, once over each line: that it reaches the node is all that it says."""
        if self.session and self._question and not self._has_end:
            answer = self.session, self._question
            if answer != self._answered:
                self.session.tell(replace(self._request, verb="ack", service=self._question))
                self._answered = answer

    async def close(self) -> None:
        """Hang up; the node goes on."""
        session, self.session = self.session, None
        if session:
            await session.close()

    async def _follow_over_lines(self) -> None:
        breaks = 0
        while (left_s := self._patience_left_s()) > 0:
            heard = self._heard
            try:
                await self._connect(left_s)
                await self._listen()
            except (SessionError, TooManyFiles) as error:
                if _is_for_good(error):
                    self.leave("link_lost", error.message, error.hint)
                    return
                if self._has_end:
                    return
                if error.code == "flood":
                    self.leave("flood", error.message)
                    return
                breaks = 0 if self._heard > heard else breaks + 1
                await self._hang_up(error)
                await asyncio.sleep(min(PAUSE_S * 2**breaks, PAUSE_MAX_S, (self._link.patience_s or inf) / 10))
            else:
                return
        last = "its worker goes on by itself" if self.seq else "whether it took the order is not known"
        self.leave("link_lost", f"the line to {self._host.name} was away for {self._link.patience_s:g} s; {last}")

    def _patience_left_s(self) -> float:
        if not self._link.patience_s:
            return inf
        return self._link.patience_s - (time.monotonic() - self._heard_at)

    async def _connect(self, patience_s: float) -> None:
        if self.session is None:
            self.session = await connect(
                self._host, self._link.open_session, self._note_waiting, patience_s=patience_s, attempts=None
            )

    def _note_waiting(self, event: events.OwnEvent) -> None:
        """Say what keeps the line away, once: it is tried again and again."""
        if isinstance(event, events.SessionWaiting) and (event.code, event.url) != self._waiting:
            self._waiting = event.code, event.url
            self._outbox.post(event)

    async def _hang_up(self, lost: SaturnError) -> None:
        await self.close()
        self._link.trace(f"{self._host.name}: {lost.message}")
        if not self._is_away:
            self._is_away = True
            self._outbox.post(events.LinkLost(now(), lost.message))

    async def _listen(self) -> None:
        """Post what the node says, until the run has an end or is left.

        Raises:
            SessionError: the line broke, or fell silent.
        """
        assert self.session
        self._is_answer = self._is_listening = False
        # What was heard of once is only followed: a node that forgot it must not begin it again.
        verb = "follow" if self.seq else self._request.verb
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SILENCE_S) as silence:
                asked = replace(self._request, verb=verb, after=self.seq)
                carried = (self._bundle, self._secrets) if verb == "run" else ()
                async for line in self.session.ask(asked, *carried):
                    if not (events.is_of_node(line) or isinstance(line, Output)):
                        await self._note_noise(line)
                        continue
                    if (when := loop.time() + SILENCE_S) > (silence.when() or 0.0) + GRAIN_S:
                        silence.reschedule(when)
                    self._note_life()
                    if not self._has_end and await self._is_left_after(line, verb):
                        await self.close()
                        return
        except TimeoutError as error:
            raise SessionLost(f"no word from {self._host.name} for {SILENCE_S:g} s") from error
        if not self._has_end:
            self._lose("worker_lost", "the executor on the node ended without a goodbye")

    def _note_life(self) -> None:
        self._heard_at = time.monotonic()
        self._heard += 1
        if self._is_away:
            self._is_away = False
            self._waiting = None
            self._outbox.post(events.LinkRestored(now()))
        self._is_listening = True
        if self._is_stopping:
            self._tell_to_stop()

    async def _note_noise(self, line: Line) -> None:
        self._noise += 1
        self._link.trace(f"{self._host.name}: {line}")
        if self._noise > MAX_EVENTS:
            raise SessionError(f"{self._host.name} sent more than {MAX_EVENTS} lines of no event", code="flood")
        if self._noise % TURN == 0:
            await asyncio.sleep(0)

    def _say_noise(self) -> None:
        if self._noise:
            self._outbox.post(events.LinesLeftOut(now(), self._noise))
            self._noise = 0

    async def _is_left_after(self, line: NodeEvent | Output, verb: str) -> bool:
        """Hand on what came; whether the run is left with it, though it has no end."""
        if not isinstance(line, Output):
            return await self._is_left_with(line, verb)
        if self._is_next(line.lines):
            self.seq = line.lines[-1].seq
            await self._outbox.forward(*line.lines)
            return False
        for each in line.lines:
            if await self._is_left_with(each, verb):
                return True
        return False

    def _is_next(self, output: Sequence[NodeEvent]) -> bool:
        """Whether it is nothing but the next lines of a run at work, none of which calls for a word or a decision."""
        if self._greeting or self._question or self._is_detaching or output[-1].seq > MAX_EVENTS:
            return False
        numbers = [self.seq, *(each.seq for each in output)]
        return all(map(lt, numbers, numbers[1:]))

    async def _is_left_with(self, event: NodeEvent, verb: str) -> bool:
        """Hand the event on; whether the run is left with it, though it has no end."""
        if isinstance(event, WorkerVanished):
            self._lose(*_vanished(event))
        elif isinstance(event, events.Heartbeat):
            await self._outbox.forward(event)
            self._acknowledge()
        elif self._is_of_no_worker(event, verb):
            pass
        elif event.seq > MAX_EVENTS:
            self.leave("flood", f"{self._host.name} sent more than {MAX_EVENTS} events; its log there holds the rest")
            return True
        elif event.seq <= self.seq:
            self._heed(event)
            if not isinstance(event, events.AckNeeded):  # which a follower repeats to whoever has not answered it
                await self._note_noise(event)  # told before
        else:
            if self._greeting:
                await self._outbox.forward(self._greeting)
                self._greeting = None
            self.seq = event.seq
            self._has_end = isinstance(event, events.Goodbye)
            if self._has_end:
                self._say_noise()
            await self._outbox.forward(event)
            self._heed(event)
            if self._is_detaching and not (self._has_end or self._at_stake) and event.type not in _WORDLESS:
                self.leave("detached", "it has taken the run")
                return True
        return False

    def _heed(self, event: NodeEvent) -> None:
        """Keep in mind what is still at stake and what the node asks to be acknowledged, and answer it."""
        if isinstance(event, events.Log | events.Progress) and not self._question:
            return
        match event:
            case events.AckNeeded():
                self._question = event.service
            case events.StageFailed():
                self._question = ""
            case events.Acknowledged():
                self._question = ""
                self._at_stake.discard(event.service)
            case events.ServiceFinished(stage="deploy") | events.ServiceSkipped():
                self._at_stake.discard(event.service)
        self._acknowledge()

    def _is_of_no_worker(self, event: NodeEvent, verb: str) -> bool:
        """Whether the event is no part of the run, but of a process on the node that will refuse to run or follow."""
        if _is_answer(event):
            self._is_answer = verb == "follow"
            self._greeting = None if self._is_answer else event  # kept until it is known what is refused
            return True
        if isinstance(event, events.Refused) and self._is_answer:
            self._refused(event)
            return True
        if isinstance(event, events.Refused) and self._greeting and event.code == "plan_stale":
            self._has_end, self.stale = True, event.message or event.code
            return True
        return False

    # --- the ends --------------------------------------------------------------------------------------------------

    def _refused(self, event: events.Refused) -> None:
        if event.code != "unknown_run":
            raise ExecutorRefused(event.message, code=event.code, hint=event.hint)
        if self.seq:
            self._lose("run_forgotten", f"{self._host.name} does not know this run any more")
        else:
            message = f"{self._host.name} never began this run: the order did not reach it"
            hint = f"saturn deploy --hosts {self._host.name}"
            self._end(events.HostFailed(now(), "never_started", message, hint))

    def leave(self, code: str, message: str, hint: str = "") -> None:
        """Stop watching: see events.HostLeft."""
        hint = hint or f"saturn attach --hosts {self._host.name}"
        self._say_noise()
        self._outbox.post(events.HostLeft(now(), code, message, hint))

    def _lose(self, code: str, message: str) -> None:
        hint = f"saturn deploy --hosts {self._host.name} --resume"
        self._end(events.RunLost(now(), code, message, hint))

    def _end(self, event: events.OwnEvent) -> None:
        self._say_noise()
        self._outbox.post(event)
        self._has_end = True


def _is_for_good(error: SaturnError) -> bool:
    """Whether no time heals it: another host key, or a policy that shut us out. Whoever answers is not asked twice."""
    return isinstance(error, HostKeyRejected) or error.code == "denied_by_policy"


def _is_answer(event: NodeEvent) -> TypeGuard[events.Hello]:
    """Whether this hello is the answer's own, of a process that is no worker."""
    return isinstance(event, events.Hello) and event.launch == "answer"


def _vanished(event: WorkerVanished) -> tuple[str, str]:
    """The code and the sentence for a worker that died."""
    where = ", ".join(part for part in (event.stage, event.service) if part) or "its beginning"
    last = f"its last event was {event.last} at {event.last_at}" if event.last else "it wrote no event"
    code = "node_rebooted" if event.rebooted else "worker_lost"
    if event.rebooted:
        return code, f"{event.host} rebooted while it worked on {where}; {last}"
    return code, f"the worker on {event.host} died in {where}: killed, or out of memory; {last}"
