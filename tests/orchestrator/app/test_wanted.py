from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support import build
from support.build import OLD
from support.repository import GitFolder

from saturn_orchestrator.app.wanted import Source
from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.plan.model import Wanted
from saturn_orchestrator.topology.model import Git


def made(folder: Path) -> tuple[GitFolder, str, str]:
    git = GitFolder(folder)
    first = git.commit("first", **{"services/web/compose.yaml": "one", "services/webby/compose.yaml": "one"})
    return (
        git,
        first,
        git.commit("second", **{"services/web/compose.yaml": "two", "services/webby/compose.yaml": "two"}),
    )


def test_wanted_is_the_tip_of_the_hosts_branch_and_what_lies_between(tmp_path):
    git, first, second = made(tmp_path)
    git.write("services/db/compose.yaml", "nobody committed this")
    host = build.host(services=(build.service("db"), build.service("web")))

    async def story() -> Wanted:
        source = await Source.of(build.topology(tmp_path, host), [host])
        assert source.revision == second
        return await source.wanted(host, first)

    assert asyncio.run(story()) == Wanted(
        second, "main", "second", 1, (("db", ()), ("web", ("services/web/compose.yaml",))), ("db",)
    )


@pytest.mark.parametrize("present", ["", OLD])
def test_what_lies_between_an_unknown_revision_and_the_tip_is_unknown(tmp_path, present):
    _, _, second = made(tmp_path)
    host = build.host()

    async def story() -> Wanted:
        return await (await Source.of(build.topology(tmp_path, host), [host])).wanted(host, present)

    assert asyncio.run(story()) == Wanted(second, "main", "second", None, None, ())


def test_every_host_follows_its_own_branch(tmp_path):
    git, first, second = made(tmp_path)
    git.git("branch", "stable", first)
    hosts = [build.host("alpha"), build.host("beta", git=Git(url="u", branch="stable"))]

    async def story() -> list[str]:
        source = await Source.of(build.topology(tmp_path, *hosts), hosts)
        return [(await source.wanted(host, first)).revision for host in hosts]

    assert asyncio.run(story()) == [second, first]


def test_a_branch_that_git_does_not_know_is_an_error(tmp_path):
    made(tmp_path)
    host = build.host(git=Git(url="u", branch="nothing"))

    with pytest.raises(RepositoryError, match="git knows no revision 'nothing'"):
        asyncio.run(Source.of(build.topology(tmp_path, host), [host]))
