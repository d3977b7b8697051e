"""Where prepared parts are kept between runs, and what counts as one of them. Nothing here prepares anything."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
PLUGIN = "docker-compose"
PLUGIN_FOLDERS = (
    Path("/usr/libexec/docker/cli-plugins"),
    Path("/usr/lib/docker/cli-plugins"),
    Path("/usr/local/libexec/docker/cli-plugins"),
    Path("/usr/local/lib/docker/cli-plugins"),
)


def fleet_cache() -> Path:
    """Return the folder of the fleet's prepared parts: $SATURN_FLEET_CACHE, else .cache/fleet in the checkout."""
    named = os.environ.get("SATURN_FLEET_CACHE")
    return Path(named) if named else CHECKOUT / ".cache" / "fleet"


def python_cache() -> Path:
    """Return the folder of Debian bullseye's Python 3.9."""
    return CHECKOUT / ".cache" / "python3.9"


def compose_plugin() -> Path | None:
    """Return the Compose v2 plugin to give to hosts: the machine's own, else the cached one, else None."""
    found = (folder / PLUGIN for folder in (*PLUGIN_FOLDERS, fleet_cache()))
    return next((plugin for plugin in found if plugin.exists()), None)
