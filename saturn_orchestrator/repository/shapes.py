"""What a secret looks like where its issuer gave it a fixed mark. Pure: text in, sightings out.

A shape is looked for only in a text that holds its mark, and its pattern is bounded, so that a large file without
secrets costs little more than reading it. Words that merely look random are not sought: see decision 18.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from saturn_orchestrator.records import dataclass

ALLOW = "saturn: allow-secret"
"""On the line of a made-up secret, in a comment or anywhere: it is meant to be there."""

_SHOWN = 4


@dataclass(frozen=True)
class Sighting:
    """A secret in a text. line: from 1. kind: in words, with the beginning of its mark at most."""

    line: int
    code: str
    kind: str


@dataclass(frozen=True)
class Shape:
    """One kind of secret. marks: one of them stands in every text that holds such a secret.

    is_marked: the secret itself begins with its mark, so that its beginning may be shown.
    is_real: tells by its content that what matched is one.
    """

    kind: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    code: str = "token_committed"
    is_marked: bool = True
    is_real: Callable[[str], bool] = lambda _: True


def sightings(text: str) -> Iterator[Sighting]:
    """Every secret in the text that no comment allows, in no particular order."""
    for shape in SHAPES:
        if not any(mark in text for mark in shape.marks):
            continue
        for found in shape.pattern.finditer(text):
            if is_placeholder(found.group()) or not shape.is_real(found.group()):
                continue
            if ALLOW in _line_at(text, found.start()):
                continue
            shown = f" ({found.group()[:_SHOWN]}…)" if shape.is_marked else ""
            yield Sighting(text.count("\n", 0, found.start()) + 1, shape.code, f"{shape.kind}{shown}")


def is_placeholder(word: str) -> bool:
    """Whether a document has it for an example: it says so, or is nothing but x, 0 and the like behind its mark."""
    body = re.split(r"[-_.:]", word)[-1]
    return "EXAMPLE" in word.upper() or (bool(body) and not set(body) - set("xX0*"))


def _line_at(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[text.rfind("\n", 0, position) + 1 : end if end >= 0 else len(text)]


def _is_discord_bot(word: str) -> bool:
    """Its first part is the bot's number in base64."""
    return _decoded(word.split(".")[0]).isdigit()


def _is_tunnel(word: str) -> bool:
    return b'"t"' in _decoded(word)


def _decoded(word: str) -> bytes:
    bare = word.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return b""


def _token(kind: str, pattern: str, *marks: str) -> Shape:
    """A word that begins with one of its marks, and is no part of a longer one."""
    return Shape(kind, marks, re.compile(rf"(?<!\w)(?:{pattern})", re.ASCII))


def _key(kind: str, pattern: str, *marks: str) -> Shape:
    return Shape(kind, marks, re.compile(pattern, re.ASCII), code="private_key_committed", is_marked=False)


SHAPES: tuple[Shape, ...] = (
    _key("a private key", r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----", "PRIVATE KEY"),
    _key("a PuTTY private key", r"PuTTY-User-Key-File-\d:", "PuTTY-User-Key-File-"),
    _key("an age private key", r"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{50,4000}", "AGE-SECRET-KEY-"),
    _key("a Tailscale auth key", r"\btskey-auth-[\w-]{8,200}", "tskey-auth-"),
    _key(
        "a WireGuard private key",
        r"(?i:private_?key)[\"']?[ \t]{0,20}[:=][ \t]{0,20}[\"']?[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])",
        "PrivateKey", "PRIVATE_KEY", "private_key", "privateKey", "PRIVATEKEY", "privatekey",
    ),
    _token("a GitHub token", r"gh[oprsu]_[A-Za-z0-9]{36,255}", "ghp_", "gho_", "ghr_", "ghs_", "ghu_"),
    _token("a GitHub token", r"github_pat_\w{36,255}", "github_pat_"),
    _token("a GitLab token", r"gl(?:pat|ptt|dt|rt|cbt)-[\w.-]{20,300}", "glpat-", "glptt-", "gldt-", "glrt-", "glcbt-"),
    _token("a Slack token", r"xox[abcdeoprs]-[A-Za-z0-9-]{10,250}", "xox"),
    _token("a Slack token", r"xapp-\d-[A-Za-z0-9-]{10,250}", "xapp-"),
    _token("an AWS access key", r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![\w+/=-])", "AKIA", "ASIA"),
    _token("a Google API key", r"AIza[\w-]{35}(?![\w-])", "AIza"),
    _token("a Stripe key", r"[rs]k_live_[A-Za-z0-9]{16,250}", "k_live_"),
    _token("an OpenAI key", r"sk-(?:proj|svcacct|admin)-[\w-]{20,300}", "sk-proj-", "sk-svcacct-", "sk-admin-"),
    _token("an Anthropic key", r"sk-ant-[\w-]{20,300}", "sk-ant-"),
    Shape("a Telegram bot token", (":AA",), re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{33}(?![\w-])", re.ASCII)),
    Shape(
        "a Discord bot token",
        (".",),
        re.compile(r"(?<![\w.-])[MNO][\w-]{22,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w.-])", re.ASCII),
        is_real=_is_discord_bot,
    ),
    _token(
        "a Discord webhook",
        r"https://(?:\w{1,10}\.)?discord(?:app)?\.com/api/webhooks/\d{15,22}/[\w-]{40,100}",
        "/api/webhooks/",
    ),
    _token("an npm token", r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])", "npm_"),
    _token("a PyPI token", r"pypi-[\w-]{50,1000}", "pypi-"),
    _token(
        "a JSON web token, as Home Assistant's long-lived ones are",
        r"eyJ[\w-]{8,1000}\.eyJ[\w-]{8,4000}\.[\w-]{20,1000}",
        "eyJ",
    ),
    _token("a Tailscale key", r"tskey-(?!auth-)[a-z]{2,20}-[\w-]{8,200}", "tskey-"),
    _token("a Cloudflare token", r"cf(?:k|ut|at)_[A-Za-z0-9]{40,60}(?!\w)", "cfk_", "cfut_", "cfat_"),
    _token("a Cloudflare key", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}", "v1.0-"),
    Shape(
        "a Cloudflare tunnel token",
        ("eyJhIjoi",),
        re.compile(r"(?<![\w+/-])eyJhIjoi[\w+/=-]{100,1000}", re.ASCII),
        is_real=_is_tunnel,
    ),
    Shape(
        "a Cloudflare token",
        ("API_TOKEN", "api_token", "API_KEY", "api_key", "apiToken", "ApiToken"),
        re.compile(
            r"(?i:\b(?:cf|cloudflare)\w{0,20}?api_?(?:token|key))[\"']?[ \t]{0,20}[:=][ \t]{0,20}[\"']?"
            r"(?:[\w-]{40}|[0-9a-f]{37})(?![\w-])",
            re.ASCII,
        ),
        is_marked=False,
    ),
    _token("a SendGrid key", r"SG\.[\w-]{22}\.[\w-]{43}(?![\w-])", "SG."),
    _token("a Twilio key", r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])", "SK", "AC"),
    _token("a Docker token", r"dckr_(?:pat|oat)_[\w-]{20,100}", "dckr_"),
    _token("a DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}", "_v1_"),
    _token("a Hugging Face token", r"hf_[A-Za-z0-9]{34}(?![A-Za-z0-9])", "hf_"),
    _token("a Grafana token", r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}", "glsa_"),
    _token("a 1Password service account", r"ops_eyJ[\w+/=-]{100,4000}", "ops_eyJ"),
)  # fmt: skip
"""Kinds that a homelab comes across, each by the form that its issuer documents."""
