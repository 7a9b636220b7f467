"""All rules of the pipeline: the packaged rows, and the user's, which add to them, replace them or switch them off.

A user's file may hold rows of every table; a telling field says which one a row belongs to:

=============  ==========================  ==================================================================
table          telling field               what a row says
=============  ==========================  ==================================================================
``lexicon``    ``name``                    this name is an entity (fields: :data:`kgbuild.nlp.gazetteer.FIELDS`)
``patterns``   ``label`` without ``name``  such words are one (:data:`kgbuild.nlp.rules.FIELDS`)
``generic``    ``words``                   such words are none (:data:`kgbuild.nlp.rules.GENERIC`)
``relations``  ``type`` or ``polarity``    such wordings are a relation (:data:`kgbuild.nlp.relations.FIELDS`)
``figures``    ``kind``                    such a figure is a result (:data:`kgbuild.nlp.figures.FIELDS`)
=============  ==========================  ==================================================================

A row with the id of one of ours takes its place; a new one stands before ours, so where the first that fits decides, it
is the user's. ``{"id": "…", "off": true}`` takes a row away, not what the model finds by itself: that takes ``words``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kgbuild.errors import RuleError
from kgbuild.nlp import figures, gazetteer, relations, rules
from kgbuild.nlp.rows import Row, field_fault, objects, read_rows
from kgbuild.resources import resource
from kgbuild.schema import load_schema

Ruleset = dict[str, list[Row]]
"""Rows by table."""


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of rows."""

    fields: Mapping[str, type]
    required: tuple[str, ...]
    telling: tuple[str, ...]
    """A row has one of these, and no row of another table has."""
    forms: tuple[tuple[str, ...], ...]
    """A row has all fields of one of these."""


_ATTACHMENT = ("type", "proposal", "place", "precision")
TABLES = {
    "lexicon": Table(gazetteer.FIELDS, gazetteer.REQUIRED, ("name",), (("name",),)),
    "patterns": Table(rules.FIELDS, rules.REQUIRED, ("label",), (("pattern",), ("heads",))),
    "generic": Table(rules.GENERIC, rules.GENERIC_REQUIRED, ("words",), (("words",),)),
    "relations": Table(
        relations.FIELDS,
        relations.REQUIRED,
        ("type", "polarity"),
        (("type", "pattern", "precision"), ("polarity", "pattern"), (*_ATTACHMENT, "tails"), (*_ATTACHMENT, "heads")),
    ),
    "figures": Table(figures.FIELDS, figures.REQUIRED, ("kind",), (("before",), ("after",))),
}

_VALUES: Mapping[str, tuple[str, ...]] = {
    "polarity": ("negated", "hedged", "future", "others"),
    "proposal": ("method", "resource", "unnamed"),
    "place": ("title", "background", "beside", "own", "later"),
    "kind": ("absolute", "gain", "cost", "none"),
    "direction": ("up", "down"),
    "better": ("higher", "lower"),
}
"""What may stand in a field, whatever the table. Labels and relation types are those of the schema."""


def read_ruleset(paths: Iterable[str | Path] = ()) -> Ruleset:
    """The packaged rows and those of the user's files, by table.

    Raises RuleError, with file and line, for a row that is of no table or of two, is malformed, has an id that another
    table has, or switches off what is not there, or whose patterns are no regular expressions; and for a variant of a
    lexicon row that is not there.
    """
    folder = resource("schemas")
    ours = {name: {row["id"]: row for row in read_rows([folder / f"{name}.jsonl"], t.fields, t.required)} for name, t in TABLES.items()}
    mine: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
    variants: dict[str, str] = {}
    """Where the user has a variant."""
    for path in map(Path, paths):
        for where, row in objects(path):
            if not isinstance(row.get("id"), str) or not row["id"] or set("+ \n") & set(row["id"]):
                # sources that agree are joined by a plus
                raise RuleError(f"{where}: a row needs an 'id', a text without '+' or spaces")
            holder = next((name for name in TABLES if row["id"] in ours[name] or row["id"] in mine[name]), None)
            if "off" in row:
                if row.keys() != {"id", "off"} or row["off"] is not True:
                    raise RuleError(f'{where}: to switch a rule off, write {{"id": "…", "off": true}} and nothing else')
                if holder is None:
                    raise RuleError(f"{where}: there is no rule {row['id']!r} to switch off")
                ours[holder].pop(row["id"], mine[holder].pop(row["id"], None))
                continue
            try:
                table = table_of(row)
                _compile(row, table)
            except RuleError as e:
                raise RuleError(f"{where}: {e}") from None
            if holder not in (None, table):
                raise RuleError(f"{where}: the id {row['id']!r} is that of a row of {holder}, and this one is of {table}; give it another")
            if table != "lexicon":
                row.setdefault("adds", True)
            (ours if row["id"] in ours[table] else mine)[table][row["id"]] = row
            if "variant_of" in row:
                variants[row["id"]] = where
    known = ours["lexicon"] | mine["lexicon"]
    for name, where in variants.items():
        if name in known and known[name].get("variant_of", name) not in known:
            raise RuleError(f"{where}: {name!r} is a variant of {known[name]['variant_of']!r}, which is no row of the lexicon")
    return {name: [*mine[name].values(), *ours[name].values()] for name in TABLES}


def table_of(row: Row) -> str:
    """The table that a row belongs to. Raises RuleError where it is of none, of two, or malformed."""
    found = [name for name, table in TABLES.items() if not row.keys().isdisjoint(table.telling)]
    if found[:2] == ["lexicon", "patterns"]:
        # names have labels too
        found.remove("patterns")
    if len(found) != 1:
        telling = ", ".join(f"{'/'.join(t.telling)} ({name})" for name, t in TABLES.items())
        what = f"of {' and '.join(found)} at once" if found else "of no table"
        raise RuleError(f"this row is {what}: it must have the telling field of one table, that is {telling}")
    table = TABLES[found[0]]
    if fault := field_fault(row, table.fields, table.required) or _content_fault(row, found[0]):
        raise RuleError(f"as a row of {found[0]}, {fault}")
    return found[0]


def _compile(row: Row, table: str) -> None:
    """Raises RuleError where a row's patterns are no regular expressions, or lack a group."""
    if "pattern" in row and table == "patterns":
        rules.compile_pattern(row)
    if table == "relations":
        relations.Rules([row], load_schema())
    if table == "figures":
        figures.Rules([row])


def _content_fault(row: Row, table: str) -> str | None:
    schema = load_schema()
    for name in ("name", "pattern", "before", "after"):
        if name in row and not row[name].strip():
            return f"field {name!r} is empty"
    for name in ("aliases", "words", "heads", "tails", "context", "unless"):
        if any(not item.strip() for item in row.get(name, ())):
            return f"field {name!r} holds an empty text"
    if row.get("max", 1) < 1:
        return "field 'max' must be at least 1"
    values = {**_VALUES, "label": (*schema.entity_labels, *([""] if table == "patterns" else [])), "type": tuple(schema.claim_types)}
    for name, allowed in values.items():
        if name in row and row[name] not in allowed:
            return f"field {name!r} must be one of {', '.join(allowed)}, not {row[name]!r}"
    if unknown := [kind for kind in row.get("instead", ()) if kind not in schema.claim_types]:
        return f"field 'instead' must name types of relations, not {unknown[0]!r}"
    if not 0 < row.get("precision", 1) <= 1:
        return "field 'precision' must be above 0 and at most 1"
    forms = TABLES[table].forms
    if not any(row.keys() >= set(form) for form in forms):
        return f"it must have {', or '.join(' and '.join(map(repr, form)) for form in forms)}"
    return None
