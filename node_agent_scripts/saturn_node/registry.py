"""What a registry tells of an image that is not on the node: how much there is to download. Asked only for a plan.

Every answer may fail to come (no network, no login, an old docker); then the size is not known, and nothing else.
"""

from __future__ import annotations

import json
import time
from typing import Any, Iterable, Mapping

from . import compose, proc
from .errors import NodeError
from .wire import NodeOrder

UNKNOWN = -1
PATIENCE_S = 15.0
"""What all images of a plan may take together: a person waits for it."""


def sizes(order: NodeOrder, images: Iterable[str]) -> dict[str, int]:
    """Bytes to download of each image, UNKNOWN where nobody tells. Layers that the node has already count, too."""
    deadline = time.monotonic() + PATIENCE_S
    wanted = sorted(set(images))
    platform = _platform(order) if wanted else {}
    return {image: _size(order, image, platform, deadline) for image in wanted}


def _platform(order: NodeOrder) -> dict[str, str]:
    """What the engine runs, in the words of an image index: `os` and `architecture`."""
    words = ("version", "--format", "{{.Server.Os}} {{.Server.Arch}}")
    told = proc.run((*compose.docker_of(order.compose), *words), timeout_s=compose.ASK_TIMEOUT_S).stdout.split()
    return {"os": told[0], "architecture": told[1]} if len(told) == 2 else {}


def _size(order: NodeOrder, image: str, platform: Mapping[str, str], deadline: float) -> int:
    manifest = _manifest(order, image, deadline)
    digest = chosen(manifest, platform)
    if digest:
        manifest = _manifest(order, f"{without_tag(image)}@{digest}", deadline)
    return size_of(manifest)


def _manifest(order: NodeOrder, image: str, deadline: float) -> Mapping[str, Any]:
    """The manifest or the index of an image (docker-manifest(1)); empty when nobody tells it in time."""
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        return {}
    try:
        asked = proc.run((*compose.docker_of(order.compose), "manifest", "inspect", image), timeout_s=left_s)
        answer = json.loads(asked.stdout) if asked.ok else {}
    except (NodeError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def chosen(index: Mapping[str, Any], platform: Mapping[str, str]) -> str:
    """The digest of the manifest in an index that suits the platform; "" when it is no index, or none suits. Pure."""
    for each in index.get("manifests") or ():
        told = each.get("platform") or {}
        if platform and all(told.get(key) == value for key, value in platform.items()):
            return str(each.get("digest", ""))
    return ""


def size_of(manifest: Mapping[str, Any]) -> int:
    """What the layers of a manifest weigh, compressed as they are downloaded; UNKNOWN when it has none. Pure."""
    layers = manifest.get("layers") or ()
    weights = [each.get("size") for each in layers if isinstance(each, dict)]
    known = [each for each in weights if isinstance(each, int) and each >= 0]
    return sum(known) if known and len(known) == len(weights) else UNKNOWN


def without_tag(image: str) -> str:
    """The name that a digest may be put behind: `registry:5000/app:1.2` is `registry:5000/app`."""
    name = image.partition("@")[0]
    place, slash, last = name.rpartition("/")
    return f"{place}{slash}{last.partition(':')[0]}"
