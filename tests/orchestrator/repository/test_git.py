"""Questions to a real git."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.build import OLD
from support.repository import GitFolder, counting_git

from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.repository import Commit, Distance, Repository, revision_names
from saturn_orchestrator.repository.git import Layout

WEB = "services/web/compose.yaml"


def error_of(question: object) -> RepositoryError:
    with pytest.raises(RepositoryError) as caught:
        asyncio.run(question)
    return caught.value


def made(folder: Path) -> tuple[GitFolder, str, str]:
    """A repository with two commits, and their revisions."""
    git = GitFolder(folder)
    first = git.commit("first", **{WEB: "one", "README.md": "read"})
    second = git.commit("second: größer", **{WEB: "two", "services/db/compose ä.yaml": "one"})
    return git, first, second


@pytest.mark.parametrize("name", ["main", "HEAD", "v1", "{second}", "{short}"])
def test_resolve_gives_the_commit_that_a_name_stands_for(tmp_path, name):
    git, _, second = made(tmp_path)
    git.git("tag", "v1")

    commit = asyncio.run(Repository(tmp_path).resolve(name.format(second=second, short=second[:10])))

    assert commit == Commit(second, "second: größer")


@pytest.mark.parametrize("name", ["nothing", "--all", "-n1", "main:README.md", ""])
def test_resolve_refuses_what_names_no_commit(tmp_path, name):
    made(tmp_path)

    error = error_of(Repository(tmp_path).resolve(name))

    assert (error.code, error.notes[0]) == ("revision_unknown", "local branches: main")


def test_resolve_in_an_empty_repository_says_that_nothing_was_committed(tmp_path):
    GitFolder(tmp_path)

    assert error_of(Repository(tmp_path).resolve("main")).notes[0] == "nothing has been committed yet"


def test_resolve_outside_of_a_repository_says_so(tmp_path):
    error = error_of(Repository(tmp_path).resolve("main"))

    assert (error.code, error.place) == ("not_a_repository", str(tmp_path))


def test_check_root_refuses_a_folder_further_down(tmp_path):
    made(tmp_path)
    (tmp_path / "lab" / "inner").mkdir(parents=True)

    asyncio.run(Repository(tmp_path).check_root())
    error = error_of(Repository(tmp_path / "lab" / "inner").check_root())

    assert (error.code, "out of lab/inner/" in error.hint) == ("not_the_root", True)


def test_distance_is_how_many_commits_each_has_that_the_other_lacks(tmp_path):
    git, first, second = made(tmp_path)
    git.git("checkout", "-q", "-b", "elsewhere", first)
    git.commit("a change of its own")
    third = git.commit("another one")
    repository = Repository(tmp_path)

    assert asyncio.run(repository.distance(first, second)) == Distance(behind=1, ahead=0)
    assert asyncio.run(repository.distance(second, second)) == Distance(behind=0, ahead=0)
    assert asyncio.run(repository.distance(third, second)) == Distance(behind=1, ahead=2)


@pytest.mark.parametrize("present", [OLD, "", "main", "--all", "A" * 40])
def test_distance_from_an_unknown_revision_is_unknown(tmp_path, present):
    _, _, second = made(tmp_path)

    assert asyncio.run(Repository(tmp_path).distance(present, second)) is None


def test_commits_are_the_newest_that_are_lacking(tmp_path):
    git, first, second = made(tmp_path)
    third = git.commit("third")

    found = asyncio.run(Repository(tmp_path).commits(first, third, 5))

    assert found == (Commit(third, "third", "ada@saturn"), Commit(second, "second: größer", "ada@saturn"))
    assert asyncio.run(Repository(tmp_path).commits(first, third, 1)) == found[:1]
    assert asyncio.run(Repository(tmp_path).commits(third, first, 5)) == ()


def test_unpushed_are_the_commits_that_no_branch_of_origin_had(tmp_path):
    git, first, second = made(tmp_path)
    third = git.commit("third")
    git.git("update-ref", "refs/remotes/origin/main", first)
    git.git("update-ref", "refs/remotes/origin/feature", second)
    repository = Repository(tmp_path)

    assert [asyncio.run(repository.unpushed(name, "main")) for name in (third, second, first, "main")] == [1, 0, 0, 1]


@pytest.mark.parametrize("name", ["nothing", "--all", "-n1", ""])
def test_nobody_knows_what_is_unpushed_of_what_is_no_commit(tmp_path, name):
    git, first, _ = made(tmp_path)
    git.git("update-ref", "refs/remotes/origin/main", first)

    assert asyncio.run(Repository(tmp_path).unpushed(name, "main")) is None


def test_nobody_knows_what_is_unpushed_when_origin_was_never_asked_for_the_branch(tmp_path):
    _, _, second = made(tmp_path)

    assert asyncio.run(Repository(tmp_path).unpushed(second, "main")) is None


@pytest.mark.parametrize("revision", [OLD, "", "main", "HEAD", "--all"])
def test_a_repository_knows_a_commit_by_its_full_hash_alone(tmp_path, revision):
    _, _, second = made(tmp_path)
    repository = Repository(tmp_path)

    assert [asyncio.run(repository.knows(each)) for each in (second, second[:10], revision)] == [True, False, False]


def test_a_hash_that_names_no_commit_is_not_known(tmp_path):
    git, _, second = made(tmp_path)

    assert asyncio.run(Repository(tmp_path).knows(git.git("rev-parse", f"{second}^{{tree}}"))) is False


def test_those_that_are_known_are_asked_about_at_once(tmp_path, monkeypatch):
    git, first, second = made(tmp_path)
    tree = git.git("rev-parse", f"{second}^{{tree}}")
    log = counting_git(tmp_path / "bin", monkeypatch)
    repository = Repository(tmp_path)

    known = asyncio.run(repository.known((OLD, second, tree, "main", "--all", "", second[:10], first, second)))

    assert (known, len(log.read_text().splitlines())) == ((second, first), 1)
    assert asyncio.run(repository.known(("main", ""))) == ()
    assert len(log.read_text().splitlines()) == 1


def test_a_revision_that_was_resolved_is_known(tmp_path, monkeypatch):
    _, _, second = made(tmp_path)
    log = counting_git(tmp_path / "bin", monkeypatch)

    async def story() -> bool:
        repository = Repository(tmp_path)
        await repository.resolve("main")
        return await repository.knows(second)

    assert (asyncio.run(story()), len(log.read_text().splitlines())) == (True, 1)


def test_the_layout_of_no_repository_is_an_error(tmp_path):
    error = error_of(Repository(tmp_path).layout())

    assert (error.message, error.place) == ("git rev-parse failed", str(tmp_path))


def test_the_layout_of_a_linked_work_tree_is_that_of_its_repository(tmp_path):
    git, _, _ = made(tmp_path / "saturn")
    git.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))

    layout = asyncio.run(Repository(tmp_path / "linked").layout())

    assert layout == Layout("", "sha1", git.folder / ".git" / "objects", git.folder / ".git" / "shallow")


def test_tell_gives_the_output_of_git(tmp_path):
    _, _, second = made(tmp_path)

    assert asyncio.run(Repository(tmp_path).tell("rev-parse", "main")) == f"{second}\n"


def test_tell_raises_what_git_said_against_it(tmp_path):
    made(tmp_path)

    error = error_of(Repository(tmp_path).tell("rev-parse", "--verify", "nothing"))

    assert (error.message, error.place, error.notes) == (
        "git rev-parse failed", str(tmp_path), ("fatal: Needed a single revision",),
    )  # fmt: skip


def test_moved_files_are_those_that_differ(tmp_path):
    git, first, second = made(tmp_path)
    git.git("mv", WEB, "services/web/docker-compose.yml")
    third = git.commit("third")
    repository = Repository(tmp_path)

    assert asyncio.run(repository.moved_files(first, second)) == ("services/db/compose ä.yaml", WEB)
    assert asyncio.run(repository.moved_files(second, third)) == (WEB, "services/web/docker-compose.yml")
    assert asyncio.run(repository.moved_files(second, second)) == ()


def test_moved_files_between_unknown_revisions_are_an_error(tmp_path):
    _, first, _ = made(tmp_path)

    assert error_of(Repository(tmp_path).moved_files(OLD, first)).message.startswith(
        "git cannot compare aaaaaaaa with "
    )


def test_uncommitted_are_the_files_that_a_deploy_would_leave_out(tmp_path):
    git, _, _ = made(tmp_path)
    git.write(WEB, "changed")
    git.write("services/web/new file.yaml")
    git.write("elsewhere.txt")
    git.git("mv", "services/db/compose ä.yaml", "services/db/compose.yaml")

    found = asyncio.run(Repository(tmp_path).uncommitted(["services/web", "services/db"]))

    assert sorted(found) == [
        "services/db/compose ä.yaml", "services/db/compose.yaml", WEB, "services/web/new file.yaml",
    ]  # fmt: skip


def test_uncommitted_of_a_clean_tree_is_nothing(tmp_path):
    made(tmp_path)

    assert asyncio.run(Repository(tmp_path).uncommitted(["services/web"])) == ()


def test_uncommitted_below_no_folder_is_nothing(tmp_path):
    git, _, _ = made(tmp_path)
    git.write("elsewhere.txt")

    assert asyncio.run(Repository(tmp_path).uncommitted([])) == ()


def test_the_branch_that_is_checked_out(tmp_path):
    git, first, _ = made(tmp_path)
    repository = Repository(tmp_path)

    assert asyncio.run(repository.current_branch()) == "main"
    git.git("checkout", "-q", first)
    assert asyncio.run(repository.current_branch()) == ""


def test_revisions_have_the_names_a_person_knows_them_by(tmp_path):
    git = GitFolder(tmp_path)
    git.commit("first")
    git.git("tag", "v1")
    newest = git.commit("second: with\ttabs")

    names = revision_names(tmp_path, 10)

    assert list(names)[:2] == ["main", "v1"]
    assert [subject for name, subject in names.items() if newest.startswith(name)] == ["second: with\ttabs"]


def test_no_repository_names_no_revision(tmp_path):
    assert (revision_names(tmp_path, 10), revision_names(tmp_path / "nowhere", 10)) == ({}, {})


# --- how often git is started -----------------------------------------------------------------------------------------


class Counting(Repository):
    """A repository that counts the programs it starts."""

    started = 0

    async def _git(self, *words: str, given: str = "") -> tuple[int, str, str]:
        self.started += 1
        return await super()._git(*words, given=given)


def test_what_is_asked_about_the_same_commits_for_many_hosts_starts_one_git(tmp_path):
    _, first, second = made(tmp_path)

    async def story() -> tuple[int, list[Distance | None]]:
        repository = Counting(tmp_path)
        told = await asyncio.gather(*(repository.distance(first, second) for _ in range(50)))
        await asyncio.gather(*(repository.moved_files(first, second) for _ in range(50)))
        await asyncio.gather(*(repository.knows(first) for _ in range(50)))
        return repository.started, told

    started, told = asyncio.run(story())

    assert (started, set(told)) == (3, {Distance(behind=1, ahead=0)})


def test_a_commit_that_was_unknown_is_asked_about_again(tmp_path):
    git, _, _ = made(tmp_path)

    async def story() -> list[bool]:
        repository = Repository(tmp_path)
        later = git.git("commit-tree", "HEAD^{tree}", "-m", "later").strip()
        git.git("prune", "--expire=now")
        before = await repository.knows(later)
        git.git("commit-tree", "HEAD^{tree}", "-m", "later")
        return [before, await repository.knows(later)]

    assert asyncio.run(story()) == [False, True]
