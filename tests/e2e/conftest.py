"""The fleet for the end-to-end tests, and a visible word when this machine cannot carry one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fleet import Fleet, leftovers
from support.fleet.requirements import COMMAND, are_required, missing
from support.world import World

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("skipped") and (sentences := missing()) and not are_required():
        told = f"end-to-end tests did NOT run ({'; '.join(sentences)}); run `{COMMAND}`"
        terminalreporter.write_line(f"WARNING: {told}", yellow=True, bold=True)


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """The hosts chelsty, solaria and vps with the forge, one fleet for the whole run."""
    sentences = missing()
    if sentences and are_required():
        pytest.fail("\n".join(sentences), pytrace=False)
    if sentences:
        pytest.skip("; ".join(sentences))
    with Fleet(leftovers.own_folder(), ("chelsty", "solaria", "vps")) as running:
        yield running


@pytest.fixture
def hosts(fleet: Fleet) -> Fleet:
    """The fleet with every host, and the forge, as they were at the start."""
    fleet.reset()
    return fleet


@pytest.fixture
def world(hosts: Fleet, tmp_path: Path) -> World:
    """A person's homelab on the fleet: five services on three hosts, pushed to the forge, deployed nowhere."""
    return World(hosts, tmp_path)
