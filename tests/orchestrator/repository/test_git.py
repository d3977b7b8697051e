"""Questions to a real git."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.build import OLD
from support.repository import GitFolder

from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.repository import Commit, Repository

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


def test_count_is_the_number_of_commits_between(tmp_path):
    _, first, second = made(tmp_path)
    repository = Repository(tmp_path)

    assert [asyncio.run(repository.count(*each)) for each in ((first, second), (second, second))] == [1, 0]


@pytest.mark.parametrize("before", [OLD, "", "main", "--all", "A" * 40])
def test_count_from_an_unknown_revision_is_unknown(tmp_path, before):
    _, _, second = made(tmp_path)

    assert asyncio.run(Repository(tmp_path).count(before, second)) is None


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
