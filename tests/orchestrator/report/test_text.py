from __future__ import annotations

import io
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.console import Group as RichGroup
from support.report_values import screen_of

from saturn_orchestrator.report.style import show, unbroken, verbatim
from saturn_orchestrator.report.tables import FirstFitting, table
from saturn_orchestrator.report.text import Group, Text

WORDS = st.text(alphabet="ab-. ✔…表\né", max_size=60)
TEXTS = st.builds(Text, WORDS, no_wrap=st.booleans(), overflow=st.sampled_from(("", "ellipsis", "ignore"))) | st.builds(
    lambda one, other: Text(one).append_text(Text(other, "bold")), WORDS, WORDS
)
CELLS = st.text(alphabet="ab -✔表", max_size=12)


def by_rich(*things: object, width: int) -> str:
    stream = io.StringIO()
    screen = Console(file=stream, width=width, height=25, force_terminal=False, force_jupyter=False, _environ={})
    for each in things:
        screen.print(RichGroup(each), crop=False)
    return stream.getvalue()


def coloured(thing: object, width: int) -> str:
    stream = io.StringIO()
    Console(
        file=stream, width=width, height=25, force_terminal=True, color_system="standard", force_jupyter=False,
        _environ={},
    ).print(thing, crop=False)  # fmt: skip
    return stream.getvalue()


def by_us(*things: object, width: int) -> str:
    stream = io.StringIO()
    show(screen_of(stream, width), *things)
    return stream.getvalue()


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4), st.integers(3, 40))
def test_a_page_holds_byte_for_byte_what_rich_would_write(texts, width):
    assert by_us(Group(*texts), width=width) == by_rich(*texts, width=width)
    assert by_us(Group(*texts), width=width) == by_rich(Group(*texts), width=width)


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from(("", "bold", "cyan"))), max_size=4), st.integers(3, 40))
def test_a_group_on_a_terminal_is_what_rich_makes_of_its_texts(words, width):
    texts = [Text(plain, style) for plain, style in words]
    assert coloured(Group(*texts), width) == coloured(RichGroup(*(each.__rich__() for each in texts)), width)


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5), st.integers(12, 60), st.integers(2, 9))
def test_a_table_on_a_page_is_the_one_that_rich_would_draw(rows, width, fold):
    cells = [dict(zip(("host", "status", "revision"), row, strict=True)) for row in rows]
    tables = FirstFitting(
        (
            table(("host", "status", "revision"), cells),
            table(("host", "status"), cells, folded={"host": fold}),
            table(("status",), cells),
        )
    )
    assert by_us(tables, width=width) == by_rich(tables, width=width)


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_a_joined_text_is_to_rich_what_rich_would_join(texts):
    joined = Text("; ", "dim").join(texts).__rich__()
    theirs = Text("; ", "dim").__rich__().join(each.__rich__() for each in texts)
    assert (joined.plain, joined.spans) == (theirs.plain, theirs.spans)


@pytest.mark.parametrize("made", [verbatim, unbroken])
def test_a_page_needs_no_rich(made):
    program = (
        "import sys; from saturn_orchestrator.report.style import console, show, unbroken, verbatim\n"
        f"show(console(sys.stdout, width=20), {made.__name__}('✔ changed, and many words behind it'))\n"
        "print('rich' in sys.modules)"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
