"""The conversation with an executor over any Channel: framing, shipping on demand, and the end of an answer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Sequence

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SessionError, SessionLost
from saturn_orchestrator.events import Line, Malformed, Output, Request
from saturn_orchestrator.records import replace
from saturn_orchestrator.session.base import THIN_MAX, Channel, Sighting
from saturn_orchestrator.session.payload import MARK, PAYLOAD_FOLLOWS, Payload, refusal
from saturn_orchestrator.session.trip import Trip
from saturn_orchestrator.tailnet.model import Peer

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer: several times what an executor sends at most. A node beyond it is not listened to any more."""

DEPARTURE_S = 0.002
"""After that a request is on the line, also where one connection leads through another."""

TOGETHER = 100
"""Lines that are looked at together, at most: what they say takes more memory than they do."""


class Framer:
    """Bytes in any pieces to whole lines. A line longer than events.MAX_LINE is cut there and its rest dropped."""

    def __init__(self) -> None:
        """Nothing has been fed yet."""
        self._rest = b""
        self._is_dropping = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that the chunk completes, without their ends."""
        *whole, rest = (self._rest + chunk).split(b"\n")
        lines = [line[: events.MAX_LINE + 1] for line in whole]
        if self._is_dropping and lines:
            lines, self._is_dropping = lines[1:], False
        if self._is_dropping:
            rest = b""
        elif len(rest) > events.MAX_LINE:
            lines.append(rest[: events.MAX_LINE + 1])
            rest, self._is_dropping = b"", True
        self._rest = rest
        return lines


class Conversation:
    """A Session over a Channel. Answers come one after another: one `ask` at a time."""

    def __init__(
        self, host: str, channel: Channel, shipped: Payload, trip: Trip, sighting: Sighting | None = None
    ) -> None:
        """`host` is the name the controller gave it; events that claim another one are malformed.

        trip: that led here.
        """
        self._trip = trip
        self._sighting = sighting
        self._host = host
        self._channel = channel
        self._shipped = shipped
        self._framer = Framer()
        self._is_started = False
        self._is_shipped = False
        self._awaiting = b""
        self._carried: set[str] = set()

    @property
    def peer(self) -> Peer | None:
        """See Session.peer."""
        return self._sighting.peer if self._sighting else None

    async def ask(self, request: Request, bundle: bytes = b"", secrets: bytes = b"") -> AsyncIterator[Line]:
        """See Session.ask."""
        self._put(request, bundle, secrets)
        heard = 0
        while chunk := await self._channel.read():
            heard += len(chunk)
            # Whoever fetches a file knows how long it is, and listens no longer than that.
            if heard > MAX_ANSWER and request.verb != "fetch":
                raise SessionError(f"{self._host} sent more than {MAX_ANSWER >> 20} MiB in one answer", code="flood")
            for piece in self._pieces(self._framer.feed(chunk)):
                if isinstance(piece, str):
                    if self._heard(piece):
                        return
                else:
                    self._trip.reach("first event")
                    for line in events.decoded(piece):
                        for told in _belonging(line, self._host, request.run):
                            yield told
        raise self._broken()

    def _put(self, request: Request, bundle: bytes, secrets: bytes) -> None:
        """Send a question with what it needs, and get ready for the answer."""
        carried = b"" if request.bundle in self._carried else bundle
        if carried:
            self._carried.add(request.bundle)
        thin, carried = _split(carried, goes_along=not self._is_started)
        self.tell(replace(request, thin=thin, bundle_size=len(carried), secrets_size=len(secrets)))
        if carried or secrets:
            self._supply(carried + secrets)
        if request.verb in {"facts", "plan"}:  # the node is at work on them now, and SATURN has nothing else to do
            asyncio.get_running_loop().call_later(DEPARTURE_S, events.expect_facts)

    def tell(self, request: Request) -> None:
        """See Session.tell."""
        self._channel.write(events.encode(request).encode() + b"\n")

    async def close(self) -> None:
        """See Session.close."""
        await self._channel.close()

    def _pieces(self, lines: Sequence[bytes]) -> Iterator[str | list[bytes]]:
        """What the far side says about itself, and what the executor says in between: up to so many lines at once."""
        together: list[bytes] = []
        for whole in lines:
            # A shell that prints at its start need not end its line: until we began, the mark may stand inside one.
            line = whole if self._is_started else whole[max(whole.find(MARK), 0) :]
            if line.startswith(MARK):
                if together:
                    yield together
                    together = []
                yield line[len(MARK) :].decode("utf-8", "replace").strip()
            elif self._is_started:
                together.append(line)
                if len(together) == TOGETHER:
                    yield together
                    together = []
        if together:
            yield together

    def _supply(self, bundle: bytes) -> None:
        """Send the bundle once the executor has begun: before that the bootstrap looks for the payload in it."""
        if not self._is_started:
            self._awaiting = bundle
        elif bundle:
            self._channel.write(bundle)

    def _heard(self, words: str) -> bool:
        """Act on what the far side says about itself; whether the answer is over."""
        if words == "need" and not (self._is_started or self._is_shipped):
            self._is_shipped = True
            self._channel.write(PAYLOAD_FOLLOWS + self._shipped.data)
        elif words == "have":
            self._is_started = True
            self._trip.reach("executor")
            self._supply(self._awaiting)
            self._awaiting = b""
        elif words.startswith("refused ") and not self._is_started:
            raise refusal(events.neutral(words.removeprefix("refused ")))
        return words == "end" and self._is_started

    def _broken(self) -> SessionLost | ExecutorRefused:
        words = events.neutral(self._channel.last_words.strip())
        if self._is_started:
            return SessionLost("the connection broke", notes=(words,) if words else ())
        if words.startswith("sudo:"):
            return ExecutorRefused(
                f"sudo was denied: {words}",
                code="become_denied",
                hint="allow this user `sudo -n python3` on the node (NOPASSWD), or set become: false",
            )
        return ExecutorRefused(
            f"the executor did not start: {words or 'the shell closed without a word'}",
            code="executor_failed",
            hint="log in by hand and run: python3 --version",
        )


def _split(bundle: bytes, *, goes_along: bool) -> tuple[str, bytes]:
    """The bundle as part of a request, or as what follows it.

    goes_along: the executor has not begun, and takes nothing that follows yet: to wait for it costs a round trip.
    """
    if goes_along and len(bundle) <= THIN_MAX:
        return base64.b64encode(bundle).decode("ascii"), b""
    return "", bundle


def _belonging(line: Line, host: str, run: str) -> Sequence[Line]:
    """The line itself when it speaks of this host and run; no host can speak for another."""
    if isinstance(line, Output):
        if all(each.host == host and each.run == run for each in line.lines):
            return (line,)
        return [told for each in line.lines for told in _belonging(each, host, run)]
    if events.is_of_node(line) and (line.host != host or line.run != run):
        return (Malformed(f"{line.type} of {line.host}, run {line.run}", "speaks for another host or run"),)
    return (line,)
