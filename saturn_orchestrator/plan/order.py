"""What the topology says of a host, in the words the executor understands."""

from __future__ import annotations

from datetime import UTC, datetime

from saturn_orchestrator.events import BackupOrder, Conventions, NodeOrder, ServiceOrder, Waiver
from saturn_orchestrator.topology.model import Backup, Host, Service


def node_order(host: Host, chosen: frozenset[str] | None = None) -> NodeOrder:
    """The part of a request that is the same for every request to this host. chosen: only these services, if given."""
    return NodeOrder(
        host=host.name,
        root=host.root,
        checkout=host.git.path,
        origin=host.git.url,
        branch=host.git.branch,
        compose=host.compose.command,
        pull=host.compose.pull,
        up_timeout_s=host.compose.up_timeout_s,
        services=tuple(_service_order(each) for each in host.services if chosen is None or each.name in chosen),
        source=host.git.source,
        assigned=tuple(service.name for service in host.services),
        ack_timeout_s=host.ack_timeout_s,
        conventions=conventions(host),
    )


def conventions(host: Host) -> Conventions:
    """What the services of the host may do. Whether a waiver is over is told by SATURN's clock: a node's may be off."""
    today = datetime.now(UTC).date()
    return Conventions(
        public=host.ingress.public,
        forbidden_devices=host.policy.forbidden_devices,
        autonomous=host.autonomous,
        strangers=host.strangers,
        own=tuple(dict.fromkeys((host.name, host.address))),
        severity=dict(host.policy.severity),
        waivers=tuple(
            Waiver(each.code, each.service or "", each.reason, each.until.isoformat(), each.until < today)
            for each in host.policy.waivers
        ),
    )


def _service_order(service: Service) -> ServiceOrder:
    return ServiceOrder(
        name=service.name,
        folder=service.folder,
        depends_on=service.depends_on,
        required_env=service.required_env,
        health_timeout_s=service.healthcheck.timeout_s,
        health_interval_s=service.healthcheck.interval_s,
        connectivity=service.connectivity,
        exposure=service.exposure,
        backup=_backup_order(service.backup) if service.backup else None,
        provided=service.required_env if service.secrets else (),
    )


def _backup_order(backup: Backup) -> BackupOrder:
    return BackupOrder(backup.paths, backup.quiesce, backup.keep, backup.exclude)
