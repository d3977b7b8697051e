"""What is wrong with SATURN itself, judged from what was seen there. Pure: app/workplace.py looks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from saturn_orchestrator.errors import InventoryFinding, SaturnError, SessionError
from saturn_orchestrator.events import Check
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.state.checkup import gathered, words_of
from saturn_orchestrator.tailnet.model import Tailnet
from saturn_orchestrator.tailnet.trouble import NOT_INSTALLED, Trouble, expiry_warning, usable

FINDINGS_SHOWN = 3
FILES_SHOWN = 5
DISK_WARN_BYTES, DISK_FAIL_BYTES = 1 << 30, 100 << 20
"""Free bytes where the journal lies: a run writes some kilobytes, a copied backup some gigabytes."""

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*([^;]*)(;.*)?")
_SPECIFIER = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*([0-9][0-9.]*)")


# --- the program -----------------------------------------------------------------------------------------------------


def numbers(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version, without zeros at its end: `2.40.0rc1` is (2, 40)."""
    found = re.match(r"\d+(?:\.\d+)*", version.strip())
    parts = [int(each) for each in found[0].split(".")] if found else []
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def satisfies(version: str, specifiers: str) -> bool:
    """Whether the version is in the range of specifiers such as `>=2.24,<2.25`; one that is not understood holds."""
    have = numbers(version)
    return all(_holds(have, sign, bound) for sign, bound in _SPECIFIER.findall(specifiers))


def _holds(have: tuple[int, ...], sign: str, bound: str) -> bool:
    wanted = numbers(bound)
    if sign == "~=":
        kept = tuple(int(each) for each in bound.strip(".").split("."))[:-1]
        return have >= wanted and have[: len(kept)] == kept
    return {
        ">=": have >= wanted, "<=": have <= wanted, "==": have == wanted, "!=": have != wanted, ">": have > wanted,
        "<": have < wanted,
    }[sign]  # fmt: skip


def python_check(version: str, required: str) -> Check:
    """Whether this Python is one that saturn asks for. required: specifiers, "" when its metadata is not there."""
    if satisfies(version, required):
        return Check("python", "ok", version)
    fix = "install saturn anew with a newer python3: python3 -m venv ~/.venvs/saturn"
    return Check("python", "fail", f"Python {version} runs saturn, which asks for {required}", fix)


def packages_check(requirements: Iterable[str] | None, installed: Mapping[str, str]) -> Check:
    """Whether the packages that saturn runs with are in the range that it asks for.

    requirements: as package metadata has them, None when that is not there. installed: versions by name; one without
    is missing. What belongs to an extra is left out.
    """
    if requirements is None:
        return Check("packages", "skip", "saturn runs without package metadata, so no range is known")
    wanted = runtime(requirements)
    parts = [_package(name, specifiers, installed.get(name, "")) for name, specifiers in wanted.items()]
    return gathered("packages", parts, ", ".join(f"{name} {installed.get(name)}" for name in wanted))


def runtime(requirements: Iterable[str]) -> dict[str, str]:
    """Package to specifiers, for those that no extra asks for."""
    found = (_REQUIREMENT.fullmatch(each) for each in requirements)
    return {each[1]: each[2].strip() for each in found if each and "extra" not in (each[3] or "")}


def _package(name: str, specifiers: str, version: str) -> Check:
    if version and satisfies(version, specifiers):
        return Check("packages", "ok")
    said = f"{name} {version} is installed" if version else f"{name} is not installed"
    fix = f"pip install {shlex.quote(name + specifiers)}   # with the pip of the environment that saturn runs in"
    return Check("packages", "fail", f"{said}, saturn asks for {specifiers or 'it'}", fix)


# --- the inventory and its repository --------------------------------------------------------------------------------


def inventory_check(file: Path | None, error: SaturnError | None, findings: Sequence[InventoryFinding]) -> Check:
    """What `saturn validate` would say. findings: warnings too."""
    errors = [each for each in findings if each.severity == "error"]
    if errors:
        shown = "; ".join(f"{each.place}: {each.message}" for each in errors[:FINDINGS_SHOWN])
        more = f"; and {len(errors) - FINDINGS_SHOWN} more" if len(errors) > FINDINGS_SHOWN else ""
        return Check("inventory", "fail", shown + more, "saturn validate")
    if error:
        return Check("inventory", "fail", error.message, error.hint or "saturn validate")
    if findings:
        count = f"{len(findings)} warning{'' if len(findings) == 1 else 's'}"
        return Check("inventory", "warn", f"{file} is valid, with {count}: {findings[0].message}", "saturn validate")
    return Check("inventory", "ok", f"{file} is valid")


@dataclass(frozen=True)
class Branch:
    """A branch that hosts deploy. behind, ahead: of what origin had when it was last asked; None when it never was."""

    name: str
    behind: int | None = None
    ahead: int | None = None
    error: SaturnError | None = None


def clone_check(folder: Path, error: SaturnError | None, uncommitted: Sequence[str]) -> Check:
    """Whether there is a repository, and nothing in it that a deploy would leave out."""
    if error:
        return Check("clone", "fail", error.message, error.hint or f"git -C {shlex.quote(str(folder))} status")
    if not uncommitted:
        return Check("clone", "ok", f"{folder} is clean")
    more = f" and {len(uncommitted) - FILES_SHOWN} more" if len(uncommitted) > FILES_SHOWN else ""
    message = f"not committed, so no deploy has it: {', '.join(uncommitted[:FILES_SHOWN])}{more}"
    return Check("clone", "warn", message, f"git -C {shlex.quote(str(folder))} status")


def branch_check(folder: Path, current: str, branches: Sequence[Branch]) -> Check:
    """Whether what a person commits is what hosts deploy. current: the branch checked out, "" for none."""
    git = f"git -C {shlex.quote(str(folder))}"
    names = ", ".join(each.name for each in branches)
    parts = [part for each in branches for part in _branch(git, each)]
    if current not in {each.name for each in branches}:
        message = f"{current or 'no branch'} is checked out, and hosts deploy {names}"
        parts.insert(0, Check("branch", "warn", message, f"{git} switch {shlex.quote(branches[0].name)}"))
    is_known = any(each.behind is not None for each in branches)
    told = "as origin had it when it was last asked" if is_known else "origin was never asked here"
    return gathered("branch", parts, f"{current}, {told}")


def _branch(git: str, branch: Branch) -> Iterable[Check]:
    if branch.error:
        yield Check("branch", "fail", branch.error.message, branch.error.hint or f"{git} branch --all")
    if branch.behind:
        message = f"{branch.name} lacks {branch.behind} commits that origin has"
        yield Check("branch", "warn", message, f"{git} pull --ff-only")
    if branch.ahead:
        message = f"{branch.name} has {branch.ahead} commits that were not pushed"
        yield Check("branch", "warn", message, f"{git} push origin {shlex.quote(branch.name)}")


# --- the way to the hosts --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Identity:
    """A private key that hosts name. mode: its permissions, None when it is not there. trouble: why it is of no use."""

    file: Path
    mode: int | None
    trouble: SessionError | None = None


def identities_check(found: Sequence[Identity], *, has_agent: bool) -> Check:
    """Whether the keys are there, private, and can be used."""
    if not found:
        return Check("identities", "skip", "no host needs a key of ours")
    parts = [_identity(each, has_agent=has_agent) for each in found]
    agent = "an agent holds keys, too" if has_agent else "no agent runs"
    return gathered("identities", parts, f"{', '.join(str(each.file) for each in found)}; {agent}")


def _identity(identity: Identity, *, has_agent: bool) -> Check:
    name, file = "identities", shlex.quote(str(identity.file))
    if identity.mode is not None and identity.mode & 0o077:
        message = f"{identity.file} can be read by others (mode {identity.mode:04o})"
        return Check(name, "fail", message, f"chmod 600 {file}")
    if identity.trouble:
        return Check(name, "fail", words_of(identity.trouble), identity.trouble.hint or f"ssh-keygen -y -f {file}")
    if identity.mode is None and not has_agent:
        message = f"{identity.file} is not there, and no agent runs"
        return Check(name, "warn", message, f"ssh-keygen -t ed25519 -f {file}")
    return Check(name, "ok")


def host_keys_check(troubles: Mapping[str, SessionError | None]) -> Check:
    """Whether each host can be told from an impostor. troubles: by host; one that needs no key of ours is left out."""
    if not troubles:
        return Check("host_keys", "skip", "no host needs a key in known_hosts")
    unknown = {host: error for host, error in troubles.items() if error}
    parts = [Check("host_keys", "fail", f"{host}: {words_of(error)}", error.hint) for host, error in unknown.items()]
    return gathered("host_keys", parts, f"known for {', '.join(troubles)}")


def tailnet_check(known: Tailnet | Trouble | None, now: str, *, is_needed: bool) -> Check:
    """Whether SATURN is on its tailnet. known: None when no host wants one. is_needed: a host has no other way."""
    if known is None:
        return Check("tailnet", "skip", "no host is reached over a tailnet")
    if known == NOT_INSTALLED and not is_needed:
        return Check("tailnet", "skip", "tailscale is not installed on SATURN, and no host needs it")
    tailnet = usable(known, now)
    if isinstance(tailnet, Trouble):
        return Check("tailnet", "fail" if is_needed else "warn", tailnet.message, tailnet.hint)
    expiry = expiry_warning(tailnet.own, now) if tailnet.own else ""
    if expiry:
        fix = "sudo tailscale up --force-reauth   # or switch its expiry off in the admin console"
        return Check("tailnet", "warn", f"SATURN: {expiry}", fix)
    return Check("tailnet", "ok", f"on {tailnet.suffix or 'a tailnet'}, with {len(tailnet.peers)} peers")


# --- what saturn keeps -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shelf:
    """The journal's file. schema: of the file; newest: that of this saturn. damage, trouble: "" for none."""

    file: Path
    is_there: bool
    schema: int = 0
    newest: int = 0
    damage: str = ""
    trouble: str = ""


def journal_check(shelf: Shelf) -> Check:
    """Whether runs are remembered."""
    file = shlex.quote(str(shelf.file))
    if shelf.trouble:
        return Check("journal", "fail", f"{shelf.file} cannot be read: {shelf.trouble}", f"ls -l {file}")
    if shelf.damage:
        fix = "saturn history   # sets it aside under another name, and begins a new one"
        return Check("journal", "fail", f"{shelf.file} is damaged: {shelf.damage}", fix)
    if not shelf.is_there:
        return Check("journal", "ok", "there is none yet; the first run begins it")
    if shelf.schema > shelf.newest:
        message = f"{shelf.file} was written by a newer saturn (schema {shelf.schema}, this one knows {shelf.newest})"
        return Check("journal", "fail", message, "upgrade saturn, or use the newer one: type -a saturn")
    return Check("journal", "ok", f"{shelf.file} is sound (schema {shelf.schema})")


def disk_check(folder: Path, free: int, size: int) -> Check:
    """Whether there is room where the journal and copies lie. free, size: in bytes."""
    said = f"{free / (1 << 30):.1f} of {size / (1 << 30):.1f} GiB are free at {folder}"
    status = "fail" if free < DISK_FAIL_BYTES else "warn" if free < DISK_WARN_BYTES else "ok"
    return Check("disk", status, said, "" if status == "ok" else f"du -xm -d 2 {shlex.quote(str(folder))} | sort -n")


def clock_check(is_synchronised: bool | None) -> Check:
    """Whether this machine's clock follows the world's. None when nothing tells; the hosts' clocks are compared."""
    if is_synchronised is None:
        return Check("clock", "skip", "timedatectl does not tell; compare with the clocks of the hosts")
    if not is_synchronised:
        return Check("clock", "warn", "the clock is not synchronised", "sudo timedatectl set-ntp true")
    return Check("clock", "ok", "the clock is synchronised")
