import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saturn_node.redaction import Redactor, node_redactor, printable

SECRET = "p@ss w\"rd'/ü$"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        "\x1b[31m".join(SECRET),
    ],
)
def test_redactor_finds_a_value_in_every_form(form):
    text = Redactor([("ANY", SECRET)]).redacted("before " + form + " after")
    assert "[redacted]" in text
    assert form not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


@pytest.mark.parametrize("user", ["a", "ab", "abc"])
def test_redactor_finds_a_password_inside_basic_authorisation(user):
    header = base64.b64encode(f"{user}:hunter2hunter2".encode()).decode()
    text = Redactor([("PASSWORD", "hunter2hunter2")]).redacted(header)
    assert "[redacted]" in text
    assert len(text) < len("[redacted]") + 9


@pytest.mark.parametrize(
    ("name", "value", "text", "expected"),
    [
        ("PIN", "12", "pin 12, port 123", "pin 12, port 123"),
        ("PIN", "12", "PIN=12 MY_PIN=12 PIN=123 PINS=12", "PIN=[redacted] MY_PIN=12 PIN=123 PINS=12"),
        ("PIN", "12", "-e PIN='12', PIN: 12", "-e PIN='[redacted]', PIN: [redacted]"),
        (
            "PORT",
            "1",
            '{"PORT": "1", "AT":"1"} {\\"PORT\\":\\"1\\"}',
            '{"PORT": "[redacted]", "AT":"1"} {\\"PORT\\":\\"[redacted]\\"}',
        ),
        ("PORT", "1", "PORT = 1; 1 is one", "PORT = [redacted]; 1 is one"),
        ("EXIT", "!?", "EXIT=!? !?", "EXIT=[redacted] !?"),
        ("EMPTY_KEY", "", "text", "text"),
        ("LONG", "abcdef", "abcd abcdef", "abcd [redacted]"),
        ("KEY", "line one\nline two", "said line two", "said [redacted]"),
    ],
)
def test_redactor_treats_short_and_long_values_apart(name, value, text, expected):
    assert Redactor([(name, value)]).redacted(text) == expected


@pytest.mark.parametrize("columns", [64, 76])
def test_a_long_value_is_found_in_base64_that_was_broken_into_lines(columns):
    key = "-----BEGIN KEY-----\n" + "\n".join(f"{number:04d}" * 16 for number in range(20)) + "\n-----END KEY-----"
    text = base64.b64encode(key.encode()).decode()
    redactor = Redactor([("KEY", key)])
    for start in range(0, len(text), columns):
        line = text[start : start + columns]
        if len(line) >= 8:
            assert len(redactor.redacted(line)) < len("[redacted]") + 4


def test_a_value_of_several_lines_is_found_in_a_url_and_in_json():
    value = "first line\nsecond & last"
    redactor = Redactor([("NOTE", value)])
    assert redactor.redacted("x=" + quote(value)) == "x=[redacted]"
    assert redactor.redacted("x=" + quote_plus(value)) == "x=[redacted]"
    assert redactor.redacted(json.dumps({"x": value})) == '{"x": "[redacted]"}'


def test_redactor_takes_the_longest_value_first():
    assert Redactor([("A", "pass"), ("B", "passphrase")]).redacted("passphrase") == "[redacted]"


def test_redactor_hides_credentials_of_a_url():
    assert Redactor().redacted("https://bob:t0ken@forge/x.git") == "https://[redacted]@forge/x.git"


def test_node_redactor_reads_every_service_env(tmp_path):
    for name, text in (("web", "A=alpha-value"), ("db", 'B="beta-value"')):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".env").write_text(text)
    assert node_redactor(str(tmp_path)).redacted("alpha-value beta-value") == "[redacted] [redacted]"


@pytest.mark.parametrize("printed", ["double $quoted value", "double $$quoted value", "plain#value", "single $$ value"])
def test_node_redactor_knows_a_value_as_compose_reads_it_and_as_it_is_written(tmp_path, printed):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / ".env").write_text("export A=\"double $$quoted value\"\r\nB=plain#value\nC='single $$ value'\n")
    assert node_redactor(str(tmp_path)).redacted(f"<{printed}>") == "<[redacted]>"


def test_printable_takes_escapes_out_and_keeps_newlines():
    assert printable("\x1b]0;title\x07a\x1b[2Jb\x9b\u202ec\n\td") == "abc\n\td"


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_redactor_never_lets_a_value_through(secret, before, after):
    value = printable(secret).strip()
    text = Redactor([("NAME", secret)]).redacted(before + secret + after)
    for line in value.splitlines():
        if len(line.strip()) >= 4 and line.strip() not in "[redacted]":
            assert line.strip() not in text.replace("[redacted]", "\0")
