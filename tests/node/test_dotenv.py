import pytest
from saturn_node.dotenv import parse


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
