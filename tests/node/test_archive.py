"""A folder into a tar file and back: what is kept, what is left out, and what is refused."""

import io
import os
import socket
import subprocess
import sys
import tarfile

import pytest
from saturn_node import archive
from saturn_node.archive import Choice
from saturn_node.errors import NodeError


def make(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def written(folder, target, **choice):
    return archive.write(str(folder), str(target), Choice(**choice))


def there_and_back(tmp_path, **choice):
    """What comes out of a round trip of tmp_path/from."""
    result = written(tmp_path / "from", tmp_path / ("a" + archive.SUFFIX), **choice)
    (tmp_path / "to").mkdir()
    archive.extract(str(tmp_path / ("a" + archive.SUFFIX)), str(tmp_path / "to"))
    return result


def tree(folder):
    """Every path below with what it is and what is in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        inside = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        owner = (facts.st_uid, facts.st_gid)
        mode = 0 if path.is_symlink() else facts.st_mode
        found[str(path.relative_to(folder))] = (owner, mode, inside, None if path.is_symlink() else int(facts.st_mtime))
    return found


def test_content_modes_owners_times_links_and_empty_folders_come_back(tmp_path):
    source = make(tmp_path / "from", a="one", sub__b="two" * 100_000, sub__deep__c="")
    (source / "empty").mkdir(mode=0o700)
    (source / "link").symlink_to("/nowhere/at all")
    os.link(source / "a", source / "twin")
    (source / "a").chmod(0o4751)
    os.utime(source / "sub" / "b", (1_000_000_000, 1_000_000_000))
    if os.geteuid() == 0:
        os.chown(source / "sub" / "b", 1883, 1884)
    source.chmod(0o751)
    os.utime(source / "sub", (1_100_000_000, 1_100_000_000))

    result = there_and_back(tmp_path)

    assert tree(tmp_path / "to") == tree(source)
    assert (tmp_path / "to" / "a").stat().st_ino == (tmp_path / "to" / "twin").stat().st_ino
    assert (tmp_path / "to").stat().st_mode == source.stat().st_mode
    assert (result.files, result.content, result.notes) == (8, 3 + 300_000, ())
    assert result.sha256 == archive.sha256(str(tmp_path / ("a" + archive.SUFFIX)))


def test_names_of_any_kind_come_back(tmp_path):
    source = make(tmp_path / "from", a="x")
    for name in ("with space", "-dash", "ü😀", "new\nline", "x" * 200):
        (source / name).write_text(name)
    (source / b"not-utf8-\xff".decode("utf-8", "surrogateescape")).write_text("bytes")
    there_and_back(tmp_path)
    assert tree(tmp_path / "to") == tree(source)


def test_what_is_excluded_stays_out_at_any_depth(tmp_path):
    make(tmp_path / "from", keep="1", log__a="2", sub__x_log="3", cache__deep__d="4", sub__cache__e="5", top="6")
    there_and_back(tmp_path, exclude=("*_log", "log/*", "cache"))
    assert sorted(tree(tmp_path / "to")) == ["keep", "log", "sub", "top"]


def test_some_names_at_the_top_alone_or_all_but_them(tmp_path):
    source = make(tmp_path / "from", a="1", b="2", sub__a="3")
    written(source, tmp_path / "only.tar.gz", only=("a",))
    written(source, tmp_path / "rest.tar.gz", without=("a",))
    names = []
    for name in ("only.tar.gz", "rest.tar.gz"):
        with tarfile.open(tmp_path / name) as tar:
            names.append(sorted(tar.getnames()))
    assert names == [[".", "a"], [".", "b", "sub", "sub/a"]]


def test_a_socket_and_a_pipe_are_left_out_with_a_note(tmp_path):
    source = make(tmp_path / "from", a="1")
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(source / "sock"))
        result = there_and_back(tmp_path)
    assert sorted(tree(tmp_path / "to")) == ["a"]
    assert sorted(result.notes) == ["pipe is no file, and was left out", "sock is no file, and was left out"]


@pytest.mark.parametrize("change", [lambda f: f.write(b"more"), lambda f: f.truncate(10)], ids=["grows", "shrinks"])
def test_a_file_that_changes_while_it_is_read_breaks_nothing(tmp_path, change):
    source = make(tmp_path / "from", a="x" * 1_000_000, b="after")
    calls = []

    def disturb():
        calls.append(1)
        if len(calls) == 3:
            with (source / "a").open("r+b") as file:
                file.seek(0, 2)
                change(file)

    result = archive.write(str(source), str(tmp_path / "x.tar.gz"), Choice(), disturb)
    (tmp_path / "to").mkdir()
    archive.extract(str(tmp_path / "x.tar.gz"), str(tmp_path / "to"))
    assert ((tmp_path / "to" / "a").stat().st_size, (tmp_path / "to" / "b").read_text()) == (1_000_000, "after")
    assert result.notes == ("a changed while it was read",)


def test_a_file_that_goes_away_meanwhile_is_left_out(tmp_path):
    source = make(tmp_path / "from", a="1", b="2")

    def disturb():
        (source / "b").unlink(missing_ok=True) if sys.version_info >= (3, 8) else None

    result = archive.write(str(source), str(tmp_path / "x.tar.gz"), Choice(), disturb)
    assert result.notes == ("b went away while it was read",)


@pytest.mark.skipif(os.geteuid() != 0, reason="root gives its rights away for this")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    source = make(tmp_path / "from", a="1")
    (source / "a").chmod(0)
    program = (
        "import gzip, os, sys, tarfile\nfrom saturn_node import archive\nfrom saturn_node.errors import NodeError\n"
        "os.setuid(4321)\n"
        "try: archive.write(sys.argv[1], sys.argv[2], archive.Choice())\n"
        "except NodeError as error: print(error.code, error.message)\n"
    )
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    (tmp_path / "out").mkdir()
    os.chown(tmp_path / "out", 4321, 4321)
    environ = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(archive.__file__))}
    argv = (sys.executable, "-c", program, str(source), str(tmp_path / "out" / "x.tar.gz"))
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.startswith(f"backup_unreadable {source}/a cannot be read")


def hostile(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


@pytest.mark.parametrize(
    "members",
    [
        [member("../out", size=1)],
        [member("/etc/out", size=1)],
        [member("a/../../out", size=1)],
        [member("a", tarfile.LNKTYPE, "../../etc/passwd")],
        [member("dev", tarfile.CHRTYPE)],
        [member("pipe", tarfile.FIFOTYPE)],
    ],
    ids=["up", "absolute", "up from below", "hard link out", "device", "pipe"],
)
def test_an_archive_that_would_leave_its_folder_is_refused(tmp_path, members):
    hostile(tmp_path / "x.tar.gz", *members)
    (tmp_path / "to").mkdir()
    with pytest.raises(NodeError) as refused:
        archive.extract(str(tmp_path / "x.tar.gz"), str(tmp_path / "to"))
    assert refused.value.code == "backup_damaged"
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_through_a_symbolic_link(tmp_path):
    hostile(tmp_path / "x.tar.gz", member("way", tarfile.SYMTYPE, str(tmp_path)), member("way/out", size=1))
    (tmp_path / "to").mkdir()
    with pytest.raises((NodeError, OSError)):
        archive.extract(str(tmp_path / "x.tar.gz"), str(tmp_path / "to"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda _: b"no archive at all", lambda _: b""])
def test_a_torn_archive_is_damaged(tmp_path, spoil):
    make(tmp_path / "from", a="x" * 100_000)
    written(tmp_path / "from", tmp_path / "x.tar.gz")
    (tmp_path / "x.tar.gz").write_bytes(spoil((tmp_path / "x.tar.gz").read_bytes()))
    (tmp_path / "to").mkdir()
    with pytest.raises(NodeError) as refused:
        archive.extract(str(tmp_path / "x.tar.gz"), str(tmp_path / "to"))
    assert refused.value.code == "backup_damaged"


def test_sizes_are_told_in_words():
    assert [archive.size_words(each) for each in (0, 999, 1000, 12_345_678, 5e13)] == [
        "0 bytes", "999 bytes", "1.0 kB", "12.3 MB", "50.0 TB",
    ]  # fmt: skip


def test_the_same_folder_gives_the_same_bytes(tmp_path):
    make(tmp_path / "from", a="1", b="2")
    digests = [written(tmp_path / "from", tmp_path / f"{name}.tar.gz").sha256 for name in "xy"]
    assert digests[0] == digests[1]
