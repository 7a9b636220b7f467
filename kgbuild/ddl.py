"""Cypher that sets a store up for the schema: unique ids, indexes and full-text search (Neo4j Community syntax)."""

from __future__ import annotations

from kgbuild.schema import GraphSchema

NAMES = "kgbuild_names"
"""Full-text index over the names and aliases of all entities."""


def quote(name: str) -> str:
    """A label, type, property or index name as Cypher writes it, safe whatever it holds."""
    return "`" + name.replace("`", "``") + "`"


def constraints(schema: GraphSchema) -> list[str]:
    """Ids are unique within a label or type; such a constraint is also the index by which rows are found."""
    nodes = [
        f"CREATE CONSTRAINT {quote(f'kgbuild_{label}_id')} IF NOT EXISTS FOR (n:{quote(label)}) REQUIRE n.`id` IS UNIQUE"
        for label in schema.nodes
    ]
    relationships = [
        f"CREATE CONSTRAINT {quote(f'kgbuild_{name}_id')} IF NOT EXISTS FOR ()-[r:{quote(name)}]-() REQUIRE r.`id` IS UNIQUE"
        for name in schema.relationships
    ]
    return nodes + relationships


def indexes(schema: GraphSchema) -> list[str]:
    """Range indexes of the entities' names and of the properties that the schema marks.

    Titles and other free text have none: Neo4j refuses a value of more than some 8,000 bytes in a range index.
    """
    return [
        f"CREATE INDEX {quote(f'kgbuild_{label}_{name}')} IF NOT EXISTS FOR (n:{quote(label)}) ON (n.{quote(name)})"
        for label, node in schema.nodes.items()
        for name, spec in schema.node_properties(label).items()
        if spec.index or (node.entity and name == "name")
    ]


def fulltext(schema: GraphSchema) -> list[str]:
    """One full-text index over the names and aliases of all entities (Neo4j alone: kglite indexes one property)."""
    labels = "|".join(quote(label) for label in schema.entity_labels)
    return [f"CREATE FULLTEXT INDEX {quote(NAMES)} IF NOT EXISTS FOR (n:{labels}) ON EACH [n.`name`, n.`aliases`]"]
