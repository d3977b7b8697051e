"""What the node remembers between runs: every path below the root, and every state file, written atomically.

The order of writes lets a power cut at any point converge: up, then the service's record, then progress.json, then
last_service, then the event. What a state means for a run is decided in `stages`.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Iterable, Mapping, NamedTuple

from .late import shutil
from .wire import STAGES

PARTS = ("config", "data", "logs")
"""The folders below the root in which each service has one of its own."""

KEPT = 20
"""Run folders, deploy logs and diagnostics files that are kept, each."""


class Paths(NamedTuple):
    """Where everything of saturn lies below the root of a node."""

    root: str

    @property
    def bin(self) -> str:
        """The executors."""
        return os.path.join(self.root, "bin")

    @property
    def config(self) -> str:
        """One folder a service: `.env` and the override."""
        return os.path.join(self.root, "config")

    @property
    def data(self) -> str:
        """One folder a service."""
        return os.path.join(self.root, "data")

    @property
    def logs(self) -> str:
        """One folder a service, and `deploy`."""
        return os.path.join(self.root, "logs")

    @property
    def deploy_logs(self) -> str:
        """Deploy logs and diagnostics files."""
        return os.path.join(self.logs, "deploy")

    @property
    def state(self) -> str:
        """State files of deploys."""
        return os.path.join(self.root, "state", "deploy")

    @property
    def runs(self) -> str:
        """One folder a run."""
        return os.path.join(self.state, "runs")

    @property
    def lock(self) -> str:
        """The file whose flock a worker holds."""
        return os.path.join(self.state, "lock")

    def run(self, run: str, name: str = "") -> str:
        """A run's folder, or a file in it."""
        return os.path.join(self.runs, run, name) if name else os.path.join(self.runs, run)

    def of_service(self, part: str, service: str) -> str:
        """A folder of a service; part: one of PARTS."""
        return os.path.join(self.root, part, service)

    def env_file(self, service: str) -> str:
        """The secrets of a service."""
        return os.path.join(self.config, service, ".env")

    def override(self, service: str) -> str:
        """The compose override of a service that lies on this node, or "" when there is none."""
        for ending in ("yml", "yaml"):
            path = os.path.join(self.config, service, "docker-compose.override." + ending)
            if os.path.isfile(path):
                return path
        return ""

    def record(self, service: str) -> str:
        """What the last deploy of a service left behind."""
        return os.path.join(self.state, "services", service + ".json")

    def unacknowledged(self, service: str) -> str:
        """The file that stands while a service that carries the connection was touched and not acknowledged since."""
        return os.path.join(self.state, "services", service + ".unacknowledged")

    @property
    def backups(self) -> str:
        """One folder a service, and in it one a backup."""
        return os.path.join(self.root, "backups")

    def quiesced(self, service: str) -> str:
        """The file that stands while the containers of a service are held still for a backup or a restore."""
        return os.path.join(self.state, "services", service + ".quiesced")

    def restoring(self, service: str) -> str:
        """The file that stands while the folders of a service are being swapped for those of a backup."""
        return os.path.join(self.state, "services", service + ".restoring")

    def folders(self) -> tuple[str, ...]:
        """Every folder that a run needs, parents first."""
        return (
            self.root, self.bin, self.config, self.data, self.logs, self.deploy_logs, self.state, self.runs,
            os.path.join(self.state, "services"),
        )  # fmt: skip


class Progress(NamedTuple):
    """How far `deploy` came: the services completed, at which revision."""

    run: str
    revision: str
    completed: tuple[str, ...] = ()


class ServiceRecord(NamedTuple):
    """The last deploy of a service. local: the digest of its `.env` and override at that time.

    containers: for each compose service `hash`, `image`, `image_id`, `digest` and `networks` of the containers that
    stood then.
    keys: for each compose service the digests of what its files wanted. ports: what it published. config: the digest
    of the whole config that was brought up.
    """

    revision: str
    local: str
    at: str
    images: tuple[str, ...] = ()
    containers: Mapping[str, Mapping[str, str]] = {}
    keys: Mapping[str, Mapping[str, str]] = {}
    ports: tuple[str, ...] = ()
    config: str = ""


class Deployment(NamedTuple):
    """A deployment that was completed. images: service to compose service to `image`, `image_id` and `digest`."""

    run: str
    revision: str
    at: str
    images: Mapping[str, Mapping[str, Mapping[str, str]]] = {}


def write_atomically(path: str, data: bytes, mode: int = 0o644, *, is_durable: bool = True) -> None:
    """Replace a file as a whole: after a power cut it is the old one or the new one.

    is_durable: not where the file says nothing any more after a power cut. A card of a Pi takes long to be sure.
    """
    temporary = f"{path}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        _unlink(temporary)
        raise
    if is_durable:
        sync_folder(os.path.dirname(path))


def sync_folder(folder: str) -> None:
    """Bring a folder's entries to the disk: a rename or unlink is not durable before."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str, text: str, *, is_durable: bool = True) -> None:
    """Write a one-line state file. is_durable: see write_atomically."""
    write_atomically(path, (text + "\n").encode(), is_durable=is_durable)


def write_json(path: str, record: dict[str, Any], mode: int = 0o644, *, is_durable: bool = True) -> None:
    """Write a state file of one JSON object. is_durable: see write_atomically."""
    write_atomically(path, (json.dumps(record, indent=1) + "\n").encode(), mode, is_durable=is_durable)


def read_text(path: str) -> str:
    """A state file without its newline; "" when it is missing."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except (OSError, ValueError):  # a ValueError: what a service mounts need not be a path
        return ""


def read_json(path: str) -> dict[str, Any]:
    """A JSON object; empty when the file is missing or not one."""
    try:
        data = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _words(value: object) -> tuple[str, ...]:
    """The texts of a JSON list; none when something else stands there."""
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _pairs_of(value: object) -> dict[str, dict[str, str]]:
    """A JSON object of objects of texts; whatever else stands there is left out."""
    outer = value.items() if isinstance(value, dict) else ()
    return {
        str(name): {str(key): each for key, each in inner.items() if isinstance(each, str)}
        for name, inner in outer
        if isinstance(inner, dict)
    }


def marker(paths: Paths, stage: str) -> str:
    """The file that stands once a stage is complete."""
    return os.path.join(paths.state, f"stage_{stage}_complete")


def completed_stages(paths: Paths) -> tuple[str, ...]:
    """The stages whose markers stand, in stage order."""
    return tuple(stage for stage in STAGES if os.path.exists(marker(paths, stage)))


def forget_stages(paths: Paths) -> None:
    """Remove every stage marker."""
    for stage in STAGES:
        _unlink(marker(paths, stage))
    sync_folder(paths.state)


def forget_progress(paths: Paths) -> None:
    """Begin afresh. Progress goes first: markers without it are nothing to resume."""
    _unlink(os.path.join(paths.state, "progress.json"))
    sync_folder(paths.state)
    _unlink(os.path.join(paths.state, "last_service"))
    forget_stages(paths)


def current_stage(paths: Paths) -> str:
    """The stage in hand or last reached."""
    return read_text(os.path.join(paths.state, "current_stage"))


def write_current_stage(paths: Paths, stage: str) -> None:
    """Remember the stage in hand."""
    write_text(os.path.join(paths.state, "current_stage"), stage)


def read_end(path: str, size: int = 65536) -> str:
    """The end of a file that may be long; "" when it is missing."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def last_service(paths: Paths) -> str:
    """The last service that `deploy` completed."""
    return read_text(os.path.join(paths.state, "last_service"))


def read_progress(paths: Paths) -> Progress | None:
    """How far the last deploy came, or None when nothing is remembered."""
    data = read_json(os.path.join(paths.state, "progress.json"))
    if not data:
        return None
    return Progress(str(data.get("run", "")), str(data.get("revision", "")), _words(data.get("completed")))


def write_progress(paths: Paths, progress: Progress) -> None:
    """Remember how far the deploy came, and its last service."""
    write_json(os.path.join(paths.state, "progress.json"), progress._asdict())
    if progress.completed:
        last = os.path.join(paths.state, "last_service")
        write_text(last, progress.completed[-1], is_durable=False)  # progress says the same


def read_record(paths: Paths, service: str) -> ServiceRecord | None:
    """What the last deploy of the service left, or None when there was none."""
    data = read_json(paths.record(service))
    if not data:
        return None
    return ServiceRecord(
        str(data.get("revision", "")),
        str(data.get("local", "")),
        str(data.get("at", "")),
        _words(data.get("images")),
        _pairs_of(data.get("containers")),
        _pairs_of(data.get("keys")),
        _words(data.get("ports")),
        str(data.get("config", "")),
    )


def write_record(paths: Paths, service: str, record: ServiceRecord) -> None:
    """Remember the deploy of a service."""
    write_json(paths.record(service), record._asdict(), 0o600)


def forget_record(paths: Paths, service: str) -> None:
    """The service is on the node no more."""
    _unlink(paths.record(service))
    _unlink(paths.unacknowledged(service))
    sync_folder(os.path.dirname(paths.record(service)))


def is_unacknowledged(paths: Paths, service: str) -> bool:
    """Whether the service carries the connection, a run may have touched it, and nobody acknowledged it since."""
    return os.path.exists(paths.unacknowledged(service))


def write_unacknowledged(paths: Paths, service: str, run: str) -> None:
    """Remember that, before the service is touched."""
    write_text(paths.unacknowledged(service), run)


def forget_unacknowledged(paths: Paths, service: str) -> None:
    """It is acknowledged, was not touched after all, or is back at what it was."""
    forget(paths.unacknowledged(service))


def recorded_services(paths: Paths) -> tuple[str, ...]:
    """The services that a run brought up, by name."""
    return marked_services(paths, ".json")


def marked_services(paths: Paths, ending: str) -> tuple[str, ...]:
    """The services of which a state file with this ending stands, by name."""
    names = _names(os.path.join(paths.state, "services"))
    return tuple(sorted(name[: -len(ending)] for name in names if name.endswith(ending)))


def deployments(paths: Paths) -> tuple[Deployment, ...]:
    """The completed deployments that are remembered, newest first."""
    data = read_json(_deployments(paths)).get("deployments")
    kept = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    return tuple(_deployment(each) for each in kept)


def _deployment(data: Mapping[str, Any]) -> Deployment:
    images = data.get("images")
    services = images.items() if isinstance(images, dict) else ()
    named = {str(service): _pairs_of(each) for service, each in services}
    return Deployment(str(data.get("run", "")), str(data.get("revision", "")), str(data.get("at", "")), named)


def remember_deployment(paths: Paths, deployment: Deployment) -> None:
    """Put a completed deployment before the others."""
    kept = [deployment, *(each for each in deployments(paths) if each.run != deployment.run)][:KEPT]
    write_json(_deployments(paths), {"deployments": [each._asdict() for each in kept]}, 0o600)


def _deployments(paths: Paths) -> str:
    return os.path.join(paths.state, "deployments.json")


def prefetched_revision(paths: Paths) -> str:
    """The revision that a prefetch brought to the node, or ""."""
    return read_text(_prefetched(paths))


def write_prefetched(paths: Paths, revision: str) -> None:
    """Remember that everything a deploy of this revision needs is on the node."""
    write_text(_prefetched(paths), revision)


def _prefetched(paths: Paths) -> str:
    return os.path.join(paths.state, "prefetched")


def is_stale(paths: Paths) -> bool:
    """Whether the last prepare could not ask origin."""
    return os.path.exists(_stale(paths))


def write_stale(paths: Paths, stale: bool) -> None:
    """Remember whether origin could be asked."""
    if stale:
        write_text(_stale(paths), "origin could not be asked")
    else:
        _unlink(_stale(paths))


def _stale(paths: Paths) -> str:
    return os.path.join(paths.state, "stale")


def current_run(paths: Paths) -> str:
    """The last run that held the node's lock."""
    return read_text(os.path.join(paths.state, "current_run"))


def local_digest(paths: Paths, service: str) -> str:
    """The digest of what lies on this node alone and shapes the service: its `.env` and its override."""
    digest = hashlib.sha256()
    for path in (paths.env_file(service), paths.override(service)):
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            data = b""
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()


def newest_runs(paths: Paths) -> tuple[str, ...]:
    """The runs that the node remembers, newest first. The last that began is known by name: clocks are set back."""
    runs = _newest(paths.runs, _names(paths.runs))
    last = current_run(paths)
    return (last, *(run for run in runs if run != last)) if last in runs else runs


def sweep(paths: Paths) -> None:
    """Remove the half-written files that a killed worker left. Only the holder of the node's lock writes there."""
    for folder in (paths.state, os.path.join(paths.state, "services")):
        for name in _names(folder):
            if name.endswith(".tmp"):
                _unlink(os.path.join(folder, name))


def prune(paths: Paths, current_run: str) -> None:
    """Keep the newest run folders, deploy logs and diagnostics files; the current run stays in any case."""
    for run in newest_runs(paths)[KEPT:]:
        if run != current_run:
            shutil.rmtree(paths.run(run), ignore_errors=True)
    for prefix in ("deploy_", "diagnostics_"):
        names = [name for name in _names(paths.deploy_logs) if name.startswith(prefix)]
        for name in _newest(paths.deploy_logs, names)[KEPT:]:
            _unlink(os.path.join(paths.deploy_logs, name))


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _newest(folder: str, names: Iterable[str]) -> tuple[str, ...]:
    """Names sorted by the time of their last change, newest first; one that vanished meanwhile is left out."""
    dated = ((_changed_at(os.path.join(folder, name)), name) for name in names)
    return tuple(name for changed_at, name in sorted(dated, reverse=True) if changed_at)


def _changed_at(path: str) -> int:
    """The time of the last change in ns, 0 for a path that is gone."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def forget(path: str) -> None:
    """Take a state file away, durably."""
    if os.path.exists(path):
        _unlink(path)
        sync_folder(os.path.dirname(path))


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
