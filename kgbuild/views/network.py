"""pyvis's network with kgbuild's own page.

pyvis 0.3.2's templates fetch files from the internet and run text of the graph as markup, so only its ``Network``
and the vis-network library inside its wheel are used.
"""

from __future__ import annotations

import webbrowser
from importlib.resources import files
from pathlib import Path
from typing import Any

from pyvis.network import Network

from kgbuild.views.focus import View
from kgbuild.views.page import notebook, render

_OPTIONS = {
    "physics": {"enabled": False},
    "layout": {"improvedLayout": False},
    "interaction": {"hover": True, "keyboard": False, "selectConnectedEdges": False, "tooltipDelay": 86_400_000},
    "nodes": {"borderWidth": 1.5, "borderWidthSelected": 3, "labelHighlightBold": True},
    "edges": {"arrows": {"to": {"enabled": True, "scaleFactor": 0.45}}, "selectionWidth": 1.5, "hoverWidth": 1},
}


class KGNetwork(Network):  # type: ignore[misc] # pyvis has no types
    """A directed pyvis network of one view: still, self-contained, safe to open whatever the names in it."""

    def __init__(self, view: View) -> None:
        super().__init__(directed=True, cdn_resources="in_line", heading=view["title"])
        # add_node and add_edge search a list for every element; the view's ids are unique already.
        self.nodes = view["nodes"]
        self.edges = view["edges"]
        self.node_ids = [node["id"] for node in self.nodes]
        self.node_map = {node["id"]: node for node in self.nodes}
        self.options = _OPTIONS
        self._view = view

    def generate_html(self, name: str = "index.html", local: bool = True, notebook: bool = False) -> str:
        """The page as text. The arguments are pyvis's and change nothing."""
        library = (files("pyvis") / "templates/lib/vis-9.1.2/vis-network.min.js").read_text(encoding="utf-8")
        data: dict[str, Any] = {**self._view, "nodes": self.nodes, "edges": self.edges, "options": self.options}
        self.html = render(self.heading, data, library)
        return self.html

    def write_html(
        self, name: str | Path, local: bool = True, notebook: bool = False, open_browser: bool = False
    ) -> None:
        """Writes the page, and nothing beside it; ``local`` and ``notebook`` are pyvis's and change nothing."""
        path = Path(name)
        path.write_text(self.generate_html(), encoding="utf-8", newline="\n")
        if open_browser:
            webbrowser.open(path.resolve().as_uri())

    def show(self, name: str | Path, local: bool = True, notebook: bool = False) -> None:
        """Writes the page and opens it in the browser; ``local`` and ``notebook`` are pyvis's and change nothing."""
        self.write_html(name, open_browser=True)

    def _repr_html_(self) -> str:
        return notebook(self.generate_html())
