from __future__ import annotations

import pytest
from support import build

from saturn_orchestrator.events import ImageChange
from saturn_orchestrator.plan.model import Action, Change, HostPlan
from saturn_orchestrator.plan.way import LARGE, way_warnings
from saturn_orchestrator.tailnet.model import Path

DERP = Path("derp", "fra")
SLOW = "alpha is reached only by DERP fra, which is slow"


def pulling(*images: ImageChange, sent: int = 0) -> HostPlan:
    return build.plan(
        changes=(Change("web", Action.RECREATE, images=images), Change("db", Action.UNCHANGED)), sent=sent
    )


def image(name: str, size: int, after_id: str = "") -> ImageChange:
    return ImageChange("web", "app:1", name, "sha256:1", after_id, size)


@pytest.mark.parametrize(
    "link, path, words",
    [
        ("stable", Path(), ()),
        ("stable", Path("direct", "10.0.0.3:41641"), ()),
        ("intermittent", Path("peer_relay", "10.0.0.9:7777:vni:1"), ()),
        ("metered", Path(), ("the link of alpha is metered: up to 480 MB to pull",)),
        ("stable", DERP, (f"{SLOW}: up to 480 MB to pull",)),
        (
            "metered",
            DERP,
            (f"the link of alpha is metered and {SLOW}: up to 480 MB to pull",),
        ),
    ],
)
def test_a_large_pull_over_a_slow_or_metered_way_is_said(link, path, words):
    assert way_warnings(pulling(image("app:2", 480_000_000)), link, path) == words


@pytest.mark.parametrize(
    "plan, words",
    [
        (pulling(), ""),
        (pulling(image("app:2", LARGE - 1)), ""),
        (pulling(image("app:2", LARGE), image("app:2", LARGE)), "up to 50 MB to pull"),
        (pulling(image("app:2", LARGE // 2), image("app:3", LARGE // 2)), "up to 50 MB to pull"),
        (pulling(image("app:2", 480_000_000, "sha256:there-already")), ""),
        (pulling(image("app:2", -1)), "1 image of unknown size to pull"),
        (pulling(image("app:2", -1), image("app:3", 0)), "2 images of unknown size to pull"),
        (pulling(image("app:2", -1), image("app:3", LARGE)), "up to 50 MB to pull, 1 image of unknown size to pull"),
        (pulling(sent=LARGE - 1), ""),
        (pulling(sent=80_000_000), "80 MB of git to send"),
    ],
)
def test_what_is_little_is_not_worth_a_word(plan, words):
    found = way_warnings(plan, "metered", Path())

    assert found == ((f"the link of alpha is metered: {words}",) if words else ())
