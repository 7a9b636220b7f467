"""Cypher that sets a store up for the schema: unique ids, indexes and full-text search (Neo4j Community syntax).

All functions give statements by the name of what they make; each does nothing where that exists.
"""

from __future__ import annotations

from kgbuild.schema import GraphSchema

NAMES = "kgbuild_names"
"""Full-text index over the names and aliases of all entities."""


def quote(name: str) -> str:
    """A label, type, property or index name as Cypher writes it, safe whatever it holds."""
    return "`" + name.replace("`", "``") + "`"


def constraints(schema: GraphSchema) -> dict[str, str]:
    """Ids are unique within a label or type; such a constraint is also the index by which rows are found."""
    patterns = {
        **{label: f"(x:{quote(label)})" for label in schema.nodes},
        **{name: f"()-[x:{quote(name)}]-()" for name in schema.relationships},
    }
    return {
        f"kgbuild_{name}_id": f"CREATE CONSTRAINT {quote(f'kgbuild_{name}_id')} IF NOT EXISTS FOR {pattern} REQUIRE x.`id` IS UNIQUE"
        for name, pattern in patterns.items()
    }


def indexes(schema: GraphSchema) -> dict[str, str]:
    """Range indexes of the entities' names and of the properties that the schema marks.

    Titles and other free text have none: Neo4j refuses a value of more than some 8,000 bytes in a range index.
    """
    return {
        f"kgbuild_{label}_{name}": f"CREATE INDEX {quote(f'kgbuild_{label}_{name}')} IF NOT EXISTS FOR (x:{quote(label)}) ON (x.{quote(name)})"
        for label, node in schema.nodes.items()
        for name, spec in schema.node_properties(label).items()
        if spec.index or (node.entity and name == "name")
    }


def fulltext(schema: GraphSchema) -> dict[str, str]:
    """One full-text index over the names and aliases of all entities (Neo4j alone: kglite indexes one property)."""
    labels = "|".join(quote(label) for label in schema.entity_labels)
    return {NAMES: f"CREATE FULLTEXT INDEX {quote(NAMES)} IF NOT EXISTS FOR (x:{labels}) ON EACH [x.`name`, x.`aliases`]"}


def statements(schema: GraphSchema) -> dict[str, str]:
    """All of them, for Neo4j."""
    return {**constraints(schema), **indexes(schema), **fulltext(schema)}
