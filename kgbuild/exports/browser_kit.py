"""A kit for Neo4j Browser: the schema's colours as a style, the named questions as favourites, and a guide.

    DIR/kgbuild.grass   style sheet
    DIR/kgbuild.zip     favourites, one a question
    DIR/guide.md        how to load both, and what the graph holds
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgbuild.queries import Query
from kgbuild.schema import GraphSchema

_EXAMPLES: Mapping[str, str | int | float] = {
    "Method": "BERT",
    "Dataset": "ImageNet",
    "Benchmark": "GLUE",
    "Task": "image classification",
    "Metric": "accuracy",
    "Paper": "title of a paper",
    "integer": 2024,
    "float": 0.5,
    "edge": "id of a relationship",
    "string": "a text",
}
"""Something to start from where a question must be told something, by label or type."""

_GUIDE = """\
# The graph in Neo4j Browser

1. **Style.** Drop `kgbuild.grass` onto the window (in newer versions: Customise Style, Import GraSS).
2. **Questions.** Drop `kgbuild.zip` onto the window (in newer versions: Saved Cypher, Import); they appear under
   Favorites, in the folder kgbuild. Run *parameters* once: it says which names the questions ask about, and is the
   one place to change them. Then run any question.
3. Any name leads to an entity: `CALL db.index.fulltext.queryNodes('kgbuild_names', 'bert') YIELD node RETURN node`.
4. The sentences behind a relationship: `MATCH (p:Paper)-[:STATES]->(e:Evidence {{edge: $id}}) RETURN p, e`, where
   `id` is the property of the relationship.

Nodes and relationships that you add yourself are left alone by `kgbuild push`; so are labels and properties that you
add to what it made.

## Questions

{questions}

## Labels

{labels}

## Relationship types

{types}
"""


def export_browser_kit(schema: GraphSchema, queries: Mapping[str, Query], folder: Path) -> None:
    """Write the kit; the same schema and questions give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kgbuild.grass").write_text(_style(schema), encoding="utf-8")
    with zipfile.ZipFile(folder / "kgbuild.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_entry("kgbuild/"), "")
        archive.writestr(_entry("kgbuild/parameters.cypher"), _parameters(queries))
        for query in queries.values():
            archive.writestr(_entry(f"kgbuild/{query.name}.cypher"), query.path.read_text(encoding="utf-8"))
    guide = _GUIDE.format(
        questions="\n".join(f"- **{query.name}**: {query.about}" for query in queries.values()),
        labels="\n".join(f"- `{label}`: {node.about}" for label, node in schema.nodes.items()),
        types="\n".join(
            f"- `{name}` ({', '.join(rel.heads)} → {', '.join(rel.tails)}): {rel.about}"
            for name, rel in schema.relationships.items()
        ),
    )
    (folder / "guide.md").write_text(guide, encoding="utf-8")


def _style(schema: GraphSchema) -> str:
    """GraSS, the style language of Neo4j Browser."""
    rules = [
        _rule("node", {"diameter": "50px", "color": "#BFBFBF", "border-width": "2px", "font-size": "10px"}),
        _rule("relationship", {"color": "#A5ABB6", "shaft-width": "1px", "font-size": "8px", "caption": "'<type>'"}),
    ]
    for label, node in schema.nodes.items():
        style = {
            "color": node.colour,
            "border-color": _darker(node.colour),
            "text-color-internal": _ink(node.colour),
            "diameter": "65px" if node.entity else "40px",
            "caption": "'{name}'",
        }
        rules.append(_rule(f"node.{label}", style))
    for name, rel in schema.relationships.items():
        if rel.claim:
            rules.append(_rule(f"relationship.{name}", {"color": "#4D4D4D", "shaft-width": "3px", "caption": "'<type>'"}))
    return "\n".join(rules)


def _rule(selector: str, style: Mapping[str, str]) -> str:
    return f"{selector} {{\n" + "".join(f"  {key}: {value};\n" for key, value in style.items()) + "}\n"


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _darker(colour: str) -> str:
    return "#" + "".join(f"{channel * 4 // 5:02X}" for channel in _channels(colour))


def _ink(colour: str) -> str:
    """Black or white, whichever contrasts more (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (n / 255 for n in _channels(colour))]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def _parameters(queries: Mapping[str, Query]) -> str:
    """Sets what all questions ask about; apart from them, as Browser shows the rows of a single statement alone."""
    values: dict[str, Any] = {}
    for query in queries.values():
        for parameter in query.parameters:
            example = _EXAMPLES[(*parameter.labels, parameter.type)[0]] if parameter.required else parameter.default
            if values.get(parameter.name) is None:
                values[parameter.name] = example
    lines = [f":param {name} => {_literal(value)};" for name, value in sorted(values.items())]
    return "\n".join(["// parameters: what the questions ask about", *lines, ""])


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "null" if value is None else str(value)
