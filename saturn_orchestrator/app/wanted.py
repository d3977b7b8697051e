"""What git on SATURN wants the hosts to reach, resolved once for a whole run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saturn_orchestrator.plan.model import Wanted
from saturn_orchestrator.repository import Commit, Repository
from saturn_orchestrator.topology.model import Host, Topology


@dataclass(frozen=True)
class Source:
    """The tips of the hosts' branches, as they were when the run began. uncommitted: files a deploy leaves out."""

    repository: Repository
    tips: Mapping[str, Commit]
    uncommitted: tuple[str, ...]

    @classmethod
    async def of(cls, topology: Topology, hosts: Sequence[Host]) -> Source:
        """Resolve every branch that the hosts follow.

        Raises:
            RepositoryError: the inventory is not at the root of a repository, or a branch is unknown.
        """
        repository = Repository(topology.folder)
        await repository.check_root()
        tips = {branch: await repository.resolve(branch) for branch in dict.fromkeys(h.git.branch for h in hosts)}
        folders = sorted({service.folder for host in hosts for service in host.services})
        return cls(repository, tips, await repository.uncommitted(folders) if folders else ())

    @property
    def revision(self) -> str:
        """The wanted revision of the run: that of its first host's branch."""
        return next(iter(self.tips.values())).revision

    async def behind(self, host: Host, present: str) -> int | None:
        """How many commits the host's present revision lacks; None when SATURN does not know that revision."""
        return await self.repository.count(present, self.tips[host.git.branch].revision)

    async def wanted(self, host: Host, present: str) -> Wanted:
        """What the host shall reach from its present revision ("" when it has none)."""
        tip = self.tips[host.git.branch]
        commits = await self.behind(host, present)
        moved = None if commits is None else await self.repository.moved_files(present, tip.revision)
        return Wanted(
            revision=tip.revision,
            branch=host.git.branch,
            subject=tip.subject,
            commits=commits,
            moved=None if moved is None else _by_service(host, moved),
            uncommitted=tuple(name for name, files in _by_service(host, self.uncommitted) if files),
        )


def _by_service(host: Host, paths: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(
        (service.name, tuple(path for path in paths if path.startswith(f"{service.folder}/")))
        for service in host.services
    )
