"""The embedded store of a workspace, kept up to its tables."""

from __future__ import annotations

import filelock

from kgbuild.schema import load_schema
from kgbuild.stores import Store, embedded
from kgbuild.tables import GraphTables
from kgbuild.workspace import Workspace


def open_embedded(workspace: Workspace) -> Store:
    """The embedded store, brought to the state of the current graph if it is not there yet.

    A mark beside the file says which graph it holds; it is removed before a change and written after, so a store
    that a kill left behind is brought up by the next one who asks.
    """
    path, mark = workspace.folder / "embedded.kgl", workspace.folder / "embedded.graph"
    current: str = workspace.manifest()["graph"]
    store = embedded(path)

    def is_current() -> bool:
        return path.exists() and mark.exists() and mark.read_text(encoding="utf-8") == current

    if not is_current():
        # readers that come at the same time wait for the first to bring the store up
        with filelock.FileLock(workspace.folder / ".embedded.lock"):
            if not is_current():
                mark.unlink(missing_ok=True)
                store.sync(GraphTables(workspace.folder / current, load_schema()))
                mark.write_text(current, encoding="utf-8")
    return store
