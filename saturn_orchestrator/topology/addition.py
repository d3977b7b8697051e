"""A host that is added to the text of topology.yaml; everything else in the file stays as a person wrote it. Pure.

Where the text goes is read from the parser's marks, never guessed; what comes of it is parsed again and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from saturn_orchestrator.errors import InventoryError, InventoryFinding
from saturn_orchestrator.records import dataclass
from saturn_orchestrator.topology.document import Loader, parsed

_BOM = "\ufeff"
_INDENT = 2


def with_host(text: str, name: str, entry: Mapping[str, object], file: str) -> str:
    """The text with one more host, the last one. file: as findings name it.

    Raises:
        InventoryError: it is no YAML, or its `hosts` are written in a way that cannot be added to (`hosts_unfit`).
    """
    bom, body = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    before = parsed(body, file).value
    root = yaml.compose(body, Loader=Loader)
    after = _Edit(body, name, entry).made(root)
    if after is None or not _is_only_more(before, parsed(after, file).value, name, entry):
        message = f"{name} cannot be added to hosts as they are written here"
        hint = f"add it by hand: {_flow({name: entry})[1:-1]}"
        raise InventoryError([InventoryFinding(file, 0, "hosts", message, hint, code="hosts_unfit")])
    return bom + after


def _is_only_more(before: object, after: object, name: str, entry: Mapping[str, object]) -> bool:
    """Whether the new content is the old one and this host, in order."""
    old = before if isinstance(before, dict) else {}
    hosts = {**(old.get("hosts") or {}), name: dict(entry)}
    wanted = {**old, "hosts": hosts}
    return (
        after == wanted
        and isinstance(after, dict)
        and list(after) == list(wanted)
        and list(after["hosts"]) == list(hosts)
    )


@dataclass(frozen=True)
class _Edit:
    """One text and what is added to it."""

    text: str
    name: str
    entry: Mapping[str, object]

    def made(self, root: yaml.Node | None) -> str | None:
        """The new text; None when it cannot be made."""
        if root is None:
            return _with_lines(self.text, len(self.text), _block("hosts", {self.name: self.entry}, 0, _INDENT))
        if not isinstance(root, yaml.MappingNode):
            return None
        found = next(((key, value) for key, value in root.value if key.value == "hosts"), None)
        if found is None:
            lines = _block("hosts", {self.name: self.entry}, 0, _INDENT)
            return None if root.flow_style else _with_lines(self.text, self._end(root), lines)
        key, value = found
        if value.start_mark.index < key.end_mark.index:
            return None  # an alias: the hosts themselves stand elsewhere
        if isinstance(value, yaml.MappingNode) and value.value:
            return self._in_flow(value) if value.flow_style else self._in_block(value)
        return None if root.flow_style else self._in_place(key, value)

    def _in_block(self, hosts: yaml.MappingNode) -> str:
        """Behind the last host and the comments that are indented below it, with a blank line where hosts have one."""
        keys = [key for key, _ in hosts.value]
        indent = keys[0].start_mark.column
        lines = _block(self.name, self.entry, indent, _step(hosts, indent))
        start = self._line_start(keys[-1].start_mark.index)
        is_spaced = len(keys) > 1 and not self.text[:start].removesuffix("\n").rpartition("\n")[2].strip()
        return _with_lines(
            self.text, self._behind_comments(self._end(hosts), indent), ["", *lines] if is_spaced else lines
        )

    def _in_flow(self, hosts: yaml.MappingNode) -> str:
        """Behind the last host, before the brace."""
        end, close = self._end(hosts.value[-1][1]), hosts.end_mark.index - 1
        comma = self.text.find(",", end, close)
        place = comma + 1 if comma >= 0 else end
        return (
            f"{self.text[:place]}{'' if comma >= 0 else ','} {_flow({self.name: self.entry})[1:-1]}{self.text[place:]}"
        )

    def _in_place(self, key: yaml.Node, value: yaml.Node) -> str | None:
        """Below `hosts:` with nothing behind it, or in the place of `{}` or `null`."""
        colon = self.text.index(":", key.end_mark.index)
        start, end = value.start_mark.index, value.end_mark.index
        if self.text[start:end].strip() not in {"", "{}", "null", "~", "Null", "NULL"}:
            return None  # with an anchor, or no mapping at all
        emptied = self.text[: colon + 1] + self.text[end:] if start > colon else self.text
        lines = _block(self.name, self.entry, key.start_mark.column + _INDENT, _INDENT)
        return _with_lines(emptied, colon + 1, lines)

    def _behind_comments(self, index: int, indent: int) -> int:
        """The end of the comment lines below index that are indented deeper than a host's name."""
        place = self.text.find("\n", index) + 1
        while place:
            line = self.text[place:].partition("\n")[0]
            bare = line.lstrip(" ")
            if not (bare.startswith("#") and len(line) - len(bare) > indent):
                break
            index = place + len(line.rstrip("\r"))
            place = self.text.find("\n", index) + 1
        return index

    def _end(self, node: yaml.Node) -> int:
        """Where the text of a node ends; that of a block ends where the last thing in it does."""
        if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
            key, value = node.value[-1]
            is_alias = value.start_mark.index < key.start_mark.index
            return self._line_end(key.end_mark.index) if is_alias else max(key.end_mark.index, self._end(value))
        if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
            return self._end(node.value[-1])
        end = int(node.end_mark.index)
        is_block = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}
        return len(self.text[:end].rstrip()) if is_block else end

    def _line_end(self, index: int) -> int:
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1


def _with_lines(text: str, index: int, lines: list[str]) -> str:
    """The text with lines below the one in which index stands."""
    newline = "\r\n" if "\r\n" in text else "\n"
    place = text.find("\n", index) + 1 or len(text)
    head, tail = text[:place], text[place:]
    glue = "" if not head or head.endswith("\n") else newline
    return head + glue + "".join(line + newline for line in lines) + tail


def _step(hosts: yaml.MappingNode, indent: int) -> int:
    """How much deeper the keys of a host stand than its name."""
    for _, value in hosts.value:
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            return max(int(value.value[0][0].start_mark.column) - indent, 1)
    return _INDENT


def _block(key: str, value: Mapping[str, object], indent: int, step: int) -> list[str]:
    """`key:` and its mapping below it: mappings of mappings in blocks, everything else in flow."""
    return [f"{' ' * indent}{_flow(key)}:{'' if value else ' {}'}", *_inner(value, indent + step, step)]


def _inner(value: Mapping[str, object], indent: int, step: int) -> Iterator[str]:
    for key, each in value.items():
        if isinstance(each, Mapping) and any(isinstance(inner, Mapping) for inner in each.values()):
            yield from _block(key, each, indent, step)
        else:
            yield f"{' ' * indent}{_flow(key)}: {_flow(each)}"


def _flow(value: object) -> str:
    """The value in one line, quoted where YAML would take it for something else."""
    dumped: Any = yaml.safe_dump([value], default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False)
    return str(dumped).strip()[1:-1]
