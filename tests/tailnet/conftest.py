"""One tailnet for all of these tests, and a visible word when this machine cannot carry one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleet import leftovers
from support.fleet.requirements import missing
from support.tailnet import Tailnet
from support.tailnet.requirements import absent
from support.tailnet.world import HOSTS, TailnetWorld

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.tailnet)


@pytest.fixture(scope="session")
def running() -> Iterator[Tailnet]:
    """SATURN and the nodes chelsty, solaria and vps on one tailnet."""
    sentences = [*missing(), *(f"{name} is not on PATH" for name in absent())]
    if sentences and os.environ.get("SATURN_TAILNET") == "required":
        pytest.fail("\n".join(sentences), pytrace=False)
    if sentences:
        pytest.skip("; ".join(sentences))
    with Tailnet(leftovers.own_folder(), HOSTS) as tailnet:
        yield tailnet


@pytest.fixture
def tailnet(running: Tailnet) -> Tailnet:
    """The tailnet with every host as it was at the start, and every login allowed."""
    running.reset()
    return running


@pytest.fixture
def world(tailnet: Tailnet, tmp_path: Path) -> TailnetWorld:
    """A person's homelab on the tailnet, deployed nowhere."""
    return TailnetWorld(tailnet, tmp_path)
