"""The text of a known_hosts file: who is known by it, and what an edit leaves alone."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.session.known_hosts import (
    Key,
    _candidates,
    data_of,
    entries,
    known,
    pinned,
    spelled,
    text_of,
)

OLD, NEW, OTHER = (Key("ssh-ed25519", blob) for blob in ("b2xk", "bmV3", "b3RoZXI="))
NAMES = ("10.0.0.5", "nas")


def keys_of(text: str, port: int = 22) -> list[Key]:
    return [entry.key for entry in known(text, NAMES, port).keys]


@pytest.mark.parametrize(
    "names, is_known",
    [
        ("nas", True), ("NAS", True), ("10.0.0.5", True), ("other,nas", True), ("[nas]:22", True), ("n*", True),
        ("n?s", True), ("*,!nas,!10.0.0.5", False), ("*,!nas", True), ("[nas]:2222", False), ("nasty", False),
    ],
)  # fmt: skip
def test_who_an_entry_means(names, is_known):
    assert (keys_of(f"{names} {OLD.line}\n") == [OLD]) is is_known


def test_an_entry_that_names_the_port_beats_those_that_name_none():
    text = f"10.0.0.5 {OLD.line}\nnas {OTHER.line}\n[nas]:2222 {NEW.line}\n"

    assert keys_of(text, 2222) == [NEW]
    assert keys_of(text, 22) == [OLD, OTHER]
    assert keys_of(text, 2200) == [OLD, OTHER]


def test_revoked_is_revoked_with_a_port_or_without():
    text = f"@revoked nas {OLD.line}\n@revoked [nas]:2222 {OTHER.line}\n[nas]:2222 {NEW.line}\n"

    found = known(text, NAMES, 2222)

    assert {entry.key for entry in found.revoked} == {OLD, OTHER}
    assert [entry.key for entry in found.keys] == [NEW]


def test_an_authority_for_everybody_takes_no_entry_away():
    found = known(f"@cert-authority * {OTHER.line}\nnas {OLD.line}\n", NAMES, 22)

    assert ([each.key for each in found.authorities], [each.key for each in found.keys]) == ([OTHER], [OLD])


@pytest.mark.parametrize("text", ["nas\n", "nas ssh-ed25519\n", "@huh nas ssh-ed25519 AAAA\n"])
def test_a_line_that_is_no_entry_is_an_error(text):
    with pytest.raises(ValueError, match="line 1"):
        entries(text)


def test_a_hash_that_is_none_is_an_error():
    with pytest.raises(ValueError, match="hashed"):
        known(f"|1|x {OLD.line}\n", NAMES, 22)


def test_pinning_replaces_the_old_key_where_it_stood_and_leaves_the_rest():
    text = f"# mine\n\nother {OTHER.line} comment\n10.0.0.5 {OLD.line} ada\r\n@revoked nas {OTHER.line}\n# end"

    assert pinned(text, NAMES, 22, NEW) == (
        f"# mine\n\nother {OTHER.line} comment\n10.0.0.5 {NEW.line}\n@revoked nas {OTHER.line}\n# end"
    )


def test_a_line_that_also_names_other_machines_keeps_those():
    text = f"nas,other,10.0.0.5 {OLD.line} shared\n"

    assert pinned(text, NAMES, 22, NEW) == f"other {OLD.line} shared\n10.0.0.5 {NEW.line}\n"


def test_with_a_port_the_lines_without_one_stay():
    text = f"10.0.0.5 {OLD.line}\n[nas]:2222 {OTHER.line}\n"

    after = pinned(text, NAMES, 2222, NEW)

    assert after == f"10.0.0.5 {OLD.line}\n[10.0.0.5]:2222 {NEW.line}\n"
    assert keys_of(after, 2222) == [NEW]


def test_a_pattern_that_would_go_on_to_count_is_refused():
    with pytest.raises(ValueError, match=r"line 2 .*10\.0\.0\.\*"):
        pinned(f"# mine\n10.0.0.*,nas {OLD.line}\n", NAMES, 22, NEW)


@pytest.mark.parametrize("before", ["", "# mine\n", "# mine", f"other {OTHER.line}"])
def test_a_new_entry_is_the_last_line(before):
    lines = pinned(before, NAMES, 22, NEW).split("\n")

    assert lines[-2:] == [f"10.0.0.5 {NEW.line}", ""]
    assert "\n".join(lines[:-2]) == before.removesuffix("\n")


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
def test_entries_that_ssh_keygen_hashed_are_found_and_the_others_stay_hashed(tmp_path):
    file = tmp_path / "known_hosts"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"), check=True)
    line = " ".join((tmp_path / "k.pub").read_text().split()[:2])
    file.write_text(f"nas {line}\nother {line}\n[nas]:2222 {line}\n")
    subprocess.run(("ssh-keygen", "-q", "-H", "-f", file), check=True, capture_output=True)
    text = file.read_text()

    after = pinned(text, NAMES, 22, NEW).split("\n")

    assert [each.number for each in known(text, NAMES, 22).keys] == [0]
    assert [each.number for each in known(text, NAMES, 2222).keys] == [2]
    assert after == [f"10.0.0.5 {NEW.line}", *text.split("\n")[1:]]
    listed = subprocess.run(("ssh-keygen", "-lf", tmp_path / "k.pub"), check=True, capture_output=True, text=True)
    assert Key.of(line).fingerprint in listed.stdout


LINES = st.sampled_from(
    ["", "# comment", f"other {OTHER.line}", f"@cert-authority *.home {OTHER.line}", f"nas {OLD.line}", "\t",
     f"[nas]:2222 {OLD.line} x", f"nas,other {OLD.line}", f"@revoked x {OLD.line}", f"[10.0.0.5]:22 {OTHER.line}\r"]
)  # fmt: skip


@given(st.lists(LINES), st.sampled_from([22, 2222]))
def test_after_pinning_the_host_is_known_by_that_key_alone_and_foreign_lines_are_as_they_were(lines, port):
    text = "\n".join(lines)

    after = pinned(text, NAMES, port, NEW)

    assert keys_of(after, port) == [NEW]
    assert pinned(after, NAMES, port, NEW) == after
    foreign = [each for each in lines if "nas" not in each and "10.0.0.5" not in each]
    kept = [each for each in after.split("\n") if "nas" not in each and "10.0.0.5" not in each]
    assert [each for each in kept if each and f"other {OLD.line}" != each] == [each for each in foreign if each]
    assert known(after, NAMES, port).authorities == known(text, NAMES, port).authorities


@given(st.binary())
def test_bytes_come_back_as_they_were(data):
    assert data_of(text_of(data)) == data


def test_a_name_is_spelled_with_its_port_unless_it_is_the_usual_one():
    assert [spelled("nas", 22), spelled("nas", 2222), spelled("::1", 2222)] == ["nas", "[nas]:2222", "[::1]:2222"]


WRITTEN = ("a", "A", "ab", "a.b", "[a]:22", "[a]:2222", "[ab]:2222", "*", "a*", "?", "!a", "!ab", "[a*]:2222")
"""Names as an entry may have them: plain, with a port, patterns, exceptions."""


@given(st.lists(st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=3), max_size=6), st.sampled_from([22, 2222]))
def test_no_entry_that_speaks_of_a_host_is_passed_over(lines, port):
    text = "".join(f"{','.join(names)} ssh-ed25519 AAAA{number}\n" for number, names in enumerate(lines))
    asked = ("a", "ab")
    spellings = [*asked, *(spelled(name, port, always=True) for name in asked)]

    found = _candidates(text, asked, port)

    speaking = [entry for entry in entries(text) if any(entry.means(each) for each in spellings)]
    assert [entry for entry in found if entry in speaking] == speaking
