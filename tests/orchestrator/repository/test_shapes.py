from __future__ import annotations

import base64
import json

import pytest

from saturn_orchestrator.repository.shapes import ALLOW, SHAPES, Sighting, is_placeholder, sightings

# Every secret is put together here from pieces, so that this file holds none.
LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAbCdEfGhJkLmNpQrStUvWxYz2345678"
UPPER = LETTERS.upper()
HEX = "0123456789abcdef" * 12


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


JWT = ".".join((packed({"alg": "HS256", "typ": "JWT"}), packed({"iss": HEX[:32], "iat": 1, "exp": 2}), LETTERS[:43]))
TUNNEL = base64.b64encode(json.dumps({"a": HEX[:32], "t": HEX[:36], "s": LETTERS[:44]}, separators=(",", ":")).encode())
DISCORD = base64.b64encode(b"123456789012345678").decode() + "." + LETTERS[:6] + "." + LETTERS[:38]

TOKENS = {
    "a GitHub token (ghp_…)": "gh" + "p_" + LETTERS[:36],
    "a GitHub token (gho_…)": "gh" + "o_" + LETTERS[:36],
    "a GitHub token (ghs_…)": "gh" + "s_" + LETTERS[:36],
    "a GitHub token (gith…)": "github" + "_pat_" + LETTERS[:22] + "_" + LETTERS[:59],
    "a GitLab token (glpa…)": "gl" + "pat-" + LETTERS[:20],
    "a Slack token (xoxb…)": "xo" + "xb-123456789012-123456789012-" + LETTERS[:24],
    "a Slack token (xapp…)": "xa" + "pp-1-A0123456789-123456789012-" + HEX[:64],
    "an AWS access key (AKIA…)": "AK" + "IA" + UPPER[:16],
    "a Google API key (AIza…)": "AI" + "za" + LETTERS[:35],
    "a Stripe key (sk_l…)": "sk_" + "live_" + LETTERS[:24],
    "an OpenAI key (sk-p…)": "sk-" + "proj-" + LETTERS[:48],
    "an Anthropic key (sk-a…)": "sk-" + "ant-api03-" + LETTERS[:60],
    "a Telegram bot token (1234…)": "1234567890:" + "AA" + LETTERS[:33],
    "a Discord bot token (MTIz…)": DISCORD,
    "a Discord webhook (http…)": "https://discord.com/api/" + "webhooks/123456789012345678/" + LETTERS,
    "an npm token (npm_…)": "np" + "m_" + LETTERS[:36],
    "a PyPI token (pypi…)": "py" + "pi-AgEI" + LETTERS,
    "a JSON web token, as Home Assistant's long-lived ones are (eyJh…)": JWT,
    "a Tailscale key (tske…)": "ts" + "key-api-" + LETTERS[:12] + "-" + LETTERS[:32],
    "a Cloudflare token (cfut…)": "cf" + "ut_" + LETTERS[:40] + HEX[:8],
    "a Cloudflare key (v1.0…)": "v1" + ".0-" + HEX[:24] + "-" + HEX[:146],
    "a Cloudflare tunnel token (eyJh…)": TUNNEL.decode(),
    "a SendGrid key (SG.a…)": "S" + "G." + LETTERS[:22] + "." + LETTERS[:43],
    "a Twilio key (SK01…)": "S" + "K" + HEX[:32],
    "a Docker token (dckr…)": "dck" + "r_pat_" + LETTERS[:27],
    "a DigitalOcean token (dop_…)": "do" + "p_v1_" + HEX[:64],
    "a Hugging Face token (hf_a…)": "h" + "f_" + LETTERS[:34],
    "a Grafana token (glsa…)": "gl" + "sa_" + LETTERS[:32] + "_" + HEX[:8],
    "a 1Password service account (ops_…)": "op" + "s_eyJ" + LETTERS * 2,
}
KEYS = {
    "a private key": [
        "-----BEGIN " + kind + "PRIVATE KEY-----" for kind in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
    ],
    "a PuTTY private key": ["PuTTY-User-Key-" + "File-3: ssh-ed25519"],
    "an age private key": ["AGE-SECRET-" + "KEY-1" + UPPER[:58]],
    "a Tailscale auth key": ["ts" + "key-auth-" + LETTERS[:12] + "-" + LETTERS[:32]],
    "a WireGuard private key": ["PrivateKey = " + LETTERS[:43] + "=", "WIREGUARD_PRIVATE_KEY=" + LETTERS[:43] + "="],
}


@pytest.mark.parametrize(("kind", "secret"), TOKENS.items(), ids=TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "TOKEN={}", 'token: "{}"', "https://x:{}@host/", "-e A={} # y", "{{'a':'{}'}}"]
)
def test_sightings_know_a_token_wherever_it_stands(kind: str, secret: str, around: str):
    assert list(sightings("first line\n" + around.format(secret) + "\nlast")) == [Sighting(2, "token_committed", kind)]


@pytest.mark.parametrize(("kind", "secret"), [(kind, each) for kind, all_ in KEYS.items() for each in all_])
def test_sightings_know_a_private_key(kind: str, secret: str):
    assert list(sightings(f"a\nb\n{secret}\n")) == [Sighting(3, "private_key_committed", kind)]


def test_sightings_know_a_cloudflare_token_of_old_by_its_name():
    text = "CLOUDFLARE_" + "API_TOKEN=" + LETTERS[:40]
    assert list(sightings(text)) == [Sighting(1, "token_committed", "a Cloudflare token")]


def test_sightings_show_four_characters_of_a_token_and_none_of_a_key():
    for secret in TOKENS.values():
        assert [each.kind.partition("(")[2] for each in sightings(secret)] == [f"{secret[:4]}…)"]
    for secret in (each for every in KEYS.values() for each in every):
        assert [each.kind.partition("(")[2] for each in sightings(secret)] == [""]


@pytest.mark.parametrize("secret", [*TOKENS.values(), *(each for all_ in KEYS.values() for each in all_)])
def test_sightings_pass_over_a_line_that_allows_it_and_no_other(secret: str):
    allowed, plain = f"{secret}  # {ALLOW}", f"x={secret}"
    assert [each.line for each in sightings(f"{allowed}\n{plain}\n# {ALLOW}\n")] == [2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gh" + "p_" + "x" * 36,
        "AK" + "IAIOSFODNN7" + "EXAMPLE",
        "ts" + "key-auth-" + "xxxxxxxx",
        "ghp_ is how a token begins; sk-proj- another, and AKIA a third",
        "a" + "gh" + "p_" + LETTERS[:36],
        "PrivateKey = ${WIREGUARD_KEY}",
        "PUBLIC_KEY=" + LETTERS[:43] + "=",
        "-----BEGIN " + "PUBLIC KEY-----\n-----BEGIN " + "CERTIFICATE-----\n-----BEGIN AGE ENCRYPTED FILE-----",
        "sha256:" + HEX[:64] + " v1.0-rc1 MODULE.Config.something_that_is_long_enough_here",
        "image: ghcr.io/x/y@sha256:" + HEX[:64],
        "eyJ" + LETTERS + ".eyJ short",
    ],
)
def test_sightings_leave_what_is_no_secret_alone(text: str):
    assert list(sightings(text)) == []


@pytest.mark.parametrize(("word", "expected"), [("ghp_xxxx", True), ("ghp_****", True), ("ghp_xxx1", False)])
def test_is_placeholder_knows_what_documents_write(word: str, expected: bool):
    assert is_placeholder(word) is expected


def test_every_shape_is_tried_here():
    tried = [*TOKENS.values(), *(each for all_ in KEYS.values() for each in all_), "CF_" + "API_TOKEN=" + LETTERS[:40]]
    assert [shape.kind for shape in SHAPES if not any(shape.pattern.search(each) for each in tried)] == []
