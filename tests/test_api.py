"""The Python door: what ``import kgbuild as kg`` gives, and that its examples are true."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import networkx as nx
import pytest

import kgbuild as kg


def modules() -> list[str]:
    return [m.name for m in pkgutil.walk_packages(kg.__path__, "kgbuild.") if m.name != "kgbuild.__main__"]


@pytest.mark.parametrize("name", kg.__all__)
def test_every_public_name_is_there_and_documented(name: str):
    thing = getattr(kg, name)
    assert not isinstance(thing, ModuleType)
    assert thing.__doc__


def test_public_names_are_sorted_and_complete():
    assert list(kg.__all__) == sorted(kg.__all__) == dir(kg)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = kg.nothing


@pytest.mark.parametrize("module", modules())
def test_examples_in_docstrings_are_true(module: str, sample_workspace: Path):
    if module.startswith("kgbuild.training."):
        pytest.importorskip("torch", reason="torch is not installed: pip install -e '.[train]'")
    found = importlib.import_module(module)
    globs = {**vars(found), "sample_workspace": sample_workspace}
    failures, _ = doctest.testmod(found, extraglobs=globs)
    assert failures == 0


def test_some_docstrings_have_examples():
    finder = doctest.DocTestFinder()
    some = [m for m in modules() if not m.startswith("kgbuild.training.")]
    assert sum(bool(t.examples) for m in some for t in finder.find(importlib.import_module(m))) >= 5


def test_opening_a_workspace_loads_no_spacy(sample_workspace: Path):
    code = f"import sys, kgbuild as kg; g = kg.open({str(sample_workspace)!r}); g.find('squad'); g.query('methods-on-dataset', dataset='squad'); assert 'spacy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def graph(sample_workspace: Path) -> kg.KnowledgeGraph:
    return kg.open(sample_workspace)


def test_find_by_id_name_alias_and_spelling(graph: kg.KnowledgeGraph):
    for name in ("dataset:squad", "SQuAD", "squad", "SQUAD"):
        assert [f.id for f in graph.find(name)] == ["dataset:squad"]
    assert graph.find("no such thing") == []


def test_one_name_of_two_things(graph: kg.KnowledgeGraph):
    assert {f.label for f in graph.find("SGD")} == {"Dataset", "Method"}
    assert graph.entity("SGD", ["Dataset"]).label == "Dataset"


def test_a_paper_goes_by_its_title(graph: kg.KnowledgeGraph):
    paper = graph.papers()[0]
    assert graph.entity(paper.title).id == paper.id


def test_an_unknown_name_suggests_near_ones(graph: kg.KnowledgeGraph):
    with pytest.raises(kg.KGError, match=r"near names: .*ImageNet"):
        graph.entity("ImagNet")
    with pytest.raises(kg.KGError, match="nothing has a name like it"):
        graph.entity("§§§§§§")


def test_evidence_points_into_the_paper(graph: kg.KnowledgeGraph):
    texts = {p.id: p.text for p in graph.papers()}
    shown = graph.neighbourhood("SQuAD")
    assert isinstance(shown, nx.MultiDiGraph)
    seen = 0
    for _, _, data in shown.edges(data=True):
        for e in graph.evidence(data["id"]):
            for start, sentence in zip(e["sentence_starts"], e["sentences"], strict=True):
                assert texts[e["paper"]][start : start + len(sentence)] == sentence
                seen += 1
    assert seen


def test_every_claim_has_evidence_that_asserts_it(graph: kg.KnowledgeGraph):
    whole = graph.to_networkx()
    claims = {d["id"]: d["support"] for _, _, d in whole.edges(data=True) if "support" in d}
    found = graph.evidence_of(claims)
    assert claims
    for edge, support in claims.items():
        assert len({e["paper"] for e in found[edge] if e["polarity"] == "asserted"}) == support


def test_the_graph_is_one_that_networkx_works_on(graph: kg.KnowledgeGraph):
    whole = graph.to_networkx()
    assert max(nx.degree_centrality(whole).values()) > 0
    assert nx.community.louvain_communities(nx.Graph(whole), seed=0)


def test_a_query_takes_names_and_checks_parameters(graph: kg.KnowledgeGraph):
    assert graph.query("used-together", dataset="imagenet") == graph.query("used-together", dataset="dataset:imagenet")
    with pytest.raises(kg.KGError, match="needs the parameter dataset"):
        graph.query("used-together")
    with pytest.raises(kg.KGError, match="has no parameter 'data'"):
        graph.query("used-together", data="imagenet")
    with pytest.raises(kg.KGError, match="no Dataset or Benchmark is called 'BERT'"):
        graph.query("used-together", dataset="BERT")
