"""schemas/graph.yaml is the one source: nothing else may name a label, type or property that it lacks."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from kgbuild.errors import SchemaError
from kgbuild.records import Relation, Result
from kgbuild.resources import resource
from kgbuild.schema import load_schema

SCHEMA = load_schema()


def test_every_type_joins_known_labels_and_nothing_is_without_a_sentence():
    for name, rel in SCHEMA.relationships.items():
        assert name == name.upper()
        assert rel.about.endswith(".")
        assert {*rel.heads, *rel.tails} <= SCHEMA.nodes.keys()
    for node in SCHEMA.nodes.values():
        assert node.about.endswith(".")


def test_every_node_has_an_id_and_a_name_first():
    for label in SCHEMA.nodes:
        assert list(SCHEMA.node_properties(label))[:2] == ["id", "name"]


def test_entities_and_claims():
    assert SCHEMA.entity_labels == ("Method", "Dataset", "Benchmark", "Task", "Metric")
    assert len(SCHEMA.claim_types) == 12
    for name in SCHEMA.claim_types:
        assert {"support", "confidence"} <= SCHEMA.relationship_properties(name).keys()


@pytest.mark.parametrize(
    ("name", "head", "tail", "allowed"),
    [
        ("EVALUATED_ON", "Method", "Dataset", True),
        ("EVALUATED_ON", "Paper", "Benchmark", True),
        ("EVALUATED_ON", "Dataset", "Method", False),
        ("IS_A", "Task", "Task", True),
        ("IS_A", "Task", "Method", False),
        ("NO_SUCH_TYPE", "Method", "Method", False),
    ],
)
def test_domain_and_range(name: str, head: str, tail: str, allowed: bool):
    assert SCHEMA.allows(name, head, tail) is allowed


def test_dataset_and_benchmark_are_admitted_alike():
    for rel in SCHEMA.relationships.values():
        for ends in (rel.heads, rel.tails):
            assert ("Dataset" in ends) == ("Benchmark" in ends)


def test_evidence_keeps_what_a_relation_says():
    ends = {"head": {"head_id"}, "tail": {"tail_id"}, "head_span": {"head_start", "head_end"}, "tail_span": {"tail_start", "tail_end"}}
    said = {name for field in fields(Relation) for name in ends.get(field.name, {field.name})}
    assert said - SCHEMA.node_properties("Evidence").keys() == set()


def test_a_result_keeps_what_a_figure_says():
    # what it is about are relationships of the node, and where it stands is in its evidence
    elsewhere = {"method", "dataset", "task", "metric"} | {"start", "end", "sentence", "source"}
    assert {field.name for field in fields(Result)} - elsewhere - SCHEMA.node_properties("Result").keys() == set()
    assert {"RESULT_OF", "RESULT_ON", "RESULT_FOR", "RESULT_IN"} <= SCHEMA.relationships.keys()
    assert {"sentences", "sentence_starts", "tail_start", "tail_end", "source"} <= SCHEMA.node_properties("Evidence").keys()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nodes: [", "not YAML"),
        ("version: 1", "Field required"),
        ("colour: red", "Field required"),
    ],
)
def test_a_malformed_schema_is_refused_with_its_place(tmp_path: Path, text: str, says: str):
    path = tmp_path / "graph.yaml"
    path.write_text(text)
    with pytest.raises(SchemaError, match=says):
        load_schema(path)


def test_a_relationship_to_an_unknown_label_is_refused(tmp_path: Path):
    data = yaml.safe_load((resource("schemas") / "graph.yaml").read_text(encoding="utf-8"))
    data["relationships"]["MENTIONS"]["to"].append("Gadget")
    path = tmp_path / "graph.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(SchemaError, match=r"MENTIONS: no label 'Gadget'"):
        load_schema(path)


def test_a_missing_schema_is_refused(tmp_path: Path):
    with pytest.raises(SchemaError, match="cannot read"):
        load_schema(tmp_path / "none.yaml")


def test_unknown_names_list_the_known_ones():
    with pytest.raises(SchemaError, match="Method, Dataset"):
        SCHEMA.node_properties("Gadget")
    with pytest.raises(SchemaError, match="INTRODUCES"):
        SCHEMA.relationship_properties("LIKES")
