"""How fast graphs get into Neo4j: kgbuild, its import files, and what others offer. All against one server, in one run.

    python -m venv peers && peers/bin/pip install -e . neo4j-graphrag langchain-neo4j neo4j-rust-ext
    peers/bin/python benchmarks/push.py [--workspace WS] [--relationships 1000000] [--plugins DIR]

DIR holds the jars apoc-core and apoc-common (org.neo4j.procedure, the version of the server's line), without which
Neo4jWriter and add_graph_documents do not run; they are then left out. Every writer starts from an empty database and
makes the same constraints and indexes, on a server that has served all of them before: Java compiles as it runs, and a
cold server is several times slower. Slow writers get the first ``--peer-papers`` papers of the graph with all that hangs on them, and push gets these too. CPU
seconds are those of server and client together; on a machine that does other work besides they tell more than the clock.
Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import neo4j
import polars as pl

from kgbuild import ddl, stores
from kgbuild.exports.neo4j_admin import export_neo4j_admin
from kgbuild.schema import load_schema
from kgbuild.stores import server
from kgbuild.tables import ENDS, HASH, GraphTables, Row, TableWriter
from kgbuild.workspace import Workspace

SCHEMA = load_schema()
BATCH = 5_000
ROW_BY_ROW = 500
"""Items that the row-by-row writer gets."""


Write = Callable[[server.Server, GraphTables], Any]


@dataclass(frozen=True)
class Cost:
    """What some work took."""

    seconds: float
    cpu: float
    """Seconds of server, client and programs that the client started."""


@dataclass
class Bench:
    """One server, emptied between writers."""

    home: Path
    plugins: Path | None
    ports: dict[str, int]

    @property
    def running(self) -> server.Server:
        """The server, started if it does not run."""
        if found := server.status(self.home):
            return found
        (self.home / "plugins").mkdir(parents=True, exist_ok=True)
        for jar in self.plugins.glob("*.jar") if self.plugins else ():
            shutil.copy(jar, self.home / "plugins")
        return server.start(self.home, **self.ports)

    def emptied(self) -> server.Server:
        """The server, without nodes, constraints and indexes."""
        with driver(self.running) as connection, connection.session(database="neo4j") as session:
            for kind, keep in (("CONSTRAINT", ""), ("INDEX", "WHERE type <> 'LOOKUP'")):
                for row in session.run(f"SHOW {kind} YIELD * {keep}").data():
                    session.run(f"DROP {kind} `{row['name']}`").consume()
            for pattern in ("()-[x]->()", "(x)"):
                session.run(f"MATCH {pattern} CALL (x) {{ DELETE x }} IN TRANSACTIONS OF 10000 ROWS").consume()
        return self.running

    def timed(self, work: Callable[[], Any]) -> tuple[Cost, Any]:
        """What the work took, and what it gave."""
        start, spent = time.perf_counter(), self._cpu()
        result = work()
        return Cost(time.perf_counter() - start, self._cpu() - spent), result

    def _cpu(self) -> float:
        times = os.times()
        ours = times.user + times.system + times.children_user + times.children_system
        found = server.status(self.home)
        if found is None:
            return ours
        fields = Path(f"/proc/{found.pid}/stat").read_text().rpartition(")")[2].split()
        return ours + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def driver(running: server.Server) -> neo4j.Driver:
    return neo4j.GraphDatabase.driver(running.uri, auth=(running.username, running.password or ""), notifications_min_severity="OFF")


def set_up(connection: neo4j.Driver) -> None:
    """The constraints and indexes that a push makes, for every writer alike."""
    for statement in ddl.statements(SCHEMA).values():
        connection.execute_query(statement, database_="neo4j")
    connection.execute_query("CALL db.awaitIndexes(600)", database_="neo4j")


def synthetic(folder: Path, relationships: int) -> GraphTables:
    """A graph of about this many relationships, shaped like one of papers: hubs among the methods, text in evidence."""
    draw = random.Random(7)
    writer = TableWriter(folder, SCHEMA)
    papers, methods, data = relationships // 14, relationships // 50, relationships // 200
    sentence = "We evaluate the approach on a widely used collection and find that it holds up well in most settings. "

    def popular(n: int) -> int:
        return min(n - 1, int(n * draw.random() ** 3))

    def digest() -> str:
        return f"{draw.getrandbits(64):016x}"

    for i in range(methods):
        writer.node("Method", {"id": f"method:{i}", "name": f"Method {i}", "aliases": [f"M-{i}"], "papers": i % 50, "mentions": i % 90})
    for i in range(data):
        writer.node("Dataset", {"id": f"dataset:{i}", "name": f"Data {i}", "papers": i % 50})
    claims: dict[tuple[int, int], str] = {}
    for i in range(papers):
        paper = f"arxiv:{i:07}"
        writer.node("Paper", {"id": paper, "name": f"Paper {i}", "title": f"Paper {i}", "year": 2015 + i % 10, "abstract": sentence * 8})
        ends = {"head": paper, "head_label": "Paper"}
        for method in {popular(methods) for _ in range(8)}:
            row = {"id": f"r:{digest()}", **ends, "tail": f"method:{method}", "tail_label": "Method", "count": 2, "surfaces": ["Method"]}
            writer.relationship("MENTIONS", row)
        for _ in range(3):
            pair = popular(methods), popular(data)
            edge = claims.setdefault(pair, f"r:{digest()}")
            evidence = f"e:{digest()}"
            row = {"id": evidence, "name": "evidence", "edge": edge, "type": "EVALUATED_ON", "sentences": [sentence], "confidence": 0.8}
            writer.node("Evidence", {**row, "sentence_starts": [0], "polarity": "asserted", "source": "rule"})
            writer.relationship("STATES", {"id": f"r:{digest()}", **ends, "tail": evidence, "tail_label": "Evidence"})
    for (method, dataset), edge in claims.items():
        ends = {"head": f"method:{method}", "head_label": "Method", "tail": f"dataset:{dataset}", "tail_label": "Dataset"}
        writer.relationship("EVALUATED_ON", {"id": edge, **ends, "support": 1, "confidence": 0.8, "first_year": 2020})
    return writer.close()


def changed(tables: GraphTables, folder: Path) -> GraphTables:
    """The tables after one paper in a hundred has changed: its evidence, its mentions, and the edges it supports."""
    shutil.copytree(tables.folder, folder)
    papers = tables.scan_nodes("Paper").select("id").collect()["id"].gather_every(100).implode()
    states = tables.scan_relationships("STATES").filter(pl.col("head").is_in(papers)).collect()["tail"].implode()
    edges = tables.scan_nodes("Evidence").filter(pl.col("id").is_in(states)).collect()["edge"].unique().implode()

    def write(kind: str, name: str, table: pl.LazyFrame, touched: pl.Expr, column: str) -> None:
        other = pl.col(HASH).str.reverse()
        frame = table.with_columns(
            pl.when(touched).then(pl.col(column) + 1).otherwise(pl.col(column)).alias(column),
            pl.when(touched).then(other).otherwise(pl.col(HASH)).alias(HASH),
        ).collect()
        frame.write_parquet(folder / kind / f"{name}.parquet")

    write("nodes", "Evidence", tables.scan_nodes("Evidence"), pl.col("id").is_in(states), "confidence")
    write("relationships", "MENTIONS", tables.scan_relationships("MENTIONS"), pl.col("head").is_in(papers), "count")
    for name in SCHEMA.claim_types:
        write("relationships", name, tables.scan_relationships(name), pl.col("id").is_in(edges), "support")
    return GraphTables(folder, SCHEMA)


def part(tables: GraphTables, folder: Path, papers: int) -> GraphTables:
    """The first papers of a graph with their evidence, the edges that this supports, and all entities."""
    shutil.copytree(tables.folder, folder)
    ids = tables.scan_nodes("Paper").select("id").head(papers).collect()["id"].implode()
    own = {
        "Paper": ids,
        "Evidence": tables.scan_relationships("STATES").filter(pl.col("head").is_in(ids)).collect()["tail"].implode(),
        "Result": tables.scan_relationships("REPORTS").filter(pl.col("head").is_in(ids)).collect()["tail"].implode(),
    }
    for label, kept in own.items():
        tables.scan_nodes(label).filter(pl.col("id").is_in(kept)).collect().write_parquet(folder / "nodes" / f"{label}.parquet")
    edges = tables.scan_nodes("Evidence").filter(pl.col("id").is_in(own["Evidence"])).collect()["edge"].unique().implode()
    for name, kind in SCHEMA.relationships.items():
        frame = tables.scan_relationships(name)
        if kind.claim:
            frame = frame.filter(pl.col("id").is_in(edges))
        for end in ("head", "tail"):
            for label, kept in own.items():
                frame = frame.filter((pl.col(f"{end}_label") != label) | pl.col(end).is_in(kept))
        frame.collect().write_parquet(folder / "relationships" / f"{name}.parquet")
    return GraphTables(folder, SCHEMA)


def size(tables: GraphTables) -> int:
    return sum(sum(counts.values()) for counts in tables.counts())


def rows(tables: GraphTables) -> Iterator[tuple[str, str, str, str, list[Row]]]:
    """(kind, label or type, label of heads, label of tails, rows with plain properties), in batches."""
    for label in SCHEMA.nodes:
        for batch in tables.node_batches(label, BATCH):
            yield "node", label, "", "", [{"id": row["id"], "properties": _stored(row)} for row in batch]
    for name in SCHEMA.relationships:
        for batch in tables.relationship_batches(name, BATCH):
            for head, tail in sorted({(row["head_label"], row["tail_label"]) for row in batch}):
                part = [row for row in batch if (row["head_label"], row["tail_label"]) == (head, tail)]
                ends = [{"id": r["id"], "head": r["head"], "tail": r["tail"], "properties": _stored(r, ENDS)} for r in part]
                yield "relationship", name, head, tail, ends


def _stored(row: Row, without: tuple[str, ...] = ()) -> Row:
    return {key: value for key, value in row.items() if key not in without and value is not None}


def bare(running: server.Server, tables: GraphTables, verb: str = "CREATE") -> None:
    """What any writer is bounded by: UNWIND and CREATE (or MERGE), nothing compared."""
    with driver(running) as connection:
        set_up(connection)
        for kind, name, head, tail, batch in rows(tables):
            if kind == "node":
                statement = f"UNWIND $rows AS row {verb} (n:{name} {{id: row.id}}) SET n += row.properties"
            else:
                ends = f"MATCH (h:{head} {{id: row.head}}) MATCH (t:{tail} {{id: row.tail}})"
                statement = f"UNWIND $rows AS row {ends} {verb} (h)-[r:{name} {{id: row.id}}]->(t) SET r += row.properties"
            connection.execute_query(statement, rows=batch, database_="neo4j")


def row_by_row(running: server.Server, tables: GraphTables) -> None:
    """One MERGE a row, each in a transaction of its own. The set-up is left out, as it would count for more than the rows."""
    with driver(running) as connection:
        singles = ((name, row) for kind, name, _, _, batch in rows(tables) if kind == "node" for row in batch)
        for name, row in islice(singles, ROW_BY_ROW):
            statement = f"MERGE (n:{name} {{id: $id}}) SET n += $properties"
            connection.execute_query(statement, row, database_="neo4j")


def graphrag(running: server.Server, tables: GraphTables) -> None:
    """Neo4jWriter of neo4j-graphrag."""
    from neo4j_graphrag.components.kg_writer import Neo4jWriter
    from neo4j_graphrag.components.types import Neo4jGraph, Neo4jNode, Neo4jRelationship

    graph = Neo4jGraph()
    for kind, name, head, tail, batch in rows(tables):
        for row in batch:
            if kind == "node":
                graph.nodes.append(Neo4jNode(id=f"{name}/{row['id']}", label=name, properties=row["properties"]))
            else:
                ends = {"start_node_id": f"{head}/{row['head']}", "end_node_id": f"{tail}/{row['tail']}"}
                graph.relationships.append(Neo4jRelationship(type=name, properties=row["properties"], **ends))
    with driver(running) as connection:
        set_up(connection)
        done = asyncio.run(Neo4jWriter(connection, neo4j_database="neo4j").run(graph))
    if done.status != "SUCCESS":
        raise RuntimeError(done.metadata)


def langchain(running: server.Server, tables: GraphTables) -> None:
    """add_graph_documents of langchain-neo4j, a document for every 1,000 items."""
    from langchain_neo4j import Neo4jGraph
    from langchain_neo4j.graphs.graph_document import GraphDocument, Node, Relationship

    with driver(running) as connection:
        set_up(connection)
    graph = Neo4jGraph(running.uri, running.username, running.password, database="neo4j", refresh_schema=False)
    for kind, name, head, tail, batch in rows(tables):
        for start in range(0, len(batch), 1_000):
            chunk = batch[start : start + 1_000]
            if kind == "node":
                document = GraphDocument(nodes=[Node(id=row["id"], type=name, properties=row["properties"]) for row in chunk], relationships=[])
            else:
                links = [
                    Relationship(source=Node(id=row["head"], type=head), target=Node(id=row["tail"], type=tail), type=name, properties=row["properties"])
                    for row in chunk
                ]
                document = GraphDocument(nodes=[], relationships=links)
            graph.add_graph_documents([document])


def push(running: server.Server, tables: GraphTables, earlier: GraphTables | None = None) -> stores.Synced:
    with stores.neo4j(running.uri, running.username, running.password or "", "neo4j") as store:
        return store.sync(tables, earlier=[earlier] if earlier else [])


def measure(bench: Bench, title: str, tables: GraphTables, scratch: Path, peer_papers: int) -> None:
    """Time all writers on one graph and print the table."""
    items = size(tables)
    later, few, little = changed(tables, scratch / "changed"), part(tables, scratch / "few", peer_papers), part(tables, scratch / "little", 200)
    print(f"\n## {title}: {items:,} nodes and relationships\n")
    print("| writer | items | seconds | items/s | CPU seconds |\n|---|---:|---:|---:|---:|", flush=True)
    peers: list[Write] = [graphrag, langchain] if bench.plugins else []
    writers: list[Write] = [bare, partial(bare, verb="MERGE"), *peers, push]
    for _ in range(3):
        for work in writers:
            work(bench.emptied(), little)
        push(bench.running, changed(little, Path(tempfile.mkdtemp(dir=scratch)) / "changed"), little)

    def show(name: str, n: int, cost: Cost) -> Cost:
        print(f"| {name} | {n:,} | {cost.seconds:.2f} | {n / cost.seconds:,.0f} | {cost.cpu:.2f} |", flush=True)
        return Cost(cost.seconds / n, cost.cpu / n)

    def write(name: str, work: Write, graph: GraphTables) -> Cost:
        running = bench.emptied()
        return show(name, size(graph), bench.timed(lambda: work(running, graph))[0])

    create = write("UNWIND and CREATE, nothing else", bare, tables)
    running = bench.emptied()
    first, _ = bench.timed(lambda: push(running, tables))
    every = show("kgbuild push, first", items, first)
    second, synced = bench.timed(lambda: push(running, tables))
    show(f"kgbuild push, second (counters {synced.counters})", items, second)
    third, synced = bench.timed(lambda: push(running, later, tables))
    show(f"kgbuild push, 1 % of the papers changed ({synced.updated:,} rows)", items, third)
    fourth, _ = bench.timed(lambda: push(running, tables, later))
    show("kgbuild push, these changed back", items, fourth)
    fifth, _ = bench.timed(lambda: push(running, later))
    show("kgbuild push, 1 % changed, the graph before not at hand", items, fifth)
    whole = size(few) == items
    again = every if whole else write("kgbuild push, the peers' part", push, few)
    merge = write("UNWIND and MERGE, nothing else", partial(bare, verb="MERGE"), few)
    running = bench.emptied()
    with driver(running) as connection:
        set_up(connection)
    single = show("row by row MERGE", ROW_BY_ROW, bench.timed(lambda: row_by_row(running, few))[0])
    ratios = {
        "UNWIND and CREATE / push (at least 0.8)": (create, every),
        "UNWIND and MERGE / push": (merge, again),
        "row by row MERGE / push": (single, again),
        "first push / push after 1 % changed (at least 20)": (first, third),
        "first push / the next such push": (first, fourth),
        "first push / one without the graph before": (first, fifth),
    }
    if peers:
        writer = write("neo4j-graphrag Neo4jWriter", graphrag, few)
        documents = write("langchain-neo4j add_graph_documents", langchain, few)
        ratios["Neo4jWriter / push (at least 4)"] = writer, again
        ratios["add_graph_documents / push"] = documents, again
    server.stop(bench.home)
    export, arguments = bench.timed(lambda: export_neo4j_admin(tables, scratch / "files"))
    load, _ = bench.timed(lambda: server.admin(bench.home, "database", "import", "full", "neo4j", "--overwrite-destination=true", *arguments))
    show("import files, writing them", items, export)
    imported = show("import files, neo4j-admin", items, load)
    if peers:
        ratios["Neo4jWriter / neo4j-admin (at least 25)"] = writer, imported
    print("\n| cost of one item of … to that of … | time | CPU |\n|---|---:|---:|")
    for name, (theirs, ours) in ratios.items():
        print(f"| {name} | {theirs.seconds / ours.seconds:.2f} | {theirs.cpu / ours.cpu:.2f} |", flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="a built workspace to measure with")
    parser.add_argument("--relationships", type=int, default=1_000_000, help="size of the synthetic graph; 0 for none")
    parser.add_argument("--plugins", type=Path, help="folder with the APOC jars")
    parser.add_argument("--peer-papers", type=int, default=2_000)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "server", options.plugins, {"bolt_port": free_port(), "http_port": free_port()})
        try:
            if options.workspace:
                tables = Workspace(options.workspace).tables()
                measure(bench, f"graph of {options.workspace.name}", tables, Path(folder) / "workspace", options.peer_papers)
            if options.relationships:
                tables = synthetic(Path(folder) / "synthetic", options.relationships)
                measure(bench, "synthetic graph", tables, Path(folder) / "scratch", options.peer_papers)
        finally:
            server.stop(bench.home)


if __name__ == "__main__":
    main()
