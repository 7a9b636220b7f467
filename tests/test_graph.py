"""What papers say becomes nodes, edges and evidence; nothing is counted twice, nothing denied is counted."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from corpus import paper, read

from kgbuild import graph
from kgbuild.records import Extraction, Paper, Relation, Result
from kgbuild.resolve import Memory
from kgbuild.schema import load_schema
from kgbuild.tables import GraphTables

SCHEMA = load_schema()
Corpus = Sequence[tuple[Paper, Extraction]]


def make(corpus: Corpus, folder: Path) -> graph.Built:
    return graph.build(lambda: iter(corpus), {}, SCHEMA, folder, Memory())


def edges(tables: GraphTables, name: str) -> list[tuple[str, str, int]]:
    return tables.relationships(name).select("head", "tail", "support").rows()


NAMES = {"e1": ("Method", ["BERT"]), "e2": ("Dataset", ["SQuAD"]), "e3": ("Metric", ["F1"])}
FIRST = paper(1, "Reading again. BERT is tested on SQuAD and reaches 90.1 F1.", 2019)
SECOND = paper(2, "Reading more. On SQuAD we test BERT by F1.", 2021)


def said(p: Paper, *relations: tuple[str, str, str], polarity: str = "asserted") -> tuple[Paper, Extraction]:
    return p, read(p, NAMES, relations, polarity=polarity)


def test_support_counts_distinct_papers_and_years_span_them(tmp_path: Path):
    evaluated = ("EVALUATED_ON", "e1", "e2")
    built = make([said(FIRST, evaluated, evaluated), said(SECOND, evaluated)], tmp_path)
    (row,) = built.tables.relationships("EVALUATED_ON").iter_rows(named=True)
    assert (row["head"], row["tail"], row["support"], row["confidence"]) == ("method:bert", "dataset:squad", 2, 0.8)
    assert (row["first_year"], row["last_year"], str(row["first_seen"])) == (2019, 2021, "2019-03-02")
    assert built.tables.nodes("Evidence").height == 2
    assert {e["paper"] for e in graph.evidence(built.tables, [row["id"]])[row["id"]]} == {FIRST.id, SECOND.id}


def test_what_is_denied_or_hoped_for_is_kept_as_evidence_and_is_no_edge(tmp_path: Path):
    tables = make([said(FIRST, ("EVALUATED_ON", "e1", "e2"), polarity="negated")], tmp_path).tables
    assert tables.relationships("EVALUATED_ON").height == 0
    (row,) = tables.nodes("Evidence").iter_rows(named=True)
    assert (row["polarity"], row["head_id"], row["tail_id"]) == ("negated", "method:bert", "dataset:squad")


def test_evidence_quotes_the_sentence_and_points_into_the_text(tmp_path: Path):
    tables = make([said(FIRST, ("EVALUATED_ON", "e1", "e2"))], tmp_path).tables
    (row,) = tables.nodes("Evidence").iter_rows(named=True)
    (sentence,), (start,) = row["sentences"], row["sentence_starts"]
    assert FIRST.text[start:].startswith(sentence)
    assert FIRST.text[row["head_start"] : row["head_end"]] == "BERT"
    assert FIRST.text[row["tail_start"] : row["tail_end"]] == "SQuAD"


def test_what_the_schema_does_not_admit_is_counted_by_reason(tmp_path: Path):
    built = make([said(FIRST, ("EVALUATED_ON", "e2", "e1"), ("IS_A", "e1", "e1"))], tmp_path)
    assert built.rejected == {"EVALUATED_ON from Dataset to Method": 1, "related to itself": 1}
    assert built.tables.relationships("EVALUATED_ON").height == 0


def test_the_paper_stands_for_its_unnamed_proposal(tmp_path: Path):
    tables = make([said(FIRST, ("EVALUATED_ON", "paper", "e2"))], tmp_path).tables
    assert edges(tables, "EVALUATED_ON") == [(FIRST.id, "dataset:squad", 1)]


def test_mentions_keep_how_it_is_written_and_how_often(tmp_path: Path):
    text = paper(1, "Nets. Graph nets and a graph net, and Graph nets again.")
    tables = make([(text, read(text, {"e1": ("Method", ["Graph nets", "graph net"])}))], tmp_path).tables
    (row,) = tables.relationships("MENTIONS").iter_rows(named=True)
    assert (row["count"], row["surfaces"]) == (3, ["Graph nets", "graph net"])
    (node,) = tables.nodes("Method").iter_rows(named=True)
    assert (node["name"], node["aliases"], node["papers"], node["mentions"]) == ("Graph nets", ["graph net"], 1, 3)


def result(p: Paper, value: str, **ends: str) -> Result:
    start = p.text.index(value)
    span = (start, start + len(value))
    return Result(value=value, number=float(value), unit=None, kind="absolute", direction=None, start=span[0], end=span[1], sentence=(0, len(p.text)), source="hand", confidence=0.7, **ends)


def test_a_result_has_its_ends_and_its_own_evidence(tmp_path: Path):
    read_ = read(FIRST, NAMES, results=[result(FIRST, "90.1", method="e1", dataset="e2", metric="e3")])
    tables = make([(FIRST, read_)], tmp_path).tables
    (node,) = tables.nodes("Result").iter_rows(named=True)
    assert (node["name"], node["value"], node["number"], node["kind"]) == ("90.1 F1", "90.1", 90.1, "absolute")
    for kind, tail in (("RESULT_OF", "method:bert"), ("RESULT_ON", "dataset:squad"), ("RESULT_IN", "metric:f1")):
        assert tables.relationships(kind).select("head", "tail").rows() == [(node["id"], tail)]
    assert tables.relationships("RESULT_FOR").height == 0
    (evidence,) = graph.evidence(tables, [node["id"]])[node["id"]]
    assert "90.1 F1" in evidence["sentences"][0]


def test_one_statement_that_two_rules_word_alike_is_one(tmp_path: Path):
    p, x = said(FIRST, ("EVALUATED_ON", "e1", "e2"))
    twice = Extraction(key=x.key, mentions=x.mentions, relations=x.relations * 2, results=(result(FIRST, "90.1"),) * 2)
    tables = make([(p, twice)], tmp_path).tables
    assert (tables.nodes("Evidence").height, tables.nodes("Result").height) == (2, 1)


def test_comparisons_keep_on_what_and_by_what(tmp_path: Path):
    p = paper(5, "Race. BERT beats GPT on SQuAD in F1.")
    x = read(p, NAMES | {"e4": ("Method", ["GPT"])})
    whole = (0, len(p.text))
    won = Relation(type="OUTPERFORMS", head="e1", tail="e4", sentences=(whole,), head_span=whole, tail_span=whole, source="hand", confidence=0.6, on="e2", metric="e3")
    tables = make([(p, Extraction(key=x.key, mentions=x.mentions, relations=(won,)))], tmp_path).tables
    assert tables.nodes("Evidence").select("on", "metric").rows() == [("dataset:squad", "metric:f1")]


def test_authors_and_venues_come_from_the_feed(tmp_path: Path):
    p = Paper(id="acl:1", title="T", abstract="A.", authors=("Ada L", "Béla B", "Ada L"), venue="ACL", year=2020)
    tables = make([(p, Extraction(key=p.key))], tmp_path).tables
    assert tables.nodes("Author")["name"].to_list() == ["Ada L", "Béla B"]
    assert tables.relationships("WRITTEN_BY").sort("position")["position"].to_list() == [1, 2]
    assert tables.nodes("Venue")["name"].to_list() == ["ACL"]
    assert tables.nodes("Paper").select("year", "published").rows() == [(2020, None)]


CORPUS = [said(FIRST, ("EVALUATED_ON", "e1", "e2"), ("MEASURED_BY", "e1", "e3")), said(SECOND, ("EVALUATED_ON", "e1", "e2"))]


def test_the_order_of_papers_changes_no_byte(tmp_path: Path):
    make(CORPUS, tmp_path / "a")
    make(CORPUS[::-1], tmp_path / "b")
    files = sorted(f.relative_to(tmp_path / "a") for f in (tmp_path / "a").rglob("*.parquet"))
    assert len(files) == len(SCHEMA.nodes) + len(SCHEMA.relationships)
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file


def test_networkx_has_every_node_but_evidence_and_typed_edges(tmp_path: Path):
    tables = make(CORPUS, tmp_path).tables
    g = graph.to_networkx(tables)
    nodes, relationships = tables.counts()
    assert g.number_of_nodes() == sum(nodes.values()) - nodes["Evidence"]
    assert g.number_of_edges() == sum(n for name, n in relationships.items() if name != "STATES")
    assert g.edges["method:bert", "dataset:squad", "EVALUATED_ON"]["support"] == 2
    assert g.nodes["method:bert"] | {"label": "Method", "name": "BERT"} == g.nodes["method:bert"]
    assert set(graph.to_networkx(tables, ["Method"]).nodes) == {"method:bert"}


@pytest.mark.parametrize(("hops", "nodes"), [(1, {"method:bert", "dataset:squad", "metric:f1"}), (0, {"method:bert"})])
def test_a_neighbourhood_follows_claims_and_not_mentions(tmp_path: Path, hops: int, nodes: set[str]):
    g = graph.neighbourhood(make(CORPUS, tmp_path).tables, "method:bert", hops=hops, limit=10)
    assert set(g.nodes) == nodes


def test_a_neighbourhood_is_cut_to_the_best_supported_and_says_so(tmp_path: Path):
    g = graph.neighbourhood(make(CORPUS, tmp_path).tables, "method:bert", hops=1, limit=1)
    assert set(g.nodes) == {"method:bert", "dataset:squad"}
    assert g.graph["hidden"] == 1


def test_edge_ids_are_the_same_in_every_build(tmp_path: Path):
    tables = make(CORPUS, tmp_path).tables
    assert tables.relationships("EVALUATED_ON")["id"].to_list() == [graph.edge_id("EVALUATED_ON", "method:bert", "dataset:squad")]
    assert tables.nodes("Evidence").filter(pl.col("type") == "EVALUATED_ON")["edge"].unique().to_list() == tables.relationships("EVALUATED_ON")["id"].to_list()


def test_variants_join_data_sets_and_benchmarks_and_no_metrics(tmp_path: Path):
    p = paper(1, "Names. WMT14 and WMT and BLEU-2 and BLEU.")
    names = {"e1": ("Dataset", ["WMT14"]), "e2": ("Benchmark", ["WMT"]), "e3": ("Metric", ["BLEU-2"]), "e4": ("Metric", ["BLEU"])}
    tables = make([(p, read(p, names))], tmp_path).tables
    assert tables.relationships("VARIANT_OF").select("head", "tail").rows() == [("dataset:wmt14", "benchmark:wmt")]
