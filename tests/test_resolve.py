"""Names become entities: what joins, what never does, and ids that last."""

import random
from collections.abc import Iterable, Sequence

import pytest
from corpus import Names, paper, read
from hypothesis import given
from hypothesis import strategies as st

from kgbuild.records import Extraction, Paper
from kgbuild.resolve import Entity, Known, Memory, Resolution, Resolver, fold, slugify, variants

Corpus = Sequence[tuple[Paper, Extraction]]

LEXICON = {
    "method:cnn": Known(id="method:cnn", label="Method", name="Convolutional neural network"),
    "dataset:sgd": Known(id="dataset:sgd", label="Dataset", name="Schema-Guided Dialogue"),
}


def settle(corpus: Iterable[tuple[Paper, Extraction]], memory: Memory | None = None) -> Resolution:
    corpus = list(corpus)
    resolver = Resolver(LEXICON)
    for p, x in corpus:
        resolver.observe(p, x)
    return resolver.resolve(memory or Memory())


def ids(corpus: Corpus, memory: Memory | None = None) -> dict[tuple[str, str], str]:
    resolution = settle(corpus, memory)
    return {(p.id, group): e.id for p, x in corpus for group, e in resolution.entities(p, x).items()}


def say(number: int, names: Names, **more: object) -> tuple[Paper, Extraction]:
    surfaces = [s for _, ss in names.values() for s in ss]
    p = paper(number, f"Paper number {number}. We look at {', and at '.join(surfaces)}, once more.")
    return p, read(p, names, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("graph neural network", "Graph Neural Networks"),
        ("fine-tuning", "fine tuning"),
        ("CIFAR-10", "CIFAR10"),
        ("data set", "dataset"),
        ("$F_1$", "F1"),
        ("LLMs", "LLM"),
        ("naïve Bayes", "naïve  Bayes"),
    ],
)
def test_spellings_of_one_name_fold_alike(one: str, two: str):
    assert fold(one) == fold(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("GPT-3", "GPT-4"),
        ("GPT-4", "GPT-4o"),
        ("ImageNet", "ImageNet-100"),
        ("DPS", "DPs"),
        ("C", "C++"),
        ("Q*", "Q"),
        ("bias", "bia"),
    ],
)
def test_different_names_fold_apart(one: str, two: str):
    assert fold(one) != fold(two)


@given(st.text(max_size=30))
def test_folding_never_fails_and_is_never_empty_for_text(text: str):
    assert bool(fold(text)) == bool(text.strip())


def test_two_papers_spell_one_thing_differently():
    corpus = [say(1, {"e1": ("Method", ["graph attention"])}), say(2, {"e7": ("Method", ["Graph-Attention"])})]
    assert len(set(ids(corpus).values())) == 1


def test_one_string_of_two_types_stays_two():
    corpus = [say(1, {"e1": ("Method", ["distillation"])}), say(2, {"e1": ("Task", ["distillation"])})]
    assert set(ids(corpus).values()) == {"method:distillation", "task:distillation"}


def test_dataset_and_benchmark_are_one_node_under_the_voted_label():
    corpus = [say(n, {"e1": (label, ["FrogBench"])}) for n, label in enumerate(["Benchmark", "Dataset", "Benchmark"])]
    resolution = settle(corpus)
    (entity,) = {e for p, x in corpus for e in resolution.entities(p, x).values()}
    assert (entity.label, entity.id) == ("Benchmark", "benchmark:frogbench")


def test_numbers_never_merge():
    corpus = [say(n, {"e1": ("Method", [name])}) for n, name in enumerate(["GPT-3", "GPT-4", "GPT-4o", "GPT4"])]
    assert sorted(set(ids(corpus).values())) == ["method:gpt-3", "method:gpt-4", "method:gpt-4o"]


def test_a_short_form_goes_with_the_long_form_of_its_own_paper():
    deep = say(
        1, {"e1": ("Method", ["Temporal Label Smoothing", "TLS"])}, abbreviations=[("TLS", "Temporal Label Smoothing")]
    )
    other = say(2, {"e1": ("Method", ["Two-Level Search", "TLS"])}, abbreviations=[("TLS", "Two-Level Search")])
    found = ids([deep, other])
    assert found[deep[0].id, "e1"] == "method:temporal-label-smoothing"
    assert found[other[0].id, "e1"] == "method:two-level-search"


def test_an_ambiguous_short_form_elsewhere_stays_itself_and_an_agreed_one_follows():
    first = say(
        1, {"e1": ("Method", ["Temporal Label Smoothing", "TLS"])}, abbreviations=[("TLS", "Temporal Label Smoothing")]
    )
    second = say(2, {"e1": ("Method", ["Two-Level Search", "TLS"])}, abbreviations=[("TLS", "Two-Level Search")])
    bare = say(3, {"e1": ("Method", ["TLS"])})
    assert ids([first, bare])[bare[0].id, "e1"] == "method:temporal-label-smoothing"
    assert ids([first, second, bare])[bare[0].id, "e1"] == "method:tls"


def test_a_short_form_stands_for_the_long_form_that_defines_it_and_for_no_other_name_of_the_thing():
    names = ["Temporal Label Smoothing", "smoothing of temporal labels", "TLS"]
    first = say(1, {"e1": ("Method", names)}, abbreviations=[("TLS", "Temporal Label Smoothing")])
    bare = say(2, {"e1": ("Method", ["TLS"])})
    assert ids([first, bare])[bare[0].id, "e1"] == "method:temporal-label-smoothing"


def test_a_name_that_one_paper_uses_loosely_stays_what_it_is_elsewhere():
    loose = say(1, {"e1": ("Task", ["visual sorting", "tagging"])})
    others = [say(n, {"e1": ("Task", [name])}) for n, name in enumerate(["tagging", "tagging", "visual sorting"], 2)]
    found = ids([loose, *others])
    assert found[loose[0].id, "e1"] == "task:visual-sorting"
    assert [found[p.id, "e1"] for p, _ in others] == ["task:tagging", "task:tagging", "task:visual-sorting"]


def test_the_lexicon_decides_and_its_entries_never_merge():
    known = say(1, {"e1": ("Method", ["convnet"])}, lexicon={"e1": "method:cnn"})
    again = say(5, {"e1": ("Method", ["convnet"])}, lexicon={"e1": "method:cnn"})
    also = say(2, {"e1": ("Method", ["ConvNets"])})
    data = say(3, {"e1": ("Dataset", ["SGD"])}, lexicon={"e1": "dataset:sgd"})
    optimiser = say(4, {"e1": ("Method", ["SGD"])})
    found = ids([known, again, also, data, optimiser])
    assert found[known[0].id, "e1"] == found[also[0].id, "e1"] == "method:cnn"
    assert found[data[0].id, "e1"] == "dataset:sgd"
    assert found[optimiser[0].id, "e1"] == "method:sgd"


def test_a_typing_slip_in_a_rare_long_name_joins():
    right = [say(n, {"e1": ("Method", ["knowledge distillation"])}) for n in range(3)]
    wrong = say(9, {"e1": ("Method", ["knowledge distilation"])})
    assert len(set(ids([*right, wrong]).values())) == 1


def test_a_last_letter_is_a_variant_and_no_slip():
    corpus = [say(n, {"e1": ("Method", ["Transformer-XL"])}) for n in range(3)] + [
        say(9, {"e1": ("Method", ["Transformer-XS"])})
    ]
    assert len(set(ids(corpus).values())) == 2


def test_ids_last_when_a_later_build_would_choose_others():
    first = [say(1, {"e1": ("Method", ["Cross-View Fusion"])})]
    memory = settle(first).memory
    grown = [*first, *(say(n, {"e1": ("Method", ["cross view fusions"])}) for n in range(2, 6))]
    assert set(ids(grown, memory).values()) == {"method:cross-view-fusion"}


def test_the_id_of_an_entity_that_was_merged_away_redirects():
    short = say(1, {"e1": ("Method", ["label mixing"])})
    long = say(2, {"e1": ("Method", ["mixing of labels"])})
    before = settle([short, long])
    assert set(ids([short, long]).values()) == {"method:label-mixing", "method:mixing-of-labels"}
    both = [say(n, {"e1": ("Method", ["label mixing", "mixing of labels"])}) for n in (3, 4)]
    after = settle([short, long, *both], before.memory)
    (entity,) = {e.id for p, x in [short, long, *both] for e in after.entities(p, x).values()}
    assert dict(after.memory.redirects) == {
        ({"method:label-mixing", "method:mixing-of-labels"} - {entity}).pop(): entity
    }


SURFACES = [
    "GAN",
    "GANs",
    "gan",
    "Graph Attention Network",
    "graph-attention networks",
    "GPT-3",
    "GPT 3",
    "T5",
    "knowledge distillation",
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Method", "Task"]),
            st.lists(st.sampled_from(SURFACES), min_size=1, max_size=3, unique=True),
        ),
        min_size=1,
        max_size=8,
    ),
    st.randoms(),
)
def test_the_order_of_papers_changes_nothing(papers: list[tuple[str, list[str]]], chance: random.Random):
    corpus = [
        say(n, {f"e{i}": (label, [s]) for i, s in enumerate(surfaces)}) for n, (label, surfaces) in enumerate(papers)
    ]
    shuffled = corpus.copy()
    chance.shuffle(shuffled)
    assert ids(corpus) == ids(shuffled)


def test_versions_are_variants_of_their_family():
    names = ["GPT-4", "GPT-4o", "ImageNet", "ImageNet-100", "LLaMA-2", "LLaMA-2 7B", "ViT", "ViT-Large", "Net", "BERT"]
    entities = [Entity(id=f"method:{slugify(n)}", label="Method", names=()) for n in names]
    shown = {e.id: n for e, n in zip(entities, names, strict=True)}
    pairs = {(a.id, b.id) for a, b in variants(entities, shown)}
    assert pairs == {
        ("method:gpt-4o", "method:gpt-4"),
        ("method:imagenet-100", "method:imagenet"),
        ("method:llama-2-7b", "method:llama-2"),
        ("method:vit-large", "method:vit"),
    }


@pytest.mark.parametrize(
    ("text", "slug"), [("Fußball Netz", "fuball-netz"), ("C++", "c-+-+"), ("数据", ""), ("../../etc", "etc")]
)
def test_slugs_are_plain(text: str, slug: str):
    assert slugify(text) == slug
