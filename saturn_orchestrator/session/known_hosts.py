"""The text of a known_hosts file: by which keys a host is known there, and how one is put in another's place. Pure.

The form is that of sshd(8). An entry that names the port of a host beats those that name none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from saturn_orchestrator.records import dataclass

SSH_PORT = 22
"""The port that an entry means which names none."""

REVOKED = "revoked"
AUTHORITY = "cert-authority"


@dataclass(frozen=True)
class Key:
    """A public key. kind: such as ssh-ed25519. blob: in base64."""

    kind: str
    blob: str

    @classmethod
    def of(cls, line: str) -> Key:
        """The key in a line `KIND BLOB [COMMENT]`. Raises ValueError."""
        kind, blob = line.split(None, 2)[:2]
        return cls(kind, blob)

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as ssh-keygen shows it."""
        try:
            digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        except binascii.Error:
            return "SHA256:?"
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def named(self) -> str:
        """`ssh-ed25519 SHA256:…`."""
        return f"{self.kind} {self.fingerprint}"

    @property
    def line(self) -> str:
        """As it stands behind the names of an entry."""
        return f"{self.kind} {self.blob}"


@dataclass(frozen=True)
class Entry:
    """A line with a key. number: of the line, from 0. marker: "" | revoked | cert-authority. names: as written."""

    number: int
    marker: str
    names: str
    key: Key

    @property
    def may_name_ports(self) -> bool:
        """Whether one of its names is spelled with a port, as far as can be seen."""
        return "[" in self.names or self.names.startswith("|")

    def means(self, name: str) -> bool:
        """Whether it speaks of the name, which may be `[address]:port`."""
        return _is_meant(self.names, name.lower())


@dataclass(frozen=True)
class Known:
    """The entries that count for a host."""

    keys: tuple[Entry, ...] = ()
    authorities: tuple[Entry, ...] = ()
    revoked: tuple[Entry, ...] = ()


NOTHING = Known()


def text_of(data: bytes | None) -> str:
    """The text of such a file, which may be missing; whatever bytes it holds come back out of `data_of`."""
    return (data or b"").decode("utf-8", "surrogateescape")


def data_of(text: str) -> bytes:
    """The file of such a text."""
    return text.encode("utf-8", "surrogateescape")


@lru_cache
def entries(text: str) -> tuple[Entry, ...]:
    """Every line with a key. Raises ValueError for one that is neither that nor a comment."""
    found = []
    for number, line in enumerate(text.split("\n")):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0)[1:] if words[0].startswith("@") else ""
        if marker not in {"", REVOKED, AUTHORITY} or len(words) < 3:
            raise ValueError(f"line {number + 1} is no entry")
        found.append(Entry(number, marker, words[0], Key(words[1], words[2])))
    return tuple(found)


def known(text: str, names: Sequence[str], port: int) -> Known:
    """What counts for a host of these names. Raises ValueError.

    Entries that name its port beat those that name none; on port 22 both mean the same. Revoked is revoked by either.
    """
    bare, ported = [], []
    for entry in _candidates(text, names, port):
        if any(entry.means(name) for name in names):
            bare.append(entry)
        elif entry.may_name_ports and any(entry.means(spelled(name, port, always=True)) for name in names):
            ported.append(entry)
    beats = port != SSH_PORT and any(entry.marker != REVOKED for entry in ported)
    counting = sorted(ported if beats else [*ported, *bare], key=lambda entry: entry.number)
    return Known(_marked(counting, ""), _marked(counting, AUTHORITY), _marked([*ported, *bare], REVOKED))


def _candidates(text: str, names: Sequence[str], port: int) -> list[Entry]:
    """The entries that may speak of a host of these names, in the order of the file."""
    plain, others = _indexed(text)
    wanted = {each.lower() for name in names for each in (name, spelled(name, port, always=True))}
    found = {entry.number: entry for each in wanted for entry in plain.get(each, ())}
    return sorted((*found.values(), *others), key=lambda entry: entry.number)


@lru_cache
def _indexed(text: str) -> tuple[dict[str, list[Entry]], list[Entry]]:
    """Entries by each of their names, and those whose names must be held against a host's own: patterns and hashes.

    Of a file with a line for each of a thousand hosts every one of them would else be held against every line.
    """
    plain: dict[str, list[Entry]] = {}
    others = []
    for entry in entries(text):
        if any(char in entry.names for char in "*?!|"):
            others.append(entry)
        else:
            for name in entry.names.lower().split(","):
                plain.setdefault(name, []).append(entry)
    return plain, others


def _marked(found: Iterable[Entry], marker: str) -> tuple[Entry, ...]:
    return tuple(entry for entry in found if entry.marker == marker)


def spelled(name: str, port: int, *, always: bool = False) -> str:
    """`address`, or `[address]:port` when the port is not 22. always: the port in any case."""
    return f"[{name}]:{port}" if always or port != SSH_PORT else name


def pinned(text: str, names: Sequence[str], port: int, key: Key) -> str:
    """The text in which the host is known by this key alone, under the first of its names.

    Every other line stays as it is, and a line that also names other machines keeps those.

    Raises:
        ValueError: a line names the host by a pattern, so that its key would go on to count.
    """
    lines = text.split("\n")
    own = {spelled(name, port, always=always).lower() for name in names for always in (True, False)}
    entry = f"{spelled(names[0], port)} {key.line}"
    place = len(lines) - 1 if not lines[-1] else len(lines)
    is_placed = False
    for old in reversed(_to_leave(text, names, port)):
        others = _others(old, own, names, port)
        kept = [lines[old.number].replace(old.names, others, 1)] if others else []
        lines[old.number : old.number + 1] = kept
        place, is_placed = old.number + len(kept), True
    lines.insert(place, entry)
    if not is_placed and lines[-1] == entry:
        lines.append("")
    return "\n".join(lines)


def _to_leave(text: str, names: Sequence[str], port: int) -> tuple[Entry, ...]:
    """The entries that would count beside the new one; those without a port, which it beats, may stay."""
    counting = known(text, names, port).keys
    return tuple(entry for entry in counting if port == SSH_PORT or not any(entry.means(name) for name in names))


def _others(entry: Entry, own: set[str], names: Sequence[str], port: int) -> str:
    """The names of an entry that mean other machines; "" for none."""
    if entry.names.startswith("|"):
        return ""
    rest = ",".join(each for each in entry.names.split(",") if each.lower() not in own)
    spellings = [spelled(name, port, always=always) for name in names for always in (True, False)]
    if any(_is_meant(rest, each.lower()) for each in spellings):
        raise ValueError(f"line {entry.number + 1} names it by a pattern ({rest}), and its key would go on to count")
    return rest


def _is_meant(names: str, name: str) -> bool:
    if names.startswith("|"):
        return _is_hash_of(names, name)
    patterns = names.lower().split(",")
    is_excepted = any(_fits(each[1:], name) for each in patterns if each.startswith("!"))
    return not is_excepted and any(_fits(each, name) for each in patterns if not each.startswith("!"))


def _fits(pattern: str, name: str) -> bool:
    """`*` and `?` mean what they mean to ssh; brackets are part of a name."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    shape = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(shape, name) is not None


def _is_hash_of(hashed: str, name: str) -> bool:
    """As `ssh-keygen -H` writes it: `|1|salt|HMAC-SHA1`."""
    try:
        kind, salt, digest = hashed[1:].split("|")
        made = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
        return kind == "1" and hmac.compare_digest(made, base64.b64decode(digest))
    except (ValueError, binascii.Error) as error:
        raise ValueError(f"{hashed} is no name that was hashed") from error
