import os
import shutil

import pytest
from saturn_node import checkout, git, proc
from saturn_node.errors import NodeError
from support.node import Node


def bring(node, revision):
    said = []
    return checkout.bring(node.order, revision, checkout.Supply(), said.append), said


def refusal(node, revision):
    with pytest.raises(NodeError) as failure:
        bring(node, revision)
    return failure.value


def deployed(tmp_path):
    """A node with a checkout at the first of two revisions."""
    node = Node(tmp_path)
    first = node.commit(**{"a.txt": "1"})
    bring(node, first)
    return node, first, node.commit(**{"a.txt": "2"})


def test_bring_clones_and_says_what_it_reached(tmp_path):
    node = Node(tmp_path)
    revision = node.commit(**{"a.txt": "1"})
    assert bring(node, revision)[0] == checkout.Reached("", revision)
    assert node.read("root/repo/a.txt") == "1"
    assert node.git("symbolic-ref", "HEAD", folder=node.checkout) == "refs/heads/main"


def test_bring_moves_forwards_and_back(tmp_path):
    node, first, second = deployed(tmp_path)
    assert bring(node, second)[0] == checkout.Reached(first, second)
    assert bring(node, first)[0] == checkout.Reached(second, first)
    assert node.read("root/repo/a.txt") == "1"


def test_bring_goes_on_from_the_cache_when_origin_is_away(tmp_path):
    node, first, second = deployed(tmp_path)
    bring(node, second)
    os.rename(node.origin, node.origin + ".gone")
    reached, _ = bring(node, first)
    assert (reached.after, reached.source, reached.stale) == (first, "cache", True)
    assert "did not answer" in reached.message


def test_bring_fails_when_origin_is_away_and_the_revision_is_not_here(tmp_path):
    node, _, second = deployed(tmp_path)
    os.rename(node.origin, node.origin + ".gone")
    assert refusal(node, second).code == "origin_unreachable"


def test_bring_without_origin_uses_what_is_there(tmp_path):
    node, first, _ = deployed(tmp_path)
    node.order = node.order.__class__(**{**vars(node.order), "origin": ""})
    assert bring(node, first)[0] == checkout.Reached(first, first, "cache")


def test_bring_names_a_revision_that_was_not_pushed(tmp_path):
    node, _, _ = deployed(tmp_path)
    failure = refusal(node, "a" * 40)
    assert (failure.code, failure.hint) == ("revision_missing", "git push origin main")


def test_bring_finds_a_commit_of_another_branch(tmp_path):
    node, _, _ = deployed(tmp_path)
    node.git("checkout", "-q", "-b", "other")
    revision = node.commit(**{"b.txt": "1"})
    node.git("checkout", "-q", "main")
    node.git("config", "uploadpack.allowAnySHA1InWant", "true")
    assert bring(node, revision)[0].after == revision


@pytest.mark.parametrize("revision", ["main", "--upload-pack=x", "abc", ""])
def test_bring_takes_full_commit_ids_only(tmp_path, revision):
    assert refusal(Node(tmp_path), revision).code == "bad_request"


def test_bring_never_overwrites_what_a_person_changed(tmp_path):
    node, _, second = deployed(tmp_path)
    node.write("root/repo/a.txt", "mine")
    failure = refusal(node, second)
    assert (failure.code, failure.tail) == ("checkout_dirty", ("a.txt",))
    assert node.read("root/repo/a.txt") == "mine"


def test_bring_leaves_files_that_git_does_not_know_in_peace(tmp_path):
    node, _, second = deployed(tmp_path)
    node.write("root/repo/vol/data", "mine")
    assert bring(node, second)[0].after == second
    assert node.read("root/repo/vol/data") == "mine"


def test_bring_never_overwrites_an_unknown_file_that_is_in_the_way(tmp_path):
    node, _, _ = deployed(tmp_path)
    node.write("root/repo/new file", "mine")
    failure = refusal(node, node.commit(**{"new file": "theirs"}))
    assert (failure.code, failure.tail) == ("checkout_dirty", ("new file",))
    assert node.read("root/repo/new file") == "mine"


def test_bring_keeps_a_commit_that_somebody_made_on_the_node(tmp_path):
    node, _, second = deployed(tmp_path)
    node.write("root/repo/a.txt", "mine")
    node.git("commit", "-q", "-am", "a hand-made fix", folder=node.checkout)
    mine = node.git("rev-parse", "HEAD", folder=node.checkout)
    _, said = bring(node, second)
    assert (
        said[-1]
        == f"commit {mine[:12]} of this checkout is in no branch of origin; it is kept as refs/saturn/kept/{mine[:12]}"
    )
    assert node.git("rev-parse", f"refs/saturn/kept/{mine[:12]}", folder=node.checkout) == mine


def test_going_back_keeps_no_commit_that_origin_has(tmp_path):
    node, first, second = deployed(tmp_path)
    bring(node, second)
    bring(node, first)
    assert node.git("for-each-ref", "refs/saturn", folder=node.checkout) == ""


@pytest.mark.parametrize(
    "words, is_so",
    [
        ("error: cannot open '.git/FETCH_HEAD': Permission denied", True),
        ("error: insufficient permission for adding an object to repository database .git/objects", True),
        ("fatal: Unable to create '/opt/homelab/repo/.git/index.lock': Permission denied", True),
        ("git@forge: Permission denied (publickey).", False),
        ("fatal: Could not read from remote repository.", False),
    ],
)
def test_a_checkout_of_another_user_is_told_from_a_forge_that_refuses(words, is_so):
    assert git.is_unwritable([words]) == is_so


def test_the_first_complaint_of_git_is_the_reason():
    tail = (
        "ssh: connect to host forge port 22: No route to host",
        "fatal: Could not read from remote repository.",
        "and the repository exists.",
    )
    assert git.reason(proc.Finished(("git",), 128, "", tail)) == tail[0]
    assert git.reason(proc.Finished(("git",), 1, "", ("odd",))) == "odd"


def test_bring_finishes_a_move_that_was_cut(tmp_path):
    node, _, second = deployed(tmp_path)
    node.write("root/repo/.git/saturn_moving", "")
    node.write("root/repo/a.txt", "half")
    assert bring(node, second)[0].after == second
    assert node.read("root/repo/a.txt") == "2"
    assert not os.path.exists(node.path("root/repo/.git/saturn_moving"))


def test_bring_leaves_a_folder_that_is_no_checkout_alone(tmp_path):
    node = Node(tmp_path)
    revision = node.commit(**{"a.txt": "1"})
    node.write("root/repo/precious", "x")
    assert refusal(node, revision).code == "checkout_broken"
    assert os.listdir(node.checkout) == ["precious"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("HEAD.lock", b""),
        ("index.lock", b""),
        ("refs/heads/main.lock", b""),
        ("refs/heads/main", b""),
        ("refs/heads/main", b"\0" * 41),
        ("refs/remotes/origin/main", b"\0" * 41),
        ("HEAD", b""),
        ("index", b""),
        ("index", b"\0" * 100),
    ],
)
def test_bring_repairs_what_a_power_cut_leaves(tmp_path, name, content):
    node, first, second = deployed(tmp_path)
    node.write("root/repo/.git/" + name, content)
    reached, said = bring(node, second)
    assert (reached.before, reached.after) == (first, second)
    assert any(name in each for each in said)
    assert git.standing(node.checkout).dirty == ()


def test_bring_names_a_checkout_whose_objects_are_damaged(tmp_path):
    node, _, second = deployed(tmp_path)
    objects = node.path("root/repo/.git/objects")
    for folder, _, names in os.walk(objects):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o600)
            open(os.path.join(folder, name), "wb").close()
    failure = refusal(node, second)
    assert (failure.code, failure.hint) == ("checkout_broken", f"mv {node.checkout} {node.checkout}.broken")


def test_bring_leaves_nothing_half_when_a_clone_fails(tmp_path):
    node = Node(tmp_path)
    shutil.rmtree(node.origin)
    refusal(node, "a" * 40)
    assert os.listdir(node.root) == []


def test_bring_follows_an_origin_that_moved(tmp_path):
    node, _, second = deployed(tmp_path)
    os.rename(node.origin, node.path("moved"))
    node.order = node.order.__class__(**{**vars(node.order), "origin": node.path("moved")})
    assert bring(node, second)[0].stale is False


def test_a_checkout_tells_of_renames_and_odd_names(tmp_path):
    node, first, _ = deployed(tmp_path)
    tracked = git.tell(node.checkout, "ls-files").split()
    with open(os.path.join(node.checkout, "odd \n name"), "w", encoding="utf-8") as file:
        file.write("new")
    git.tell(node.checkout, "add", "--all")
    git.tell(node.checkout, "mv", tracked[0], "an other name")

    assert git.standing(node.checkout) == (first, ("an other name", "odd \n name"), None)


def test_a_conflict_is_a_changed_file():
    ids = " ".join(["1" * 40] * 3)
    told = f"# branch.oid {'a' * 40}\0# branch.head main\0u UU N... 100644 100644 100644 100644 {ids} a b\0"

    assert git.parsed_standing(told) == ("a" * 40, ("a b",), None)


def test_a_checkout_without_a_commit_has_no_head(tmp_path):
    git.tell(str(tmp_path), "init", "--quiet")

    assert git.standing(str(tmp_path)) == ("", (), None)
