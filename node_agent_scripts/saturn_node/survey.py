"""What the node was asked within one stage, so that nothing is asked twice: a Pi takes long to start docker and git.

An answer holds until the stage does something that may move it, and says so with `forget_...`. No survey outlives its
stage: what a person does meanwhile is seen by the next one.
"""

from __future__ import annotations

from typing import Iterable

from . import compose, git
from .compose import Container, Image
from .wire import NodeOrder


class Survey:
    """The answers so far. Each is asked for when it is wanted first."""

    def __init__(self, order: NodeOrder) -> None:
        self.order = order
        self._containers: tuple[Container, ...] | None = None
        self._named: set[str] = set()
        self._images: dict[str, Image] | None = None
        self._head: str | None = None
        self._dirty: tuple[str, ...] | None = None
        self._commits: set[str] = set()

    def containers(self, project: str = "") -> tuple[Container, ...]:
        """Every compose container on the node, or those of one project."""
        if self._containers is None:
            self._containers = compose.containers(self.order)
        return tuple(each for each in self._containers if project in ("", each.project))

    def forget_containers(self) -> None:
        """Something was brought up, or may have been."""
        self._containers = None

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
        if self._head is None:
            self._head = git.head(self.order.checkout) if git.is_checkout(self.order.checkout) else ""
        return self._head

    def dirty_files(self) -> tuple[str, ...]:
        """See git.dirty_files."""
        if self._dirty is None:
            self._dirty = git.dirty_files(self.order.checkout)
        return self._dirty

    def has_commit(self, revision: str) -> bool:
        """Whether the commit is in the checkout."""
        if revision not in self._commits and git.has_commit(self.order.checkout, revision):
            self._commits.add(revision)
        return revision in self._commits
