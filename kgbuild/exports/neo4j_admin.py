"""Files for ``neo4j-admin database import full``: the way into Neo4j for graphs too large to be pushed.

    DIR/nodes/<Label>.csv, <Label>.header.csv
    DIR/relationships/<TYPE>.<Label of heads>.<Label of tails>.csv, ….header.csv
    DIR/import.sh            the command; run it on the server's machine while the server is stopped
    DIR/after-import.cypher  constraints, indexes and empty lists; run it with cypher-shell after the start

The imported graph is the one that a push makes, ``row_hash`` included, so later pushes write only what differs.
The import tool knows no empty list: it leaves the property out, so the second file sets it. A list whose one item is
an empty string is lost in the same way; such a row gets no hash, and the next push writes it.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import polars as pl

from kgbuild import ddl
from kgbuild.errors import SchemaError
from kgbuild.schema import Property
from kgbuild.tables import HASH, NUMBER, GraphTables

_TYPES = {
    "string": "string",
    "integer": "long",
    "float": "double",
    "boolean": "boolean",
    "date": "date",
    "strings": "string[]",
    "integers": "long[]",
}

_DELIMITERS = "\x1f\x1e\x1d\x1c"
"""Control characters made to separate things; the first that no text holds separates the items of lists."""

_SCRIPT = """\
#!/bin/sh
# Imports the graph into the stopped Neo4j server of this machine, replacing its database; then start it and run
# cypher-shell -f after-import.cypher
cd "$(dirname "$0")" || exit 1
exec neo4j-admin database import full neo4j --overwrite-destination=true {options}
"""


def export_neo4j_admin(tables: GraphTables, folder: Path) -> list[str]:
    """Write the files; the arguments that ``neo4j-admin`` needs, with absolute paths.

    Raises SchemaError where a list holds every character that could separate its items.
    """
    delimiter = _delimiter(tables)
    files: list[tuple[str, str, Path]] = []
    after = [*ddl.statements(tables.schema).values(), "CALL db.awaitIndexes(600)"]
    for label in tables.schema.nodes:
        frame = tables.scan_nodes(label)
        if frame.select(pl.len()).collect().item() == 0:
            continue
        properties = tables.schema.node_properties(label)
        path = Path("nodes") / label
        _write(frame, ["id"], [f"id:ID({label})"], properties, delimiter, folder / path)
        files.append(("--nodes", label, path))
        after += _set_empty_lists(frame, f"(x:{ddl.quote(label)})", properties)
    for name in tables.schema.relationships:
        properties = tables.schema.relationship_properties(name)
        frame = tables.scan_relationships(name)
        for head, tail in sorted(frame.select("head_label", "tail_label").unique().collect().iter_rows()):
            part = frame.filter(head_label=head, tail_label=tail).drop("head_label", "tail_label")
            path = Path("relationships") / f"{name}.{head}.{tail}"
            ends = [f":START_ID({head})", f":END_ID({tail})"]
            _write(part, ["head", "tail"], ends, properties, delimiter, folder / path)
            files.append(("--relationships", name, path))
        after += _set_empty_lists(frame, f"()-[x:{ddl.quote(name)}]->()", properties)
    options = ["--id-type=string", f"--array-delimiter=U+{ord(delimiter):04X}", "--multiline-fields=true"]

    def arguments(place: Path) -> list[str]:
        return options + [f"{option}={name}={place / f'{path}.header.csv'},{place / f'{path}.csv'}" for option, name, path in files]

    (folder / "import.sh").write_text(_SCRIPT.format(options=shlex.join(arguments(Path()))), encoding="utf-8")
    (folder / "import.sh").chmod(0o755)
    (folder / "after-import.cypher").write_text("".join(f"{s};\n" for s in after), encoding="utf-8")
    return arguments(folder.absolute())


def _write(
    frame: pl.LazyFrame, keys: list[str], header: list[str], properties: dict[str, Property], delimiter: str, path: Path
) -> None:
    """Write one table as data and header file, streaming. Text is quoted, null is an empty cell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {name: spec.type for name, spec in properties.items() if name not in keys}
    titles = [*header, *(f"{name}:{_TYPES[kind]}" for name, kind in stored.items()), f"{HASH}:long"]
    path.with_name(f"{path.name}.header.csv").write_text(",".join(titles) + "\n", encoding="utf-8")
    cells = [_quoted(pl.col(key)) for key in keys]
    cells += [_cell(pl.col(name), kind, delimiter) for name, kind in stored.items()]
    number = NUMBER.cast(pl.String)
    lost = [pl.col(name) == pl.lit([""]) for name, kind in stored.items() if kind == "strings"]
    cells.append(pl.when(pl.any_horizontal(lost)).then(None).otherwise(number) if lost else number)
    line = pl.concat_str([cell.fill_null("") for cell in cells], separator=",")
    frame.select(line).sink_csv(path.with_name(f"{path.name}.csv"), include_header=False, quote_style="never")


def _set_empty_lists(frame: pl.LazyFrame, pattern: str, properties: dict[str, Property]) -> list[str]:
    lists = [name for name, spec in properties.items() if spec.type in ("strings", "integers")]
    return [
        f"MATCH {pattern} WHERE x.{ddl.quote(name)} IS NULL CALL (x) {{ SET x.{ddl.quote(name)} = [] }} IN TRANSACTIONS OF 10000 ROWS"
        for name in lists
        if frame.select((pl.col(name).list.len() == 0).any()).collect().item()
    ]


def _cell(column: pl.Expr, kind: str, delimiter: str) -> pl.Expr:
    if kind == "strings":
        return _quoted(column.list.join(delimiter))
    if kind == "integers":
        return _quoted(column.list.eval(pl.element().cast(pl.String)).list.join(delimiter))
    return _quoted(column) if kind == "string" else column.cast(pl.String)


def _quoted(column: pl.Expr) -> pl.Expr:
    return pl.concat_str([pl.lit('"'), column.str.replace_all('"', '""', literal=True), pl.lit('"')])


def _delimiter(tables: GraphTables) -> str:
    schema = tables.schema
    frames = [
        *((tables.scan_nodes(label), schema.node_properties(label)) for label in schema.nodes),
        *((tables.scan_relationships(name), schema.relationship_properties(name)) for name in schema.relationships),
    ]
    items = [
        frame.select(text=pl.col(name).explode())
        for frame, properties in frames
        for name, spec in properties.items()
        if spec.type == "strings"
    ]
    for delimiter in _DELIMITERS:
        holds = pl.col("text").str.contains(delimiter, literal=True).any()
        if not any(frame.select(holds).collect().item() for frame in items):
            return delimiter
    raise SchemaError("lists of names hold all four control characters that could separate them; remove U+001C from the input")
