"""How a clause speaks of a relation: places in a sentence with slots, and cues."""

import json
from pathlib import Path

import pytest

from kgbuild.evaluate.rules import mentioned, spans_of
from kgbuild.nlp import load, relations, to_extraction
from kgbuild.nlp.ruleset import read_ruleset
from kgbuild.schema import load_schema

RULES = relations.Rules(read_ruleset()["relations"], load_schema())
NLP = load("rules")
SET = [
    json.loads(line)
    for line in (Path(__file__).parent / "data/polarity.jsonl").read_text(encoding="utf-8").splitlines()
]
POLARITIES = ("asserted", "negated", "hedged", "future", "others")


def part_of(example):
    """The one sentence of an example, and its mentions."""
    text, mentions, _ = mentioned(example)
    [part] = relations.sentences(text, [(0, len(text))], mentions)
    return text, part, mentions


@pytest.mark.parametrize(
    "example",
    [
        "[Owl|Method] beats [Kite|Method] on [SQuAD|Dataset].",
        "On [SQuAD|Dataset], [Owl|Method]",
        "No mention at all",
        "[A|Method]/[B|Method]<x>",
    ],
)
def test_places_of_text_outside_mentions_are_found_in_slots_and_back(example):
    text, part, mentions = part_of(example)
    for at in range(len(text) + 1):
        if not any(m.start < at < m.end for m in mentions):
            assert part.origin(part.place(at)) == at


def test_a_relation_of_two_spans_has_the_polarity_of_its_clause():
    _, part, (owl, kite, heron) = part_of("[Owl|Method] does not outperform [Kite|Method], but [Heron|Method] flies.")
    assert RULES.polarity(part, owl.start, kite.end) == "negated"
    assert RULES.polarity(part, heron.start, heron.end) == "asserted"


def read(row):
    """The polarity that is read for a row of the set: from the first to the last of its marked ends."""
    text, mentions, roles = mentioned(row["text"])
    [part] = relations.sentences(text, [(0, len(text))], mentions)
    ends = [m for m in mentions if m.entity in roles["head"] + roles["tail"]]
    return RULES.polarity(part, min(m.start for m in ends), max(m.end for m in ends), row["type"])


@pytest.mark.parametrize(("split", "floor"), [("dev", 0.97), ("test", 0.95)])
def test_polarity_of_the_set(split, floor):
    """Sentences of our own, half of them asserted; those of the test split were not looked at while cues were written."""
    rows = [row for row in SET if row["split"] == split]
    pairs = [(row["polarity"], read(row)) for row in rows]
    right = sum(said == found for said, found in pairs)
    print(f"\n{split}: {right} of {len(pairs)} right, {right / len(pairs):.3f}")
    for polarity in POLARITIES:
        both = pairs.count((polarity, polarity))
        found, said = ([p[side] for p in pairs].count(polarity) for side in (1, 0))
        print(f"  {polarity:9} precision {both / max(found, 1):.2f} ({found} found), recall {both / said:.2f} ({said})")
    assert right / len(pairs) >= floor


def test_the_set_is_large_and_spread():
    asserted = [row for row in SET if row["polarity"] == "asserted"]
    assert len(SET) >= 160
    assert len(asserted) * 2 == len(SET)
    assert {row["polarity"] for row in SET} == set(POLARITIES)
    assert {row["type"] for row in SET} == set(RULES.schema.claim_types)
    assert [row["split"] for row in SET] == ["dev", "test"] * (len(SET) // 2)


@pytest.mark.parametrize(
    ("example", "polarity"),
    [
        ("[LoRA|Method] does not outperform [BERT|Method] on [SQuAD|Dataset].", {"OUTPERFORMS": "negated", "EVALUATED_ON": "asserted"}),
        ("[LoRA|Method] may outperform [BERT|Method] on [SQuAD|Dataset].", {"OUTPERFORMS": "hedged", "EVALUATED_ON": "asserted"}),
        ("[LoRA|Method] does not improve [BERT|Method] on [SQuAD|Dataset].", {"OUTPERFORMS": "negated", "EVALUATED_ON": "asserted"}),
        ("[LoRA|Method] does not reach [BERT|Method] on [SQuAD|Dataset].", {"OUTPERFORMS": "negated", "EVALUATED_ON": "asserted"}),
        ("[LoRA|Method] was never tested on [SQuAD|Dataset].", {"OUTPERFORMS": "negated", "EVALUATED_ON": "negated"}),
        ("[SQuAD|Dataset] might be used for [question answering|Task].", {"FOR_TASK": "hedged"}),
    ],
)
def test_who_denies_a_comparison_does_not_deny_the_evaluation(example, polarity):
    _, part, mentions = part_of(example)
    assert {kind: RULES.polarity(part, mentions[0].start, mentions[-1].end, kind) for kind in polarity} == polarity


def test_cues_are_heard_through_markup():
    text, mentions, _ = mentioned("A title\n[Owl|Method] m\\emph{ay} outperform [Kite|Method].")
    assert {r.polarity for r in relations.statements(text, spans_of(text), mentions, RULES)} == {"hedged"}


@pytest.mark.parametrize(
    ("sentence", "polarity"),
    [
        ("FlockNet reaches 91.7% accuracy on SQuAD.", "asserted"),
        ("Although it does not see labels, FlockNet reaches 91.7% accuracy on SQuAD.", "asserted"),
        ("FlockNet does not exceed 91.7% accuracy on SQuAD.", "negated"),
        ("With more data FlockNet may reach 91.7% accuracy on SQuAD.", "hedged"),
        ("We plan to reach 91.7% accuracy on SQuAD.", "future"),
        ("Earlier papers report that BERT reaches 91.7% accuracy on SQuAD.", "others"),
    ],
)
def test_results_have_the_polarity_of_their_clause(sentence, polarity):
    [result] = to_extraction(NLP(f"FlockNet: Birds\nWe propose FlockNet. {sentence}"), "key").results
    assert (result.value, result.polarity) == ("91.7%", polarity)
