"""The graph's schema, read once from ``schemas/graph.yaml``. Knows no database."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kgbuild.errors import SchemaError
from kgbuild.resources import resource

PropertyType = Literal["string", "integer", "float", "boolean", "date", "strings", "integers"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Property(_Strict):
    """One property of a node or relationship."""

    type: PropertyType
    about: str
    text: bool = False
    """Holds the papers' own words, which an export without texts leaves out."""
    index: bool = False
    """Looked up by value, so stores index it."""


class NodeType(_Strict):
    """A label."""

    about: str
    entity: bool = False
    """A thing that papers name, with aliases and counts."""
    colour: str
    shape: str
    properties: dict[str, Property] = Field(default_factory=dict)


class RelationshipType(_Strict):
    """A relationship type and the labels that it may join."""

    about: str
    claim: bool = False
    """Stated by papers: has support, confidence and evidence."""
    heads: tuple[str, ...] = Field(alias="from")
    tails: tuple[str, ...] = Field(alias="to")
    same: bool = False
    """Head and tail must have the same label."""
    properties: dict[str, Property] = Field(default_factory=dict)


_ID = Property(type="string", about="Stable id.")
_NAME = Property(type="string", about="What to show.")


class GraphSchema(_Strict):
    """All labels and relationship types, with the properties each has."""

    version: int
    nodes: dict[str, NodeType]
    entity_properties: dict[str, Property]
    relationships: dict[str, RelationshipType]
    claim_properties: dict[str, Property]

    @cached_property
    def entity_labels(self) -> tuple[str, ...]:
        """Labels of the things that papers name."""
        return tuple(label for label, node in self.nodes.items() if node.entity)

    @cached_property
    def claim_types(self) -> tuple[str, ...]:
        """Relationship types that papers state."""
        return tuple(name for name, rel in self.relationships.items() if rel.claim)

    def node_properties(self, label: str) -> dict[str, Property]:
        """All properties of a label, ``id`` and ``name`` first. Raises SchemaError for an unknown label."""
        if label not in self.nodes:
            raise SchemaError(f"no label {label!r} in the schema; it has {', '.join(self.nodes)}")
        node = self.nodes[label]
        return {"id": _ID, "name": _NAME, **(self.entity_properties if node.entity else {}), **node.properties}

    def relationship_properties(self, name: str) -> dict[str, Property]:
        """All properties of a relationship type, ``id`` first. Raises SchemaError for an unknown type."""
        if name not in self.relationships:
            raise SchemaError(f"no relationship type {name!r} in the schema; it has {', '.join(self.relationships)}")
        rel = self.relationships[name]
        return {"id": _ID, **(self.claim_properties if rel.claim else {}), **rel.properties}

    def allows(self, name: str, head: str, tail: str) -> bool:
        """Whether a relationship of this type may go from a node of label ``head`` to one of label ``tail``."""
        rel = self.relationships.get(name)
        return rel is not None and head in rel.heads and tail in rel.tails and (not rel.same or head == tail)


def load_schema(path: str | Path | None = None) -> GraphSchema:
    """The packaged schema, or the one at ``path``. Raises SchemaError with the place of the first fault."""
    return _load(Path(path) if path else resource("schemas") / "graph.yaml")


@lru_cache(maxsize=8)
def _load(path: Path) -> GraphSchema:
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        schema = GraphSchema.model_validate(data)
    except OSError as e:
        raise SchemaError(f"cannot read the schema {path}: {e.strerror or e}") from e
    except yaml.YAMLError as e:
        raise SchemaError(f"{path} is not YAML: {e}") from e
    except ValidationError as e:
        first = e.errors()[0]
        raise SchemaError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from e
    for name, rel in schema.relationships.items():
        for label in (*rel.heads, *rel.tails):
            if label not in schema.nodes:
                raise SchemaError(f"{path}: relationships.{name}: no label {label!r}")
    return schema
