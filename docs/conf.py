"""How Sphinx makes a site of the documents: each list of links in `docs/index.md` is a part of the navigation."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
_PARTS = re.compile(r"^\*\*(?P<title>[\w ]+)\*\*.*?$(?P<body>.*?)(?=^\*\*|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([\w./-]+)\.md\)")

project = "saturn"
author = "the authors of saturn"
release = version = re.search(r'__version__ = "(.+)"', (ROOT / "saturn_orchestrator/__init__.py").read_text())[1]  # type: ignore[index]
extensions = ["myst_parser"]
root_doc = "index"
myst_heading_anchors = 4
html_theme = "furo"
html_title = "saturn"
html_copy_source = False
nitpicky = True


def navigation(text: str) -> str:
    """One hidden table of contents for each part of the index, in its order."""
    parts = _PARTS.finditer(text)
    return "".join(_toctree(part["title"], _LINK.findall(part["body"])) for part in parts)


def _toctree(title: str, pages: list[str]) -> str:
    return "\n".join(("", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""))


def _read(_: Sphinx, name: str, source: list[str]) -> None:
    if name == root_doc:
        source[0] += navigation(source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read)
