"""From the files of the inventory to a Topology, or to everything that is wrong with them.

Files are read here and nowhere else in this folder but by `document.read`; what a single file may hold is schema's
work. Here defaults, host entry and host.yaml are laid over one another, and what spans files is checked.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeVar

from saturn_orchestrator.errors import InventoryError, InventoryFinding
from saturn_orchestrator.policy import CODES, FIXED
from saturn_orchestrator.records import replace
from saturn_orchestrator.topology import schema
from saturn_orchestrator.topology.carriers import is_carrier
from saturn_orchestrator.topology.document import Document, KeyPath, dotted, parsed, read
from saturn_orchestrator.topology.entries import Defaults, HostEntry, Layout, Section, ServiceEntry, TopologyEntry
from saturn_orchestrator.topology.location import shown
from saturn_orchestrator.topology.model import Host, Policy, Service, Topology
from saturn_orchestrator.topology.order import cycles, deploy_order
from saturn_orchestrator.topology.resolve import keys, laid_over, resolved, section
from saturn_orchestrator.topology.spelling import near
from saturn_orchestrator.topology.strangers import by_host
from saturn_orchestrator.topology.traces import LOOKED_AT, Traces

S = TypeVar("S", bound=Section)

COMPOSE_FILES = ("docker-compose.yml", "docker-compose.yaml", "compose.yaml", "compose.yml")


def load(path: Path, draft: str | None = None, traces: Traces | None = None) -> Topology:
    """The resolved topology of the inventory whose topology.yaml is at path.

    draft: the text that topology.yaml is to have, in place of the one that it has. traces: take note of what was read.

    Raises:
        InventoryError: with everything that is wrong in topology.yaml, the host.yaml files and the service.yaml files.
    """
    file = path.absolute()
    try:
        return _loaded(file, draft, traces or Traces())
    except OSError as error:  # a folder on the way may not be searched, or a name is too long for the file system
        finding = InventoryFinding(str(error.filename or file), 0, "", f"cannot be read: {error.strerror}")
        raise InventoryError([finding]) from error


def _loaded(file: Path, draft: str | None, traces: Traces) -> Topology:
    loading = _Loading(repository_root(file), traces)
    document = read(file, shown(file), traces) if draft is None else parsed(draft, shown(file))
    entry = loading.checked(document, TopologyEntry)
    if entry:
        loading.findings += _waiver_findings(document, entry)
    is_placed = not any(each.key.startswith("layout") for each in loading.findings)
    hosts = {name: loading.host(name, document, entry) for name in entry.hosts} if entry and is_placed else {}
    if entry is None or loading.findings:
        raise InventoryError(_in_file_order(document.file, loading.findings))
    policy: Policy = section(entry.policy)
    return Topology(
        version=entry.version,
        controller=entry.controller,
        hosts=by_host({name: _with_policy(host, policy) for name, host in hosts.items() if host}, entry.controller),
        folder=loading.folder,
        file=file,
        layout=section(entry.layout),
        rollout=section(entry.rollout),
        policy=policy,
        hooks=section(entry.hooks),
        notify=section(entry.notify),
    )


def _with_policy(host: Host, policy: Policy) -> Host:
    own = tuple(each for each in policy.waivers if each.host == host.name)
    return replace(host, policy=replace(policy, waivers=own))


def _waiver_findings(document: Document, entry: TopologyEntry) -> Iterator[InventoryFinding]:
    """Waivers and severities that would never have an effect: a misspelt one shall not pass in silence."""
    for code in entry.policy.severity:
        yield from _code_findings(document, ("policy", "severity", code), code)
    for index, waiver in enumerate(entry.policy.waivers):
        place: KeyPath = ("policy", "waivers", index)
        yield from _code_findings(document, (*place, "code"), waiver.code)
        if waiver.host not in entry.hosts:
            hint = near(waiver.host, entry.hosts)
            yield document.finding((*place, "host"), f"unknown host {waiver.host}", hint)


def _code_findings(document: Document, place: KeyPath, code: str) -> Iterator[InventoryFinding]:
    if code not in CODES:
        yield document.finding(place, f"unknown finding {code}", near(code, CODES))
    elif code in FIXED:
        yield document.finding(place, f"{code} cannot be allowed: without it nothing could be brought up")


def _in_file_order(first: str, findings: Sequence[InventoryFinding]) -> tuple[InventoryFinding, ...]:
    """Each finding once: those of the first file, then the others' in the order they were read, by line."""
    files = [first, *dict.fromkeys(each.file for each in findings)]
    return tuple(sorted(dict.fromkeys(findings), key=lambda each: (files.index(each.file), each.line)))


def repository_root(file: Path) -> Path:
    """The folder above `inventory/`; a topology file that lies in no such folder makes its own folder the root."""
    return file.parent.parent if file.parent.name == "inventory" else file.parent


def compose_file(folder: Path) -> Path | None:
    """The compose file of the service in folder, by compose's own names."""
    return next((folder / name for name in COMPOSE_FILES if (folder / name).is_file()), None)


@dataclass(frozen=True)
class _Source:
    """Where a host is written: a document, the path of the host in it, and its entry."""

    document: Document
    path: KeyPath
    entry: Defaults

    def finding(self, path: KeyPath, message: str, hint: str = "") -> InventoryFinding:
        return self.document.finding((*self.path, *path), message, hint)


def _writer(sources: Sequence[_Source], *keys: str) -> _Source:
    """The source whose word on a key (or a key in a section) counts: the last that writes it, else the last of all."""
    return next((each for each in reversed(sources) if _writes(each.entry, keys)), sources[-1])


def _writes(section: Section, keys: Sequence[str]) -> bool:
    first, *rest = keys
    return first in section.model_fields_set and (not rest or _writes(getattr(section, first), rest))


@dataclass
class _Loading:
    """One reading of an inventory: what is found wrong is gathered, so that one error hides no other."""

    folder: Path
    traces: Traces
    findings: list[InventoryFinding] = field(default_factory=list)
    services: dict[Path, tuple[Document, ServiceEntry]] = field(default_factory=dict)

    def checked(self, document: Document, kind: type[S]) -> S | None:
        """The document as an entry of this kind; what is wrong with it is noted."""
        entry, findings = schema.entry(document, kind)
        self.findings += findings
        return entry

    def service(self, folder: Path, compose: Path) -> tuple[Document, ServiceEntry]:
        """The service.yaml in folder, read once even when many hosts share the service; its `connectivity` is known."""
        if folder not in self.services:
            document, entry = self.read(folder / "service.yaml", ServiceEntry)
            if entry.connectivity is None:
                entry = entry.model_copy(update={"connectivity": self._carries_connection(compose)})
            self.services[folder] = document, entry
        return self.services[folder]

    def read(self, path: Path, kind: type[S]) -> tuple[Document, S]:
        """The file at path as an entry, of which every key is optional; an empty file leaves all of them out."""
        empty = Document(shown(path), {}, {})
        if not path.exists():
            self.traces.look(path)
            return empty, kind()
        try:
            document = read(path, shown(path), self.traces)
        except InventoryError as error:
            self.findings += error.findings
            return empty, kind()
        if document.value is None:
            return document, kind()
        return document, self.checked(document, kind) or kind()

    def host(self, name: str, document: Document, entry: TopologyEntry) -> Host | None:
        """The host resolved, or None when it cannot be; what is wrong with it is noted."""
        before = len(self.findings)
        own, extra = self.read(self._inside(entry.layout.host, host=name) / "host.yaml", HostEntry)
        sources = (
            _Source(document, ("defaults",), entry.defaults),
            _Source(document, ("hosts", name), entry.hosts[name]),
            *([_Source(own, (), extra)] if own.places else []),
        )
        merged = HostEntry()
        for source in sources:
            merged = laid_over(merged, source.entry)
        self.traces.note_home(merged.ssh.identity_file)
        self.traces.note_home(merged.ssh.known_hosts)
        services = self._services(name, merged, sources, entry.layout)
        if not merged.git.url and not self._is_spoiled(sources, "git"):
            self._note(document.finding(("defaults", "git", "url"), "is needed: where nodes clone the repository from"))
        if len(self.findings) > before:
            return None
        carriers = [each.name for each in services.values() if each.connectivity]
        ordered = deploy_order(merged.services, {each.name: each.depends_on for each in services.values()}, carriers)
        return resolved(name, merged, tuple(services[each] for each in ordered), self.folder)

    def _services(self, host: str, merged: HostEntry, sources: Sequence[_Source], layout: Layout) -> dict[str, Service]:
        """The host's services by name; what is wrong with them, or between them, is noted."""
        services: dict[str, Service] = {}
        documents: dict[str, Document] = {}
        is_whole = not self._is_spoiled(sources, "services", "ingress")
        writer = _writer(sources, "services")
        for index, name in enumerate(merged.services):
            folder = self._inside(layout.service, host=host, service=name)
            if name in merged.services[:index]:
                self._note(writer.finding(("services", index), f"{name} stands twice"))
            elif (compose := self._compose_file(folder)) is None:
                self._note(writer.finding(("services", index), *self._unknown_service(name, folder, host, layout)))
            else:
                documents[name], entry = self.service(folder, compose)
                place = folder.relative_to(self.folder).as_posix()
                services[name] = Service(name=name, folder=place, **keys(entry))
        if is_whole:
            self.findings += _relations(host, merged, sources, services, documents)
        return services

    def _compose_file(self, folder: Path) -> Path | None:
        found = compose_file(folder)
        for name in COMPOSE_FILES:
            self.traces.look_for(folder / name)
            if found and found.name == name:
                break
        return found

    def _carries_connection(self, compose: Path) -> bool:
        with compose.open("rb") as file:
            data = file.read(LOOKED_AT)
        verdict = is_carrier(data)
        self.traces.note_carrier(compose, data, verdict)
        return verdict

    def _is_spoiled(self, sources: Sequence[_Source], *keys: str) -> bool:
        """Whether something under one of the keys was wrong, so that what is left of it proves nothing."""
        spoiled = {(source.document.file, dotted((*source.path, key))) for source in sources for key in keys}
        return any(each.file == file and each.key.startswith(key) for each in self.findings for file, key in spoiled)

    def _note(self, finding: InventoryFinding) -> None:
        self.findings.append(finding)

    def _inside(self, layout: str, host: str, service: str = "") -> Path:
        return self.folder / layout.replace("{host}", host).replace("{service}", service)

    def _unknown_service(self, name: str, folder: Path, host: str, layout: Layout) -> tuple[str, str]:
        """A sentence and a hint for a service that has no compose file where the layout wants one."""
        place = folder.relative_to(self.folder).as_posix()
        if folder.is_dir():
            return f"unknown service {name}: {place}/ holds no compose file", f"write {place}/docker-compose.yml"
        known = self._known_services(host, layout)
        hint = near(name, known) or (f"known here: {', '.join(known)}" if known else f"create {place}/")
        return f"unknown service {name}: there is no folder {place}/", hint

    def _known_services(self, host: str, layout: Layout) -> tuple[str, ...]:
        """The services this host could have: folders where the layout wants them, with a compose file."""
        filled = layout.service.replace("{host}", host)
        pattern = glob.escape(filled).replace("{service}", "*", 1).replace("{service}", "*")
        shape = re.compile(re.escape(filled).replace(re.escape("{service}"), "([^/]+)", 1))
        folders = sorted(each for each in self.folder.glob(pattern) if compose_file(each))
        matches = (shape.match(PurePosixPath(each.relative_to(self.folder)).as_posix()) for each in folders)
        return tuple(match.group(1) for match in matches if match)


def _relations(
    host: str,
    merged: HostEntry,
    sources: Sequence[_Source],
    services: dict[str, Service],
    documents: dict[str, Document],
) -> Iterator[InventoryFinding]:
    """What does not fit between a host and its services, or among these."""
    listed = merged.services
    for index, name in enumerate(merged.ingress.public):
        if name not in listed:
            path = ("ingress", "public", index)
            message = f"{name} is no service of {host}"
            yield _writer(sources, "ingress", "public").finding(path, message, near(name, listed))
    for service in services.values():
        document = documents[service.name]
        for index, needed in enumerate(service.depends_on):
            if needed not in listed:
                hint = near(needed, listed) or f"add {needed} to the services of {host}"
                yield document.finding(("depends_on", index), f"{needed} is no service of {host}", hint)
        if service.exposure == "public" and service.name not in merged.ingress.public:
            message = f"{service.name} is public, but hosts.{host}.ingress.public does not name it"
            yield document.finding(("exposure",), message, "name it there, or make it tailscale-internal")
    for cycle in cycles(listed, {each.name: each.depends_on for each in services.values()}):
        message = f"services wait for one another in a circle: {' -> '.join(cycle)}"
        yield documents[cycle[0]].finding(("depends_on",), message, "take one of these out of its depends_on")
