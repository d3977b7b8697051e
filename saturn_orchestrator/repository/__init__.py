"""The git repository on SATURN, asked read-only: which revision is wanted, and what lies between two."""

from saturn_orchestrator.repository.git import Commit, Repository

__all__ = ["Commit", "Repository"]
