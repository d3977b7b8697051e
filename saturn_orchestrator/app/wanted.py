"""What git on SATURN wants the hosts to reach, resolved once for a whole run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from saturn_orchestrator.plan.model import HostPlan, Step, Wanted
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.repository import Commit, Distance, Repository
from saturn_orchestrator.topology.model import Host, Topology

STEPS = 10
"""Commits that a plan names; of more it tells the count."""


@dataclass(frozen=True)
class Source:
    """What each host shall reach, by its name, as it was when the run began.

    unpushed: how many of a revision's commits origin lacks. uncommitted: files that a deploy leaves out.
    """

    repository: Repository
    tips: Mapping[str, Commit]
    unpushed: Mapping[str, int]
    uncommitted: tuple[str, ...]

    @classmethod
    async def of(cls, topology: Topology, hosts: Sequence[Host], revisions: Mapping[str, str] | None = None) -> Source:
        """Resolve what every host shall reach, once: the tip of its branch unless `revisions` names another.

        Raises:
            RepositoryError: the inventory is not at the root of a repository, or a revision is unknown.
        """
        repository = Repository(topology.folder)
        names = {host.name: (revisions or {}).get(host.name) or host.git.branch for host in hosts}
        wishes = dict.fromkeys((names[host.name], host.git.branch) for host in hosts)
        folders = sorted({service.folder for host in hosts for service in host.services})
        root = asyncio.create_task(repository.check_root())
        resolving = {name: asyncio.create_task(repository.resolve(name)) for name in dict.fromkeys(names.values())}
        counting = {wish: asyncio.create_task(repository.unpushed(*wish)) for wish in wishes}
        looking = asyncio.create_task(repository.uncommitted(folders))
        # All are asked at once and awaited whatever becomes of them; of several errors the first in this order is told.
        asked = (root, *resolving.values(), *counting.values(), looking)
        await asyncio.gather(*asked, return_exceptions=True)
        root.result()
        commits = {name: task.result() for name, task in resolving.items()}
        unpushed: dict[str, int] = {}
        for wish in wishes:
            unpushed.setdefault(commits[wish[0]].revision, counting[wish].result() or 0)
        return cls(repository, {host: commits[name] for host, name in names.items()}, unpushed, looking.result())

    @property
    def revision(self) -> str:
        """The wanted revision of the run: that of its first host."""
        return next(iter(self.tips.values())).revision

    def revision_of(self, host: Host) -> str:
        """The full commit that the host shall reach."""
        return self.tips[host.name].revision

    async def distance(self, host: Host, present: str) -> Distance | None:
        """How far the host's present revision is from the wanted one; None when SATURN does not know it."""
        return await self.repository.distance(present, self.revision_of(host))

    async def wanted(self, host: Host, present: str, revision: str = "") -> Wanted:
        """What the host shall reach from its present revision ("" when it has none): `revision`, else its tip."""
        tip = self.tips[host.name]
        if revision and revision != tip.revision:
            if not await self.repository.knows(revision):
                return Wanted(revision, host.git.branch)
            tip = await self.repository.resolve(revision)
        distance = await self.repository.distance(present, tip.revision)
        moved = None if distance is None else await self.repository.moved_files(present, tip.revision)
        steps = await self.repository.commits(present, tip.revision, STEPS) if distance and distance.behind else ()
        return Wanted(
            revision=tip.revision,
            branch=host.git.branch,
            subject=tip.subject,
            commits=distance.behind if distance else None,
            steps=tuple(Step(each.revision, each.author, each.subject) for each in steps),
            left=distance.ahead if distance else 0,
            moved=None if moved is None else _by_service(host, moved),
            uncommitted=tuple(name for name, files in _by_service(host, self.uncommitted) if files),
            unpushed=self.unpushed.get(tip.revision, 0) if host.git.url and host.git.source != "saturn" else 0,
        )

    async def diff(self, plan: HostPlan, folders: Sequence[str]) -> str:
        """The differences of the folders that a plan brings, as git prints them, or why there are none to show."""
        before = plan.revision_before
        if before and not await self.repository.knows(before):
            return f"SATURN does not know commit {before[:8]} of {plan.host}, so it cannot tell what differs\n"
        told = await self.repository.diff(before, plan.revision_after, folders) if folders else ""
        return told or f"no file of {plan.host}'s services differs\n"


def _by_service(host: Host, paths: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (service.name, tuple(path for path in paths if path.startswith(f"{service.folder}/")))
        for service in host.services
    )
