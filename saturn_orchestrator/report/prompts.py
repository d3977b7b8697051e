"""The prompt around a bundle: what it may hold in braces, and filling it in. Pure, and no rich."""

from __future__ import annotations

import re
from collections.abc import Mapping

PLACEHOLDERS = ("bundle", "commands", "host", "run")
"""What is filled in; the first must be there. Anything else in braces is left as it is."""

PLACEHOLDER = re.compile(r"\{([a-z_]{1,40})\}")


def filled(prompt: str, values: Mapping[str, str]) -> str:
    """The prompt with its placeholders filled in, once: what a value holds in braces stays."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found.group()), prompt)
