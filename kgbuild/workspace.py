"""A workspace: one folder that holds what was read, what was extracted, and the graph.

    manifest.json          which graph is current, its counts, and the versions that made it
    graph-<digest>/        papers.parquet, names.json, rules.jsonl, nodes/, relationships/; the one before it stays for its readers
    extractions/<version>/ shards of extractions, keyed by the paper's text: the resumable checkpoint
    quarantine.jsonl       what could not be read: file, line, reason
    embedded.kgl…          the embedded database; made from the tables, can be deleted at any time
    pushed.graph           which graph was last pushed to a server; it stays, as what the next push compares with

A graph is written beside the current one and becomes current by one rename of the manifest, so a reader always sees
a whole graph and a killed build changes nothing but the checkpoint.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import polars as pl

from kgbuild.errors import WorkspaceError
from kgbuild.records import Extraction, Paper, from_json, paper_from_json, to_json
from kgbuild.resolve import Memory, Name
from kgbuild.schema import load_schema
from kgbuild.tables import GraphTables

FORMAT = 1
"""Layout of the folder; a workspace of another format is refused."""

_PAPER_COLUMNS: dict[str, pl.DataType] = {
    "id": pl.String(),
    "title": pl.String(),
    "abstract": pl.String(),
    "published": pl.String(),
    "published_text": pl.String(),
    "year": pl.Int64(),
    "authors": pl.List(pl.String()),
    "authors_count": pl.Int64(),
    "upvotes": pl.Int64(),
    "organisation": pl.String(),
    "venue": pl.String(),
    "url": pl.String(),
    "source": pl.String(),
}


class Workspace:
    """The folder of a workspace, and how to read and replace what is in it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def manifest(self) -> dict[str, Any]:
        """What ``manifest.json`` says. Raises WorkspaceError where no graph has been built."""
        path = self.folder / "manifest.json"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise WorkspaceError(f"no graph in {self.folder}: run `kgbuild build FILE... -w {self.folder}` first") from None
        except (OSError, ValueError) as e:
            raise WorkspaceError(f"cannot read {path}: {e}; run `kgbuild build` again") from e
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise WorkspaceError(f"{path} was written by another version of kgbuild; build into a new folder")
        return data

    def exists(self) -> bool:
        """Whether a graph has been built."""
        return (self.folder / "manifest.json").exists()

    def tables(self) -> GraphTables:
        """The tables of the current graph."""
        return GraphTables(self.folder / self.manifest()["graph"], load_schema())

    def earlier(self) -> list[GraphTables]:
        """The tables of the graphs before the current one that are still there; the next build may take them away."""
        current = self.manifest()["graph"]
        return [GraphTables(folder, load_schema()) for folder in sorted(self.folder.glob("graph-*")) if folder.name != current]

    def mark_pushed(self, tables: GraphTables) -> None:
        """Keep these tables until others have been pushed to a server."""
        with suppress(WorkspaceError):  # nothing is lost: they help to push faster, and where nobody can write nobody builds
            _write(self.folder / "pushed.graph", tables.folder.name)

    def papers(self, graph: str | None = None) -> list[Paper]:
        """The papers of a graph, sorted by id; of the current one where ``graph`` names none."""
        path = self.folder / (graph or self.manifest()["graph"]) / "papers.parquet"
        try:
            frame = pl.read_parquet(path, memory_map=False)
        except (OSError, pl.exceptions.PolarsError) as e:
            raise WorkspaceError(f"cannot read {path}: {e}; run `kgbuild build` again") from e
        return [paper_from_json(row) for row in frame.iter_rows(named=True)]

    def memory(self, graph: str | None = None) -> Memory:
        """The ids given out so far; empty before the first build, and where they cannot be read any more."""
        try:
            path = self.folder / (graph or self.manifest()["graph"]) / "names.json"
            data = json.loads(path.read_text(encoding="utf-8"))
            return Memory({Name(kind, key): id_ for kind, key, id_ in data["ids"]}, data["redirects"])
        except (WorkspaceError, OSError, ValueError, KeyError):
            return Memory()

    def rules(self) -> list[Path]:
        """The file with the user's rules that the papers were read with; none where there were none."""
        path = self.folder / self.manifest()["graph"] / "rules.jsonl"
        return [path] if path.exists() else []

    def quarantine(self) -> list[dict[str, Any]]:
        """What could not be read."""
        path = self.folder / "quarantine.jsonl"
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
        except (OSError, ValueError) as e:
            raise WorkspaceError(f"cannot read {path}: {e}; run `kgbuild build` again") from e

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the workspace for writing. Raises WorkspaceError where another process holds it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / ".lock")
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise WorkspaceError(f"another process is changing {self.folder}; wait for it to end") from None
        except OSError as e:
            raise WorkspaceError(f"cannot write to {self.folder}: {e.strerror or e}") from e
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A folder to write the next graph into; gone afterwards unless it was published."""
        folder = self.folder / "graph.draft"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(
        self,
        draft: Path,
        papers: Iterable[Paper],
        memory: Memory,
        rules: Iterable[str | Path],
        quarantine: Iterable[Mapping[str, Any]],
        manifest: Mapping[str, Any],
    ) -> bool:
        """Make the graph in ``draft`` the current one; whether that changed anything."""
        rows = [{k: v for k, v in asdict(p).items() if k in _PAPER_COLUMNS} for p in papers]
        pl.DataFrame(rows, schema=_PAPER_COLUMNS, orient="row").write_parquet(draft / "papers.parquet")
        names = {"ids": sorted([*name, id_] for name, id_ in memory.ids.items()), "redirects": dict(sorted(memory.redirects.items()))}
        _write(draft / "names.json", _dumps(names))
        # one after the other, as they were read: a later row may replace an earlier one
        if mine := "".join(Path(path).read_text(encoding="utf-8-sig").rstrip() + "\n" for path in rules):
            _write(draft / "rules.jsonl", mine)
        name = f"graph-{_tree_digest(draft)}"
        try:
            old: str | None = self.manifest()["graph"]
        except WorkspaceError:
            old = None
        if not (self.folder / name).exists():
            os.replace(draft, self.folder / name)
        _write(self.folder / "quarantine.jsonl", "".join(_dumps(row) + "\n" for row in quarantine))
        new = {"format": FORMAT, "graph": name, **manifest}
        _write(self.folder / "manifest.json", json.dumps(new, ensure_ascii=False, indent=1) + "\n")
        pushed = self.folder / "pushed.graph"
        kept = {name, old, pushed.read_text(encoding="utf-8") if pushed.exists() else None}
        for stale in self.folder.glob("graph-*"):
            if stale.name not in kept:
                # renamed first: a kill must not leave half a graph under a name that a later build may want
                os.replace(stale, self.folder / f".trash-{stale.name}")
        for trash in self.folder.glob(".trash-*"):
            shutil.rmtree(trash, ignore_errors=True)
        return old != name


class Shards:
    """The extractions of one pipeline version, in files of a few hundred each.

    A file is written whole or not at all; one that is damaged all the same is dropped, and its papers are read again.
    """

    def __init__(self, workspace: Workspace, version: str) -> None:
        self._folder = workspace.folder / "extractions" / version
        self._folder.mkdir(parents=True, exist_ok=True)

    def keys(self) -> set[str]:
        """Keys of the papers that have been extracted."""
        return {extraction.key for extraction in self.read()}

    def read(self) -> Iterator[Extraction]:
        """All extractions, each key once."""
        seen: set[str] = set()
        for path in self._paths():
            for extraction in self._load(path):
                if extraction.key not in seen:
                    seen.add(extraction.key)
                    yield extraction

    def append(self, extractions: Iterable[Extraction]) -> None:
        """Write one more file."""
        lines = "".join(_dumps(to_json(e)) + "\n" for e in extractions)
        data = gzip.compress(lines.encode("utf-8"), compresslevel=6, mtime=0)
        number = 1 + max((int(p.name.split(".")[0]) for p in self._paths()), default=0)
        _write(self._folder / f"{number:06d}.jsonl.gz", data)

    def prune(self, keep: set[str]) -> None:
        """Forget the extractions of papers that are gone, and those of other pipeline versions."""
        for path in self._paths():
            held = list(self._load(path))
            kept = [e for e in held if e.key in keep]
            if not kept:
                path.unlink(missing_ok=True)
            elif len(kept) < len(held):
                lines = "".join(_dumps(to_json(e)) + "\n" for e in kept)
                _write(path, gzip.compress(lines.encode("utf-8"), compresslevel=6, mtime=0))
        for other in self._folder.parent.iterdir():
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.jsonl.gz"))

    def _load(self, path: Path) -> list[Extraction]:
        try:
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                return [from_json(json.loads(line)) for line in lines]
        except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)
            return []
        except OSError as e:
            raise WorkspaceError(f"cannot read {path}: {e.strerror or e}; what was extracted is kept, run the same command again") from e


def _write(path: Path, data: str | bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as f:
            f.write(data.encode("utf-8") if isinstance(data, str) else data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as e:
        raise WorkspaceError(f"cannot write {path}: {e.strerror or e}; what was finished before is kept") from e


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _tree_digest(folder: Path) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.blake2b(path.read_bytes()).digest())
    return digest.hexdigest()
