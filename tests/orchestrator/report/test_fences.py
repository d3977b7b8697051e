from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from saturn_orchestrator.events import neutral
from saturn_orchestrator.report.fences import RUN_MAX, fenced, span

hostile = st.lists(
    st.sampled_from(
        ("`", "```", "````", "~~~", "\n", "\r", "\u2028", "\x1b[2J", "# x", "    ", "> ", "<b>", "|", "\\", "a")
    )
    | st.text(max_size=4),
    max_size=40,
).map("".join)


@given(hostile)
def test_a_block_is_one_block_and_holds_the_text(text):
    tokens = MarkdownIt("commonmark").parse(f"before\n\n{fenced(text)}\nafter\n")

    kinds = [token.type for token in tokens if token.type not in {"inline", "paragraph_open", "paragraph_close"}]
    (block,) = (token for token in tokens if token.type == "fence")
    assert kinds == ["fence"]
    assert [token.content for token in tokens if token.type == "inline"] == ["before", "after"]
    assert block.content.rstrip("\n") == neutral(text, "\n").rstrip("\n")


@given(hostile)
def test_a_span_is_one_cell_of_a_table(text):
    tokens = MarkdownIt("commonmark").enable("table").parse(f"| a | b |\n| - | - |\n| {span(text)} | x |\n\nafter\n")

    cells = [token for token in tokens if token.type == "inline"]
    assert [cell.content for cell in cells][-2:] == ["x", "after"]
    assert len(cells) == 5
    kinds = [child.type for child in cells[2].children]
    assert kinds == (["code_inline"] if neutral(text).strip() else ["text"])


def test_a_fence_is_longer_than_any_run_inside_and_does_not_outgrow_the_text():
    assert fenced("a ```` b") == "`````text\na ```` b\n`````\n"
    assert fenced("") == "```text\n\n```\n"
    assert len(fenced("`" * 100_000)) < 4 * RUN_MAX


def test_a_span_keeps_its_words_in_one_line():
    assert [span(each) for each in ("", "a|b", "a\n b", "`a`", "a``b")] == [
        "-",
        "`a¦b`",
        "`a b`",
        "`` `a` ``",
        "```a``b```",
    ]
