import pytest
from hypothesis import given
from hypothesis import strategies as st
from saturn_node.dotenv import assignment, merged, parse


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# A=1\n\n", {}),
        ("A=1\nB = two words  \n", {"A": "1", "B": "two words"}),
        ("export A=1", {"A": "1"}),
        ("A=\"a $$ecret\"\nB=plain$$x\nC='single $$ v'", {"A": "a $ecret", "B": "plain$x", "C": "single $$ v"}),
        ("A: yaml-like", {"A": "yaml-like"}),
        ("A=x # comment\nB=x#not\nC=#empty", {"A": "x", "B": "x#not", "C": ""}),
        ("A='sin $gle # \\n'\n", {"A": "sin $gle # \\n"}),
        ('A="dou\\nble \\"q\\" # in"  # out\nB=2', {"A": 'dou\nble "q" # in', "B": "2"}),
        ('KEY="-----BEGIN\nabc=def\n-----END"\nB=2', {"KEY": "-----BEGIN\nabc=def\n-----END", "B": "2"}),
        ("A=\nB=2", {"A": "", "B": "2"}),
        (
            "A=base\nB=${A}/x\nC=$A\nD=${NONE:-other}\nE='${A}'",
            {"A": "base", "B": "base/x", "C": "base", "D": "other", "E": "${A}"},
        ),
        ("A=1\nA=2", {"A": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ],
)
def test_parse_reads_what_compose_reads(text, values):
    assert parse(text) == values


NASTY = [
    "plain",
    "with space",
    "#no comment",
    "a # b",
    "dollar $HOME ${X} $$",
    "single ' quote",
    'double " quote',
    "both ' and \"",
    "back\\slash",
    "ends in \\",
    "line\nbreak",
    "line\r\nbreak",
    "\ttab",
    " lead and trail ",
    "ünïcödé 😀",
    "=",
    "a=b",
    "'",
    '"',
    "`cmd`",
    "!bang",
    "%s",
    "{}",
    "$",
    "$$",
    "\\n",
    "\\$HOME",
]


@pytest.mark.parametrize("value", NASTY)
def test_what_is_written_is_what_is_read(value):
    assert parse(assignment("NAME", value)) == {"NAME": value}


@given(st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), min_size=1))
def test_any_value_comes_out_as_it_went_in(value):
    assert parse("A=1\n" + assignment("NAME", value) + "\nB=2\n") == {"A": "1", "NAME": value, "B": "2"}


def test_merging_keeps_comments_order_and_what_is_not_named():
    text = "# head\nA=1 # one\nexport B='two\nlines'\n\nC=3\n"
    assert merged(text, {"B": "new", "D": "4"}) == "# head\nA=1 # one\nB=new\n\nC=3\nD=4\n"


def test_merging_what_is_there_already_changes_nothing():
    text = 'A="1"   # as somebody wrote it\n'
    assert merged(text, {"A": "1"}) is text


def test_merging_mends_a_missing_end_of_line():
    assert merged("A=1", {"B": "2"}) == "A=1\nB=2\n"


@given(st.dictionaries(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.sampled_from(NASTY), max_size=4),
       st.dictionaries(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.sampled_from(NASTY), max_size=4))  # fmt: skip
def test_after_merging_the_new_values_hold_and_the_others_stay(before, after):
    text = "".join(assignment(name, value) + "\n" for name, value in before.items())
    assert parse(merged(text, after)) == {**before, **after}
