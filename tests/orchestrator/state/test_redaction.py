from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.state.redaction import Redaction, is_secret_name

# Put together from pieces, so that this file holds none.
GITHUB = "gh" + "p_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAbCdE"
BEGIN, END = "-----BEGIN " + "RSA PRIVATE KEY-----", "-----END " + "RSA PRIVATE KEY-----"
LINE = "MIIEpAIBAAKCAQEA7Qx0aB3dE5gH7jK9"
KEY = f"{BEGIN}\n{LINE}\n{LINE}\nAb==\n{END}"

passwords = st.text(st.sampled_from("aZ09-_+/=.:!%&*#$"), min_size=10, max_size=30).filter(
    lambda text: any(char.isdigit() for char in text) and text[0].isalnum() and text[-1].isalnum()
)


def redacted(text: str, *others: str, **known: str) -> str:
    return Redaction((text, *others), known.items()).redacted(text)


@pytest.mark.parametrize(
    "text, left",
    [
        ("MQTT_PASSWORD=two words", "MQTT_PASSWORD=[redacted]"),
        ("export API_TOKEN='a b'; ls", "export API_TOKEN='[redacted]'; ls"),
        ("user=ha password=abc1 err=refused", "user=ha password=[redacted] err=refused"),
        (r'{"password": "a\"b", "user": 1}', '{"password": "[redacted]", "user": 1}'),
        (r"{\"api_key\": \"abc\", \"x\": 1}", r"{\"api_key\": \"[redacted]\", \"x\": 1}"),
        ("  network_key: [1, 2, 3]", "  network_key: [redacted]"),
        ("api-1  | client_secret: a b", "api-1  | client_secret: [redacted]"),
        ("2026-11-26T16:10:02.123Z token: a b", "2026-11-26T16:10:02.123Z token: [redacted]"),
        ("apiKey=abc&page=2", "apiKey=[redacted]"),
        ('"auth": "dXNlcg=="', '"auth": "[redacted]"'),
        ("DB_PWD=abc", "DB_PWD=[redacted]"),
        ("https://ada:pw@forge/x.git", "https://[redacted]@forge/x.git"),
        ("https://ada:p@w@forge/x.git", "https://[redacted]@forge/x.git"),
        ("https://tok@forge/x.git", "https://[redacted]@forge/x.git"),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic [redacted]"),
        ('-H "authorization: Bearer abc" x', '-H "authorization: Bearer [redacted]" x'),
        ("sent Bearer abcdefghijklmnop1234", "sent Bearer [redacted]"),
        ("Set-Cookie: a=b; c=d", "Set-Cookie: [redacted]"),
        (f"it is {GITHUB}.", "it is [redacted]."),
        (f"{GITHUB} # saturn: allow-secret", "[redacted] # saturn: allow-secret"),
        (KEY, "[redacted]"),
        (f"a {KEY.replace(chr(10), chr(92) + 'n')} b", "a [redacted] b"),
        ("\n".join(f"2026Z {line}" for line in KEY.split("\n")), "2026Z [redacted]"),
        (f"{LINE}\n{LINE}\n{END}\nafter", "[redacted]\nafter"),
        (f"expected {BEGIN} here\na line of a log", "expected [redacted]\na line of a log"),
    ],
)  # fmt: skip
def test_what_stands_or_looks_like_a_secret_is_taken_out(text, left):
    assert redacted(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "ssh://git@forge/homelab.git", "PWD=/root", "key: services.web", "TOKEN=${TOKEN}", "PASSWORD=[redacted]",
        "password authentication failed for user x: y", "host key: SHA256:abc", "error[token_committed]: found",
        "Passed: 3", "sha256:" + "0123456789abcdef" * 4, "/opt/homelab/logs/deploy/deploy_20261126T170009Z.log",
        "bearer of news", "the token is empty", "PASSWORD=",
    ],
)  # fmt: skip
def test_ordinary_words_stay(text):
    assert redacted(text) == text


@given(passwords)
def test_a_value_that_is_assigned_somewhere_is_found_everywhere(password):
    text = "\n".join(
        (
            f"it opened with {password} today", f"url?x={quote(password, safe='')}", json.dumps({"said": password}),
            *(base64.b64encode(b"\0" * shift + password.encode()).decode() for shift in range(3)),
        )
    )  # fmt: skip

    cleaned = redacted(text, f"PANEL_PASSWORD={password}")

    assert password not in cleaned
    for shift in range(3):
        assert base64.b64encode(b"\0" * shift + password.encode()).decode()[4:-4] not in cleaned


@given(passwords)
def test_a_value_that_saturn_knows_is_found_without_any_name(password):
    assert password not in redacted(f"it is {password}, twice {password}", NAME=password)


def test_a_secret_inside_of_base64_is_found():
    coded = base64.b64encode(b'{"user": "ada", "password": "hunter2"}').decode()

    cleaned = Redaction((coded,))

    assert cleaned.redacted(f"auth={coded} x") == "auth=[redacted] x"
    assert cleaned.counts["encoded"] == 1


def test_names_are_kept_though_they_stand_behind_a_secret_name():
    cleaned = Redaction(("secret_name: zigbee2mqtt",), (("X", "chelsty"),), names=("zigbee2mqtt", "chelsty"))

    assert cleaned.redacted("zigbee2mqtt on chelsty") == "zigbee2mqtt on chelsty"


def test_words_of_a_sentence_are_not_looked_for_elsewhere():
    assert redacted("authentication failed", "token: authentication failed") == "authentication failed"


def test_what_was_taken_out_is_counted_by_kind():
    text = f"A_TOKEN=abc\nhttps://a:b@c/\n{GITHUB}\n{KEY}\nAuthorization: x\nfree v4lue-known"
    cleaned = Redaction((text,), (("X", "v4lue-known"),))
    cleaned.redacted(text)

    assert dict(cleaned.counts) == {
        "assignment": 1, "URL": 1, "token": 1, "private key": 1, "header": 1, "value": 1,
    }  # fmt: skip


@given(st.text(max_size=300))
def test_nothing_raises_and_lines_never_grow(text):
    assert redacted(text).count("\n") <= text.count("\n")


def test_secret_names_are_known_by_their_words():
    assert [name for name in ("MQTT_PASSWORD", "GITHUB_TOKEN", "API_KEY", "apiKey") if not is_secret_name(name)] == []
    assert [name for name in ("PATH", "PWD", "HOME", "MONKEY", "LANG", "KEYBOARD") if is_secret_name(name)] == []
