"""The conversation over a channel in memory; over real ones see tests/contract/test_session_contract.py."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import build
from support.build import RUN, facts, node_event

from saturn_orchestrator import events
from saturn_orchestrator.errors import ExecutorRefused, SaturnError, SessionError, SessionLost
from saturn_orchestrator.events import Line, LogLine, Malformed, Output, Request
from saturn_orchestrator.plan.order import node_order
from saturn_orchestrator.session import stream
from saturn_orchestrator.session.base import THIN_MAX
from saturn_orchestrator.session.payload import Payload
from saturn_orchestrator.session.stream import TOGETHER, Conversation, Framer
from saturn_orchestrator.session.trip import Trip

SHIPPED = Payload(b"zip bytes", "digest")
ASKED = Request("facts", RUN, node_order(build.host()))


class MemoryChannel:
    """A Channel whose far side has said everything already."""

    def __init__(self, said: Iterable[bytes], last_words: str = "") -> None:
        self._said = list(said)
        self.last_words = last_words
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    async def read(self) -> bytes:
        return self._said.pop(0) if self._said else b""

    async def close(self) -> None:
        self.is_closed = True


def struct(event: object) -> bytes:
    return b"[STRUCT] " + events.encode(event).encode() + b"\n"


def answer(channel: MemoryChannel, *, asks: int = 1) -> list[list[Line]]:
    async def story() -> list[list[Line]]:
        conversation = Conversation("alpha", channel, SHIPPED, Trip())
        return [[line async for line in conversation.ask(ASKED)] for _ in range(asks)]

    return asyncio.run(story())


def error_of(channel: MemoryChannel) -> SaturnError:
    with pytest.raises(SaturnError) as caught:
        answer(channel)
    return caught.value


class ThinkingChannel(MemoryChannel):
    """A channel whose far side says nothing until SATURN is ready for facts, or half a second has passed."""

    is_ready = False

    async def read(self) -> bytes:
        for _ in range(50):
            if not self.is_ready:
                await asyncio.sleep(0.01)
                self.is_ready = events._validator.cache_info().currsize > 0
        return await super().read()


@pytest.mark.parametrize("verb, is_ready", [("facts", True), ("plan", True), ("follow", False)])
def test_what_facts_are_checked_with_is_made_while_the_node_thinks(verb, is_ready):
    events._validator.cache_clear()
    channel = ThinkingChannel([b"[SATURN] have\n", b"[SATURN] end\n"])

    async def story() -> None:
        async for _ in Conversation("alpha", channel, SHIPPED, Trip()).ask(replace(ASKED, verb=verb)):
            pass

    asyncio.run(story())

    assert channel.is_ready is is_ready


# --- lines ------------------------------------------------------------------------------------------------------------


def framed(pieces: Iterable[bytes]) -> list[bytes]:
    framer = Framer()
    return [line for piece in pieces for line in framer.feed(piece)]


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


lengths = st.sampled_from(
    (0, 1, 5, events.MAX_LINE - 1, events.MAX_LINE, events.MAX_LINE + 1, events.MAX_LINE + 2, 200_000)
)


@given(st.lists(lengths, max_size=5), st.lists(st.integers(0, 1_200_000), max_size=8))
def test_a_framer_gives_the_same_lines_however_the_bytes_are_cut(sizes, cuts):
    lines = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    expected = [line[: events.MAX_LINE + 1] for line in lines]

    assert framed(pieces(b"".join(line + b"\n" for line in lines), cuts)) == expected


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=10))
def test_a_framer_gives_the_lines_of_any_bytes(data, cuts):
    assert framed(pieces(data, cuts)) == data.split(b"\n")[:-1]


def test_a_framer_keeps_little_of_a_line_without_end():
    framer = Framer()
    lines = [line for _ in range(1600) for line in framer.feed(b"x" * 65536)]

    assert [len(line) for line in lines] == [events.MAX_LINE + 1]
    assert len(framer._rest) <= events.MAX_LINE
    assert framer.feed(b"tail\nnext\n") == [b"next"]


# --- the conversation -------------------------------------------------------------------------------------------------


def test_an_answer_is_what_lies_between_have_and_end():
    channel = MemoryChannel([b"Welcome!\n[SATURN] have\n" + struct(facts()) + b"a warning\n[SATURN] end\n"])

    assert answer(channel) == [[facts(), LogLine("a warning")]]
    assert channel.written == [events.encode(ASKED).encode() + b"\n"]


def test_login_noise_is_no_answer_even_when_it_looks_like_one():
    channel = MemoryChannel(
        [struct(facts(revision="forged")), b"[SATURN] end\n", b"[SATURN] have\n", struct(facts()), b"[SATURN] end\n"]
    )

    assert answer(channel) == [[facts()]]


def test_login_noise_without_a_line_end_hides_no_mark():
    channel = MemoryChannel([b"\x1b]0;title\x07[SATURN] have\n" + struct(facts()) + b"[SATURN] end\n"])

    assert answer(channel) == [[facts()]]


def test_a_second_answer_follows_in_the_same_session():
    first, second = facts(revision="a"), facts(revision="b")
    channel = MemoryChannel(
        [b"[SATURN] have\n" + struct(first) + b"[SATURN] end\n", struct(second), b"[SATURN] ", b"end\n"]
    )

    assert answer(channel, asks=2) == [[first], [second]]


def test_the_payload_is_sent_when_the_node_needs_it():
    channel = MemoryChannel([b"[SATURN] need\n", b"[SATURN] have\n[SATURN] end\n"])

    assert answer(channel) == [[]]
    assert channel.written == [events.encode(ASKED).encode() + b"\n", b"PAYLOAD\nzip bytes"]


def test_a_node_that_has_the_payload_gets_it_no_more():
    channel = MemoryChannel([b"[SATURN] have\n[SATURN] need\n[SATURN] end\n"])

    answer(channel)

    assert len(channel.written) == 1


# --- a bundle ---------------------------------------------------------------------------------------------------------

BUNDLE = b"# v2 git bundle"
CARRYING = replace(ASKED, bundle="its sha256")
HAVE, END = b"[SATURN] have\n", b"[SATURN] end\n"


class Listening(MemoryChannel):
    """Remembers how much was written whenever it is read from."""

    def __init__(self, *said: bytes) -> None:
        super().__init__(said)
        self.written_before: list[int] = []

    async def read(self) -> bytes:
        self.written_before.append(len(self.written))
        return await super().read()


def carried(channel: MemoryChannel, *bundles: bytes) -> list[bytes]:
    """What is written when one conversation asks with each of the bundles in turn."""

    async def story() -> list[bytes]:
        conversation = Conversation("alpha", channel, SHIPPED, Trip())
        for bundle in bundles:
            assert [line async for line in conversation.ask(CARRYING, bundle)] == []
        return channel.written

    return asyncio.run(story())


def line_of(request: Request) -> bytes:
    return events.encode(request).encode() + b"\n"


SIZED = replace(CARRYING, bundle_size=len(BUNDLE))
LARGE = BUNDLE * THIN_MAX
LARGELY_SIZED = replace(CARRYING, bundle_size=len(LARGE))
THIN = replace(CARRYING, thin=base64.b64encode(BUNDLE).decode())


def test_a_bundle_follows_its_request_once_the_executor_has_begun():
    channel = Listening(b"motd\n", HAVE, END)

    assert carried(channel, LARGE) == [line_of(LARGELY_SIZED), LARGE]
    assert channel.written_before == [1, 1, 2]


def test_a_bundle_waits_until_the_payload_was_sent():
    written = carried(MemoryChannel([b"[SATURN] need\n", HAVE + END]), LARGE)

    assert written == [line_of(LARGELY_SIZED), b"PAYLOAD\nzip bytes", LARGE]


def test_a_small_bundle_goes_along_with_the_first_request():
    assert carried(MemoryChannel([HAVE + END]), BUNDLE) == [line_of(THIN)]
    assert carried(MemoryChannel([b"[SATURN] need\n", HAVE + END]), BUNDLE) == [line_of(THIN), b"PAYLOAD\nzip bytes"]


@pytest.mark.parametrize(("size", "goes_along"), [(THIN_MAX, True), (THIN_MAX + 1, False)])
def test_how_small_it_must_be_for_that(size: int, goes_along: bool):
    written = carried(MemoryChannel([HAVE + END]), b"x" * size)

    assert (len(written) == 1) is goes_along


def test_a_conversation_carries_a_bundle_once():
    written = carried(MemoryChannel([HAVE + END, END, END]), LARGE, LARGE, b"")

    assert written == [line_of(LARGELY_SIZED), LARGE, line_of(CARRYING), line_of(CARRYING)]


def test_one_that_went_along_is_not_sent_again():
    assert carried(MemoryChannel([HAVE + END, END]), BUNDLE, BUNDLE) == [line_of(THIN), line_of(CARRYING)]


def test_a_bundle_of_a_later_request_follows_at_once():
    channel = Listening(HAVE + END, END)

    assert carried(channel, b"", BUNDLE) == [line_of(CARRYING), line_of(SIZED), BUNDLE]
    assert channel.written_before == [1, 3]


# --- who speaks -------------------------------------------------------------------------------------------------------


def test_a_node_cannot_speak_for_another_host_or_run():
    lies = [facts(host="beta"), facts(run="another"), node_event(events.Goodbye, 2, host="beta", outcome="success")]
    said = b"[SATURN] have\n" + b"".join(map(struct, lies)) + struct(facts()) + b"[SATURN] end\n"

    assert answer(MemoryChannel([said])) == [
        [
            Malformed(f"facts of beta, run {RUN}", "speaks for another host or run"),
            Malformed("facts of alpha, run another", "speaks for another host or run"),
            Malformed(f"goodbye of beta, run {RUN}", "speaks for another host or run"),
            facts(),
        ]
    ]


def logs(*seqs: int, host: str = "alpha") -> list[events.Log]:
    return [node_event(events.Log, seq, host, text=f"line {seq}") for seq in seqs]


def test_output_that_comes_together_is_told_together():
    first, *rest = logs(*range(1, TOGETHER + 4))
    said = [b"[SATURN] have\n" + struct(first), b"".join(map(struct, rest)) + b"[SATURN] end\n" + struct(first)]

    assert answer(MemoryChannel(said)) == [[first, Output(rest[:TOGETHER]), Output(rest[TOGETHER:])]]


def test_nor_can_it_with_one_line_of_output_among_many():
    said = b"".join(map(struct, [*logs(1, 2), *logs(3, host="beta"), *logs(4)]))
    lie = Malformed(f"log of beta, run {RUN}", "speaks for another host or run")

    assert answer(MemoryChannel([b"[SATURN] have\n" + said + b"[SATURN] end\n"])) == [[*logs(1, 2), lie, *logs(4)]]


@pytest.mark.parametrize(
    "said, code, message",
    [
        (b"[SATURN] refused no_python\n", "no_python", "there is no python3 on the node"),
        (
            b"[SATURN] refused python_too_old 3.6\n",
            "python_too_old",
            "the node's python3 is 3.6, 3.8 or newer is needed",
        ),
        (
            b"[SATURN] refused payload_damaged ab12\n",
            "payload_damaged",
            "the executor did not arrive whole (digest ab12)",
        ),
        (b"[SATURN] refused \x1b[1mbad moon\n", "[1mbad", "the bootstrap refused: [1mbad moon"),
    ],
)
def test_a_refusal_of_the_bootstrap_is_an_error_with_its_code(said, code, message):
    error = error_of(MemoryChannel([said]))

    assert (type(error), error.code, error.message) == (ExecutorRefused, code, message)


@pytest.mark.parametrize(
    "last_words, code, message",
    [
        ("", "executor_failed", "the executor did not start: the shell closed without a word"),
        ("Killed\x07\n", "executor_failed", "the executor did not start: Killed"),
        ("sudo: a password is required\n", "become_denied", "sudo was denied: sudo: a password is required"),
    ],
)
def test_a_channel_that_ends_before_the_executor_speaks_is_a_refusal(last_words, code, message):
    error = error_of(MemoryChannel([b"motd\n"], last_words))

    assert (type(error), error.code, error.message) == (ExecutorRefused, code, message)


def test_a_channel_that_ends_in_an_answer_is_a_lost_session_with_its_last_words():
    error = error_of(MemoryChannel([b"[SATURN] have\n", struct(facts())], "Connection \x1b[31mreset\n"))

    assert (type(error), error.message, error.notes) == (SessionLost, "the connection broke", ("Connection [31mreset",))


def test_tell_writes_a_request_without_waiting_for_an_answer():
    channel = MemoryChannel([])

    Conversation("alpha", channel, SHIPPED, Trip()).tell(ASKED)

    assert channel.written == [events.encode(ASKED).encode() + b"\n"]


def test_close_hangs_up():
    channel = MemoryChannel([])

    asyncio.run(Conversation("alpha", channel, SHIPPED, Trip()).close())

    assert channel.is_closed


@pytest.mark.parametrize("verb, is_cut", [("facts", True), ("fetch", False)])
def test_only_an_answer_that_brings_a_file_may_be_longer_than_any_other(monkeypatch, verb, is_cut):
    monkeypatch.setattr(stream, "MAX_ANSWER", 1000)
    channel = MemoryChannel([b"[SATURN] have\n", *[b"x" * 99 + b"\n"] * 20, b"[SATURN] end\n"])

    async def story() -> int:
        conversation = Conversation("alpha", channel, SHIPPED, Trip())
        return len([line async for line in conversation.ask(replace(ASKED, verb=verb))])

    if is_cut:
        with pytest.raises(SessionError) as caught:
            asyncio.run(story())
        assert caught.value.code == "flood"
    else:
        assert asyncio.run(story()) == 20
