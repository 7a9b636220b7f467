"""The embedded store of a workspace, kept up to its tables."""

from __future__ import annotations

from kgbuild.stores import Store, embedded
from kgbuild.workspace import Workspace


def open_embedded(workspace: Workspace) -> Store:
    """The embedded store, brought to the state of the current graph if it is not there yet.

    A mark beside the file says which graph it holds; it is removed before a change and written after, so a store
    that a kill left behind is brought up by the next one who asks.
    """
    path, mark = workspace.folder / "embedded.kgl", workspace.folder / "embedded.graph"
    current = workspace.manifest()["graph"]
    store = embedded(path)
    if not (path.exists() and mark.exists() and mark.read_text(encoding="utf-8") == current):
        mark.unlink(missing_ok=True)
        store.sync(workspace.tables())
        mark.write_text(current, encoding="utf-8")
    return store
