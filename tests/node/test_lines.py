import os

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
