"""The rules for services: the same code that the nodes apply, so that SATURN never judges by another measure."""

from saturn_node.exposure import is_local
from saturn_node.policy import CODES, FIXED, Definition, Violation, violations

__all__ = ["CODES", "FIXED", "Definition", "Violation", "is_local", "violations"]
