"""The git repository on SATURN, asked read-only: which revision is wanted, what lies between two, what a node lacks."""

from saturn_orchestrator.repository.bundle import thin_bundle
from saturn_orchestrator.repository.git import Commit, Distance, Repository, revision_names

__all__ = ["Commit", "Distance", "Repository", "revision_names", "thin_bundle"]
