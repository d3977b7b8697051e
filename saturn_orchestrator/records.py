"""Frozen dataclasses that cost next to nothing to define: the executor's, which has the harder limits, for all here."""

from saturn_node.records import dataclass, field, field_names, replace

__all__ = ["dataclass", "field", "field_names", "replace"]
