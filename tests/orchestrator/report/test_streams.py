from __future__ import annotations

import io
import os

import pytest

from saturn_orchestrator.report.streams import is_unread
from saturn_orchestrator.report.style import console, show, verbatim


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_an_old_terminal_gets_stand_ins_of_the_same_width(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    show(console(stream, environ={}, width=80), verbatim("✔ ✘ … | 表 |"))
    stream.flush()
    assert (
        raw.getvalue()
        == {
            "ascii": b"+ x . | ?? |\n",
            "latin-1": b"+ x . | ?? |\n",
            "cp437": b"+ x . | ?? |\n",
        }[encoding]
    )


def test_lone_surrogates_do_not_break_a_utf8_screen():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    show(console(stream, environ={}, width=80), "caf\udce9 é")
    stream.flush()
    assert raw.getvalue() == "caf? é\n".encode()


def test_a_reader_that_left_is_noticed_without_writing():
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        assert not is_unread(stream)
        os.close(reader)
        assert is_unread(stream)
    assert not is_unread(io.StringIO())
