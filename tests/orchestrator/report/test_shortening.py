from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.report.shortening import shares, shortened, shortened_parts, size_of

texts = st.text(st.sampled_from("ab \nä€=😀"), max_size=3000)


@given(texts, st.integers(0, 3000))
def test_what_is_short_stays_and_what_is_long_fits(text, size):
    short = shortened(text, size)

    assert short == text if size_of(text) <= size else size_of(short) <= size


@given(st.lists(st.integers(0, 1000), max_size=20), st.integers(0, 5000))
def test_shares_never_exceed_the_total_nor_a_size(sizes, total):
    given_each = shares(sizes, total)

    assert sum(given_each) <= total
    assert all(got <= size for got, size in zip(given_each, sizes, strict=True))
    assert sum(sizes) > total or list(given_each) == sizes


def test_of_a_log_the_end_stays_and_what_was_cut_is_said():
    lines = [f"line {number}" for number in range(1000)]

    short = shortened("\n".join(lines), 500)

    first, said, *rest = short.split("\n")
    assert first == "line 0"
    assert said.startswith("[… ")
    assert said.endswith(" bytes were cut here …]")
    assert rest == lines[-len(rest) :]


def test_the_longest_part_gives_way_first():
    text = "head\n=== disk\nfull\n=== log of a\n" + "chatter\n" * 5000 + "the last word\n=== git\nclean\n"

    short = shortened_parts(text, 2000)

    assert size_of(short) <= 2000
    for words in ("head\n", "=== disk\nfull\n", "=== log of a\n[… ", "the last word\n=== git\nclean\n"):
        assert words in short
    assert shortened_parts(text, 100_000) == text


def test_a_text_of_nothing_but_titles_is_cut_as_one():
    assert size_of(shortened_parts("=== x\n" * 10_000, 1000)) <= 1000
