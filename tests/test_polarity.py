"""How a clause speaks of a relation: places in a sentence with slots, and cues."""

import pytest

from kgbuild.evaluate.rules import mentioned
from kgbuild.nlp import relations
from kgbuild.nlp.ruleset import read_ruleset
from kgbuild.schema import load_schema

RULES = relations.Rules(read_ruleset()["relations"], load_schema())


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
