"""Bundles of a real git, taken up by another real one."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from support.build import OLD
from support.repository import GitFolder, counting_git

from saturn_orchestrator.errors import RepositoryError
from saturn_orchestrator.repository import Repository, thin_bundle
from saturn_orchestrator.repository.bundle import SENT


def made(folder: Path) -> tuple[GitFolder, list[str]]:
    """A person's repository with three commits, the first of which holds something large."""
    git = GitFolder(folder / "saturn")
    large = "".join(f"{number * 7919 % 10_007}\n" for number in range(20_000))
    return git, [git.commit("first", large=large), *(git.commit(name, small=name) for name in ("second", "third"))]


def bundled(git: GitFolder, revision: str, *tips: str) -> bytes:
    return asyncio.run(thin_bundle(Repository(git.folder), revision, tips))


def node_at(folder: Path, git: GitFolder, revision: str = "") -> GitFolder:
    """A node's checkout: empty, or with all that the revision has."""
    node = GitFolder(folder / "node")
    if revision:
        node.git("fetch", "-q", str(git.folder), revision)
        node.git("reset", "-q", "--hard", "FETCH_HEAD")
    return node


def take_up(node: GitFolder, bundle: bytes) -> str:
    """Fetch the bundle as a node does; the revision that it brought."""
    (node.folder / "sent.bundle").write_bytes(bundle)
    node.git("fetch", "-q", "sent.bundle", SENT)
    node.git("fsck", "--connectivity-only", "FETCH_HEAD")
    return node.git("rev-parse", "FETCH_HEAD")


def test_a_node_that_has_nothing_gets_everything(tmp_path):
    git, (_, _, third) = made(tmp_path)
    node = node_at(tmp_path, git)

    assert take_up(node, bundled(git, third)) == third
    assert node.git("rev-list", "--count", "FETCH_HEAD") == "3"


def test_a_node_gets_no_more_than_it_lacks(tmp_path):
    git, (first, _, third) = made(tmp_path)
    node = node_at(tmp_path, git, first)

    bundle = bundled(git, third, first)

    assert take_up(node, bundle) == third
    assert len(bundle) < len(bundled(git, third)) / 10


def test_a_former_revision_may_be_sent(tmp_path):
    git, (first, second, _) = made(tmp_path)
    node = node_at(tmp_path, git, first)

    assert take_up(node, bundled(git, second, first)) == second


@pytest.mark.parametrize("tip", [OLD, "main", "HEAD", "--all", ""])
def test_a_tip_that_is_no_commit_known_here_is_an_error(tmp_path, tip):
    git, (first, _, third) = made(tmp_path)

    with pytest.raises(RepositoryError):
        bundled(git, third, first, tip)


def test_a_hash_of_no_commit_is_no_tip(tmp_path):
    git, (first, _, third) = made(tmp_path)

    with pytest.raises(RepositoryError, match="git bundle failed"):
        bundled(git, third, git.git("rev-parse", f"{first}^{{tree}}"))


def test_a_revision_that_is_unknown_here_is_an_error(tmp_path):
    git, (first, _, _) = made(tmp_path)

    with pytest.raises(RepositoryError, match="git bundle failed"):
        bundled(git, OLD, first)


def test_a_tag_that_a_node_has_stands_for_its_commit(tmp_path):
    git, (first, _, third) = made(tmp_path)
    git.git("tag", "-a", "-m", "the first", "v1", first)

    assert bundled(git, third, git.git("rev-parse", "v1")) == bundled(git, third, first)


def test_a_repository_of_longer_hashes_lends_its_objects(tmp_path):
    (tmp_path / "saturn").mkdir()
    subprocess.run(("git", "init", "-q", "-b", "main", "--object-format=sha256", str(tmp_path / "saturn")), check=True)
    git, (first, _, third) = made(tmp_path)
    (tmp_path / "node").mkdir()
    subprocess.run(("git", "init", "-q", "-b", "main", "--object-format=sha256", str(tmp_path / "node")), check=True)
    node = node_at(tmp_path, git, first)

    bundle = bundled(git, third, first)

    assert (len(third), take_up(node, bundle)) == (64, third)
    assert len(bundle) < len(bundled(git, third)) / 10


def test_a_clone_that_borrows_its_objects_lends_them(tmp_path):
    git, (first, _, third) = made(tmp_path)
    git.git("clone", "-q", "--shared", str(git.folder), str(tmp_path / "clone"))
    node = node_at(tmp_path, git, first)

    assert take_up(node, bundled(GitFolder(tmp_path / "clone"), third, first)) == third


def test_a_bundle_takes_one_git_when_it_is_known_where_the_repository_lies(tmp_path, monkeypatch):
    git, (first, _, third) = made(tmp_path)
    log = counting_git(tmp_path / "bin", monkeypatch)

    async def story() -> int:
        repository = Repository(git.folder)
        await repository.check_root()
        before = len(log.read_text().splitlines())
        await thin_bundle(repository, third, [first])
        return before

    assert (asyncio.run(story()), len(log.read_text().splitlines())) == (1, 2)


def test_the_repository_of_the_person_is_not_written_to(tmp_path):
    git, (first, _, third) = made(tmp_path)
    before = everything_in(git.folder)

    bundled(git, third, first)

    assert everything_in(git.folder) == before


def everything_in(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder below, with the time of its last change and its content."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (folder, *folder.rglob("*"))
    }


def test_a_linked_work_tree_lends_the_objects_of_its_repository(tmp_path):
    git, (first, _, third) = made(tmp_path)
    git.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"), third)
    node = node_at(tmp_path, git, first)

    bundle = asyncio.run(thin_bundle(Repository(tmp_path / "linked"), third, [first]))

    assert take_up(node, bundle) == third


def test_a_bundle_that_holds_nothing_is_an_error(tmp_path):
    git, (_, _, third) = made(tmp_path)

    with pytest.raises(RepositoryError, match="git bundle failed"):
        bundled(git, third, third)


# --- a clone that was cut off -----------------------------------------------------------------------------------------


def shallow(folder: Path, git: GitFolder, depth: int) -> GitFolder:
    git.git("clone", "-q", "--no-local", f"--depth={depth}", str(git.folder), str(folder / "shallow"))
    return GitFolder(folder / "shallow")


def test_a_shallow_clone_cannot_send_what_was_cut_off(tmp_path):
    git, (_, _, third) = made(tmp_path)
    clone = shallow(tmp_path, git, 2)

    with pytest.raises(RepositoryError) as caught:
        bundled(clone, third)

    assert (caught.value.code, caught.value.hint) == (
        "clone_shallow", f"git -C {clone.folder} fetch --unshallow",
    )  # fmt: skip


def test_a_shallow_clone_does_not_know_the_tip_of_a_node_beyond_its_edge(tmp_path):
    git, (first, second, third) = made(tmp_path)
    clone = shallow(tmp_path, git, 2)

    assert asyncio.run(Repository(clone.folder).known((first, second))) == (second,)
    with pytest.raises(RepositoryError, match="git rev-list failed"):
        bundled(clone, third, first)


def test_a_shallow_clone_sends_what_lies_above_its_edge(tmp_path):
    git, (_, second, third) = made(tmp_path)
    node = node_at(tmp_path, git, second)

    bundle = bundled(shallow(tmp_path, git, 2), third, second)

    assert take_up(node, bundle) == third
    assert node.git("rev-list", "--count", "FETCH_HEAD") == "3"
