from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from support import build
from support.build import OLD
from support.repository import GitFolder, counting_git

from saturn_orchestrator.app.wanted import STEPS, Source
from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.plan.model import Step, Wanted
from saturn_orchestrator.topology.model import Git, Host


def made(folder: Path) -> tuple[GitFolder, str, str]:
    git = GitFolder(folder)
    first = git.commit("first", **{"services/web/compose.yaml": "one", "services/webby/compose.yaml": "one"})
    return (
        git,
        first,
        git.commit("second", **{"services/web/compose.yaml": "two", "services/webby/compose.yaml": "two"}),
    )


def wanted_of(folder: Path, host: Host, present: str, revision: str = "") -> Wanted:
    async def story() -> Wanted:
        return await (await Source.of(build.topology(folder, host), [host])).wanted(host, present, revision)

    return asyncio.run(story())


def test_wanted_is_the_tip_of_the_hosts_branch_and_what_lies_between(tmp_path):
    git, first, second = made(tmp_path)
    git.write("services/db/compose.yaml", "nobody committed this")
    host = build.host(services=(build.service("db"), build.service("web")))

    async def story() -> Wanted:
        source = await Source.of(build.topology(tmp_path, host), [host])
        assert source.revision == second
        return await source.wanted(host, first)

    assert asyncio.run(story()) == Wanted(
        second, "main", "second", 1, (Step(second, "ada@saturn", "second"),),
        moved=(("db", ()), ("web", ("services/web/compose.yaml",))), uncommitted=("db",),
    )  # fmt: skip


@pytest.mark.parametrize("present", ["", OLD])
def test_what_lies_between_an_unknown_revision_and_the_tip_is_unknown(tmp_path, present):
    _, _, second = made(tmp_path)

    assert wanted_of(tmp_path, build.host(), present) == Wanted(second, "main", "second")


def test_the_newest_steps_are_told_and_the_others_counted(tmp_path):
    git, _, second = made(tmp_path)
    later = [git.commit(f"step {number}") for number in range(STEPS + 2)]

    wish = wanted_of(tmp_path, build.host(), second)

    assert wish.commits == STEPS + 2
    assert [step.revision for step in wish.steps] == later[::-1][:STEPS]


def test_commits_that_the_wanted_revision_lacks_are_left(tmp_path):
    git, first, second = made(tmp_path)
    git.git("reset", "-q", "--hard", first)

    wish = wanted_of(tmp_path, build.host(), second)

    assert (wish.revision, wish.commits, wish.steps, wish.left) == (first, 0, (), 1)
    assert wish.moved == (("web", ("services/web/compose.yaml",)),)


@pytest.mark.parametrize("source, unpushed", [("auto", 2), ("origin", 2), ("saturn", 0)])
def test_commits_that_origin_lacks_are_unpushed_unless_it_is_never_asked(tmp_path, source, unpushed):
    git, _, second = made(tmp_path)
    git.git("update-ref", "refs/remotes/origin/main", second)
    git.commit("third")
    git.commit("fourth")

    host = build.host(git=Git(url="u", source=source))

    assert wanted_of(tmp_path, host, second).unpushed == unpushed


def test_nothing_is_unpushed_when_origin_is_not_known_here(tmp_path):
    _, _, second = made(tmp_path)

    assert wanted_of(tmp_path, build.host(), second).unpushed == 0


def test_a_former_revision_may_be_wanted_instead(tmp_path):
    _, first, second = made(tmp_path)

    wish = wanted_of(tmp_path, build.host(), second, first)

    assert (wish.revision, wish.subject, wish.commits, wish.left) == (first, "first", 0, 1)


def test_a_former_revision_that_git_here_does_not_know_is_wanted_without_its_story(tmp_path):
    _, _, second = made(tmp_path)

    assert wanted_of(tmp_path, build.host(), second, OLD) == Wanted(OLD, "main")


def test_a_named_revision_goes_before_the_branch(tmp_path):
    git, first, second = made(tmp_path)
    git.git("tag", "v1", first)
    hosts = [build.host("alpha"), build.host("beta")]

    async def story() -> list[str]:
        source = await Source.of(build.topology(tmp_path, *hosts), hosts, {"alpha": "v1"})
        return [source.revision_of(host) for host in hosts]

    assert asyncio.run(story()) == [first, second]


def diff_of(folder: Path, folders: list[str], before: str, after: str) -> str:
    async def story() -> str:
        source = await Source.of(build.topology(folder, build.host()), [build.host()])
        return await source.diff(build.plan(revision_before=before, revision_after=after), folders)

    return asyncio.run(story())


def test_a_diff_is_of_the_hosts_own_folders(tmp_path):
    _, first, second = made(tmp_path)

    told = diff_of(tmp_path, ["services/web"], first, second).splitlines()

    assert [line for line in told if line.startswith(("diff ", "-", "+"))] == [
        "diff --git a/services/web/compose.yaml b/services/web/compose.yaml",
        "--- a/services/web/compose.yaml", "+++ b/services/web/compose.yaml", "-one", "+two",
    ]  # fmt: skip


def test_a_diff_of_a_first_deploy_is_all_that_is_there(tmp_path):
    _, first, _ = made(tmp_path)

    told = diff_of(tmp_path, ["services/web"], "", first).splitlines()

    assert [line for line in told if line.startswith(("new file", "-", "+"))] == [
        "new file mode 100644", "--- /dev/null", "+++ b/services/web/compose.yaml", "+one",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "folders, before, said",
    [
        (["services/db"], "", "no file of alpha's services differs\n"),
        ([], "", "no file of alpha's services differs\n"),
        (["services/web"], OLD, "SATURN does not know commit aaaaaaaa of alpha, so it cannot tell what differs\n"),
    ],
)
def test_a_diff_that_shows_nothing_says_why(tmp_path, folders, before, said):
    _, first, second = made(tmp_path)

    assert diff_of(tmp_path, folders, before or first, second) == said


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


# --- several errors, and how often git is started ---------------------------------------------------------------------


def test_of_several_errors_the_first_is_told_and_none_is_left_behind(tmp_path):
    folder = made(tmp_path)[0].folder / "lab"
    folder.mkdir()
    hosts = [build.host(name, git=Git(url="u", branch=name)) for name in ("alpha", "beta")]

    def error_at(place: Path) -> str:
        with pytest.raises(RepositoryError) as caught:
            asyncio.run(Source.of(build.topology(place, *hosts), hosts))
        return f"{caught.value.code}: {caught.value.message}"

    found = [error_at(tmp_path), error_at(folder)]
    gc.collect()  # a task whose error nobody took would say so now, which pytest takes for an error

    assert found == [
        "revision_unknown: git knows no revision 'alpha'",
        "not_the_root: inventory/ must lie at the root of its git repository",
    ]


def test_a_folder_outside_of_a_repository_is_an_error(tmp_path):
    with pytest.raises(RepositoryError) as caught:
        asyncio.run(Source.of(build.topology(tmp_path, build.host()), [build.host()]))

    assert caught.value.code == "not_a_repository"


def test_a_machine_without_git_is_an_error(tmp_path, monkeypatch):
    made(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RepositoryError) as caught:
        asyncio.run(Source.of(build.topology(tmp_path, build.host()), [build.host()]))

    assert caught.value.code == "no_git"


def test_hosts_of_one_branch_take_four_gits_that_do_not_wait_for_one_another(tmp_path, monkeypatch):
    git, _, second = made(tmp_path)
    git.git("update-ref", "refs/remotes/origin/main", second)
    hosts = [build.host("alpha"), build.host("beta")]
    log = counting_git(tmp_path / "bin", monkeypatch)

    asyncio.run(Source.of(build.topology(tmp_path, *hosts), hosts))

    assert sorted(line.split(" ")[4] for line in log.read_text().splitlines()) == [
        "log", "rev-list", "rev-parse", "status",
    ]  # fmt: skip
