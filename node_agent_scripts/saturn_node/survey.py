"""What the node was asked within one stage, so that nothing is asked twice: a Pi takes long to start docker and git.

An answer holds until the stage does something that may move it, and says so with `forget_...`. No survey outlives its
stage: what a person does meanwhile is seen by the next one.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from . import compose, git
from .compose import Container, Image
from .wire import NodeOrder


class Survey:
    """The answers so far. Each is asked for when it is wanted first."""

    def __init__(self, order: NodeOrder) -> None:
        self.order = order
        self._containers: dict[str, tuple[Container, ...]] = {}
        self._is_listed = False
        self._moved: set[str] = set()
        self._named: set[str] = set()
        self._images: dict[str, Image] | None = None
        self._standing: git.Standing | None = None
        self._tips: tuple[str, ...] | None = None
        self._commits: dict[str, bool] = {}

    def containers(self, project: str = "") -> tuple[Container, ...]:
        """Every compose container on the node, or those of one project."""
        if not self._is_known(project):
            self._containers, self._moved, self._is_listed = _by_project(compose.containers(self.order)), set(), True
        if project:
            return self._containers.get(project, ())
        return tuple(each for name in sorted(self._containers) for each in self._containers[name])

    def _is_known(self, project: str) -> bool:
        if project in self._containers:
            return True
        return self._is_listed and (project not in self._moved if project else not self._moved)

    def forget_containers(self, project: str) -> None:
        """The project was brought up, or may have been."""
        self._moved.add(project)
        self._containers.pop(project, None)

    def look_again(self, project: str, config: Mapping[str, Any], before: Iterable[Container]) -> None:
        """Ask for a project's containers by those that it had before, and by the names that compose gives.

        Where they are not what its config says, every container is listed when it is asked for.
        """
        self.forget_containers(project)
        asked = tuple(dict.fromkeys((*(each.id for each in before), *compose.names(project, config))))
        found = _by_project(compose.inspected(self.order, asked)).get(project, ())
        if compose.is_complete(config, found):
            self._containers[project] = found
            self._moved.discard(project)

    def images(self, names: Iterable[str]) -> dict[str, Image]:
        """Those of the images that are on the node, by the name that was asked for."""
        wanted = set(names)
        if not wanted <= self._named:
            self._named |= wanted
            self._images = None
        if self._images is None:  # all that were ever named are asked for together, whatever is wanted first
            self._images = compose.images_here(self.order, sorted(self._named))
        return {name: image for name, image in self._images.items() if name in wanted}

    def forget_images(self) -> None:
        """Something was pulled, built or tagged."""
        self._images = None

    def head(self) -> str:
        """The commit that is checked out, "" when there is none."""
        return self._stood().head

    def dirty_files(self) -> tuple[str, ...]:
        """Tracked files that changed. Fails where git cannot tell."""
        known = self._stood()
        if known.complaint:
            raise known.complaint
        return known.dirty

    def _stood(self) -> git.Standing:
        if self._standing is None:
            checkout = self.order.checkout
            self._standing = git.standing(checkout) if git.is_checkout(checkout) else git.Standing("")
        return self._standing

    def tips(self) -> tuple[str, ...]:
        """The commits at the ends of the checkout's history, what a thin bundle may build on."""
        if self._tips is None:
            self._tips = git.tips(self.order.checkout, self.head())
        return self._tips

    def has_commit(self, revision: str) -> bool:
        """Whether the commit is in the checkout."""
        if revision not in self._commits:
            self._commits[revision] = git.has_commit(self.order.checkout, revision)
        return self._commits[revision]


def _by_project(containers: Iterable[Container]) -> dict[str, tuple[Container, ...]]:
    found: dict[str, tuple[Container, ...]] = {}
    for each in containers:
        found[each.project] = (*found.get(each.project, ()), each)
    return found
