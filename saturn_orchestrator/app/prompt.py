"""The prompts that go with a bundle: a person's own in the repository of their homelab, else the one saturn brings."""

from __future__ import annotations

from pathlib import Path

from saturn_orchestrator.app import sample
from saturn_orchestrator.errors import UsageError
from saturn_orchestrator.report.prompts import PLACEHOLDER, PLACEHOLDERS
from saturn_orchestrator.topology.spelling import near

RECOVER_NODE = "recover-node.md"
FOLDER = "docs/prompts"
"""Where a person's own prompts lie, from the root of the repository."""

MAX_BYTES = 32 * 1024


def recover_prompt(repository: Path) -> str:
    """The prompt for a bundle of one host.

    Raises:
        UsageError: the person's own cannot be read, is too long, or has no `{bundle}` (`prompt_unusable`).
    """
    own = repository / FOLDER / RECOVER_NODE
    file = own if own.exists() else sample.prompts() / RECOVER_NODE
    shown = f"{FOLDER}/{RECOVER_NODE}"
    try:
        data = file.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise _unusable(f"cannot be read: {error.strerror}", shown) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unusable("should be UTF-8 text", f"{shown}:{line}", "save the file as UTF-8") from error
    if len(data) > MAX_BYTES:
        raise _unusable(f"has {len(data):,} bytes, and {MAX_BYTES:,} at most fit beside a bundle", shown)
    needed = PLACEHOLDERS[0]
    if f"{{{needed}}}" not in text:
        raise _unusable(f"has no {{{needed}}}, so nothing of the host would be in it", *_nearest(text, shown))
    return text


def _nearest(text: str, shown: str) -> tuple[str, str]:
    """The line with a placeholder that nearly is the missing one, and what is meant; else the file's end."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for word in PLACEHOLDER.findall(line):
            if word not in PLACEHOLDERS and (hint := near(word, PLACEHOLDERS[:1])):
                return f"{shown}:{number}", hint
    return f"{shown}:{max(len(lines), 1)}", ""


def _unusable(why: str, place: str, hint: str = "") -> UsageError:
    remedy = hint or "put {bundle} on a line of its own, or remove the file to use saturn's own"
    return UsageError(f"the prompt {why}", code="prompt_unusable", place=place, hint=remedy)
