import os

import pytest
from saturn_node.lines import LineReader, LineSplitter


def test_splitter_joins_pieces_and_keeps_the_unfinished_line():
    splitter = LineSplitter(100)
    assert splitter.feed(b"one\ntw") == ["one"]
    assert splitter.feed(b"o\n\nthree") == ["two", ""]
    assert splitter.rest() == "three"


def test_splitter_leaves_a_line_out_whole_rather_than_cut_a_secret_in_it():
    splitter = LineSplitter(3)
    assert splitter.feed(b"abcdef") == []
    assert splitter.feed(b"ghi\nxyz\n") == ["[a line of over 3 bytes]", "xyz"]


def test_splitter_replaces_bytes_that_are_no_text():
    assert LineSplitter(10).feed(b"\xff\n") == ["\ufffd"]


def test_reader_gives_early_lines_then_none_in_silence_then_the_last_line_without_newline():
    read, write = os.pipe()
    reader = LineReader(read, 100, b"early\npar")
    assert reader.next_line(0) == "early"
    assert (reader.next_line(0), reader.ended) == (None, False)
    os.write(write, b"tial\nlast")
    assert reader.next_line(1) == "partial"
    os.close(write)
    assert reader.next_line(1) == "last"
    assert (reader.next_line(1), reader.ended) == (None, True)
    os.close(read)


@pytest.mark.parametrize("early", [b"line\nbytes\nnext\n", b"line\nby", b"lin", b""])
def test_reader_gives_bytes_behind_a_line_as_they_are_and_lines_behind_those(early):
    read, write = os.pipe()
    os.write(write, b"line\nbytes\nnext\n"[len(early) :])
    os.close(write)
    reader = LineReader(read, 100, early)
    assert reader.next_line(1) == "line"
    told = b""
    while len(told) < 6:
        told += reader.next_bytes(6 - len(told), 1)
    assert (told, reader.next_line(1), reader.next_line(1)) == (b"bytes\n", "next", None)
    os.close(read)


def test_reader_gives_more_bytes_than_a_line_may_have_and_none_at_the_end():
    read, write = os.pipe()
    os.write(write, b"line\n" + b"\0" * 500)
    os.close(write)
    reader = LineReader(read, 10)
    assert reader.next_line(1) == "line"
    told = b"".join(iter(lambda: reader.next_bytes(200, 1), b""))
    assert (told, reader.next_bytes(1, 1), reader.ended) == (b"\0" * 500, b"", True)
    os.close(read)


def test_reader_gives_no_bytes_in_silence():
    read, write = os.pipe()
    reader = LineReader(read, 10)
    assert (reader.next_bytes(1, 0), reader.ended) == (b"", False)
    os.close(write)
    os.close(read)
