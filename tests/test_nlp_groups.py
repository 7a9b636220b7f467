"""Which mentions of one paper are one thing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgbuild.nlp.abbreviations import abbreviations, begun, letters, stands_for
from kgbuild.nlp.groups import group, implied
from kgbuild.nlp.mentions import Candidate, occurrences


def mark(text: str, names: Sequence[tuple[str, str]], rows: dict[str, str] | None = None) -> list[Candidate]:
    """A mention wherever the text writes one of the (name, label) pairs, the longest first; ``rows``: name -> lexicon id."""
    out: list[Candidate] = []
    for name, label in sorted(names, key=lambda n: -len(n[0])):
        for start, end in occurrences(text, name):
            if all(end <= c.start or c.end <= start for c in out):
                out.append(Candidate(start, end, label, "hand", 1.0, (rows or {}).get(name, "")))
    return sorted(out)


def entities(text: str, found: Sequence[Candidate], named: Sequence[Candidate] = ()) -> dict[str, str]:
    """Name -> entity."""
    pairs = abbreviations(text)
    ids = group(text, found, pairs, implied(text, found, named, pairs))
    return {text[c.start : c.end]: entity for c, entity in zip(found, ids, strict=True)}


def are_one(one: str, other: str, label: str = "Task", rest: str = "") -> bool:
    """Whether two names in two sentences, and a third one that says more, are one thing."""
    text = f"We look at {one}. Much is known of {other}. {rest}"
    ids = entities(text, mark(text, [(one, label), (other, label)]))
    return ids[one] == ids[other]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bird song detection", "Bird-Song Detection"),
        ("Möbius flight", "Mo\u0308bius flight"),
        ("wing beats counting", "wing beat counting"),
        ("two-stage sorting", "2-stage sorting"),
        ("\\textbf{W}ing \\textbf{S}orting", "wing sorting"),
        ("detection of small birds", "small bird detection"),
        ("counting birds", "bird counting"),
        ("Classifying bird songs", "bird song classification"),
        ("identification of nests", "identifying nests"),
        ("flight planning with maps", "planning flight with maps"),
        ("automatic nest detection", "nest detection"),
        ("island-level bird counting", "island bird counting"),
    ],
)
def test_two_ways_to_write_a_name_are_one_thing(one, other):
    assert are_one(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BERT", "RoBERTa"),
        ("GPT-3", "GPT-4"),
        ("CIFAR-10", "CIFAR-100"),
        ("ScanNet", "ScanNet++"),
        ("NLI", "NLG"),
        ("few-shot learning", "zero-shot learning"),
        ("song-to-text translation", "text-to-song translation"),
        ("tracking by detection", "detection by tracking"),
        ("English-German translation", "German-English translation"),
        ("node-edge matching", "edge-node matching"),
        ("Fast Flock", "Faster Flock"),
        ("bird tagging", "bird tagger"),
        ("bird detection", "small bird detection"),
        ("model", "rate"),
        ("sparrow-based detection", "eagle-based detection"),
        ("ViT", "vision task"),
    ],
)
def test_two_names_are_two_things(one, other):
    assert not are_one(one, other)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("EWR", "exhaustive wing rotation"),
        ("RL", "reinforcement learning"),
        ("POMDPs", "partially observable Markov decision processes"),
        ("iLR-DPO", "iterative length-regularised direct preference optimisation"),
        ("JD3P", "joint discrete denoising diffusion process"),
        ("SP^2OT", "semantic-regularised progressive partial optimal transport"),
        ("S2TT", "speech-to-text translation"),
        ("BALANCE", "Bird Aware Learning of ANCient Eggs"),
        ("SMM4H", "song mining from microphones for health"),
    ],
)
def test_a_short_form_goes_with_the_long_form_that_its_letters_spell(short, long):
    assert are_one(short, long)
    assert are_one(long, short)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("LLMs", "language models"),
        ("NER", "nested entity counting"),
        ("VQA", "visual answering of questions"),
        ("Qwen9-7B", "Qwen9 7B mini bird"),
        ("Adam", "a data aware method"),
        ("K2", "kites"),
        ("LARS", "learned rates"),
    ],
)
def test_a_short_form_that_does_not_fit_stays_alone(short, long):
    assert not are_one(short, long)


def test_a_short_form_belongs_to_things_of_its_label():
    text = "We use machine translation. The score is MT."
    ids = entities(text, mark(text, [("machine translation", "Task"), ("MT", "Metric")]))
    assert ids["machine translation"] != ids["MT"]


def test_a_short_form_that_fits_two_long_forms_equally_goes_with_neither():
    text = "Soft wing sorting and small wing sorting differ. SWS is fast."
    ids = entities(text, mark(text, [("Soft wing sorting", "Task"), ("small wing sorting", "Task"), ("SWS", "Task")]))
    assert len(set(ids.values())) == 3


def test_what_the_text_defines_goes_before_what_fits():
    text = "Soft wing sorting (SWS) is not small wing sorting. We use SWS."
    ids = entities(text, mark(text, [("Soft wing sorting", "Task"), ("small wing sorting", "Task"), ("SWS", "Task")]))
    assert ids["SWS"] == ids["Soft wing sorting"] != ids["small wing sorting"]


def test_short_forms_are_written_out_within_longer_names():
    text = (
        "Soft wing sorting (SWS) helps. Offline SWS and offline soft wing sorting and offline soft wing sorting (SWS) "
        "are hard, the offline SWS planner is not."
    )
    names = [
        "Offline SWS",
        "offline soft wing sorting",
        "offline soft wing sorting (SWS)",
        "offline SWS planner",
        "SWS",
    ]
    ids = entities(text, mark(text, [(name, "Task") for name in names]))
    assert ids["Offline SWS"] == ids["offline soft wing sorting"] == ids["offline soft wing sorting (SWS)"]
    assert len(set(ids.values())) == 3


def test_short_forms_that_the_lexicon_knows_are_written_out_where_the_text_writes_both():
    text = "Song-based reinforcement learning is new. We call it song-based RL. A reward-based RL is old."
    names = ["Song-based reinforcement learning", "song-based RL", "reward-based RL"]
    found = mark(text, [(name, "Task") for name in names])
    known = mark(
        text, [("reinforcement learning", "Task"), ("RL", "Task")], {"reinforcement learning": "rl", "RL": "rl"}
    )
    assert len(set(entities(text, found).values())) == 3
    ids = entities(text, found, known)
    assert ids["Song-based reinforcement learning"] == ids["song-based RL"] != ids["reward-based RL"]


def test_what_the_lexicon_knows_needs_a_letter_for_each_word():
    text = "Large parrot models are many. LPM sing, and big large parrot voice models too."
    long = "large parrot voice models"
    found = mark(text, [("LPM", "Method"), (long, "Method")])
    known = mark(text, [("LPM", "Method")], {"LPM": "lpm"})
    assert len(set(entities(text, found).values())) == 1
    assert len(set(entities(text, found, known).values())) == 2


def test_the_mention_before_a_bracket_has_the_short_form():
    text = "We present attention-gated Soft Wing Sorting (SWS). It is fast."
    names = [("attention-gated Soft Wing Sorting", "Method"), ("SWS", "Method")]
    assert len(set(entities(text, mark(text, names)).values())) == 1
    text += " Plain Soft Wing Sorting is slow."
    assert len(set(entities(text, mark(text, [*names, ("Soft Wing Sorting", "Method")])).values())) == 2
    known = {"SWS": "method:sws"}
    text = "We present attention-gated Soft Wing Sorting (SWS). It is fast."
    assert len(set(entities(text, mark(text, names, known)).values())) == 2
    text = "We present the Soft Wing Sorting framework (SWS)."
    assert len(set(entities(text, mark(text, [("Soft Wing Sorting", "Method"), ("SWS", "Method")])).values())) == 1


def test_names_of_one_lexicon_row_are_one_thing():
    text = "The hoopoe net and the Upupa net are fast."
    names = [("hoopoe net", "Method"), ("Upupa net", "Method")]
    rows = {"hoopoe net": "method:hoopoe", "Upupa net": "method:hoopoe"}
    assert len(set(entities(text, mark(text, names, rows)).values())) == 1
    assert len(set(entities(text, mark(text, names)).values())) == 2


def test_one_name_under_two_labels_is_two_things():
    text = "Wing is a bird set; Wing is a bird task."
    (one, other) = occurrences(text, "Wing")
    assert group(text, [Candidate(*one, "Dataset", "hand", 1.0), Candidate(*other, "Task", "hand", 1.0)], []) == [
        "e1",
        "e2",
    ]


WORDS = st.sampled_from(
    ["soft", "Wing", "sorting", "SWS", "(SWS)", "of", "S2", "models", "A-b", "to", "\\textbf{W}", "(", "+", "Ä", "ß"]
)


@given(st.lists(WORDS, min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_entities_are_numbered_by_appearance_and_each_name_has_one(parts, random):
    text, found = "", []
    for part in parts:
        start = len(text)
        text += part + " "
        if part.strip() and random.random() < 0.7:
            found.append(
                Candidate(
                    start,
                    start + len(part),
                    random.choice(["Task", "Method"]),
                    "hand",
                    1.0,
                    random.choice(["", "", "r"]),
                )
            )
    pairs = abbreviations(text)
    unsaid = implied(text, found, found, pairs)
    ids = group(text, found, pairs, unsaid)
    assert ids == group(text, found, pairs, unsaid)
    assert list(dict.fromkeys(ids)) == [f"e{i + 1}" for i in range(len(set(ids)))]
    entity: dict[tuple[str, str], str] = {}
    label: dict[str, str] = {}
    for c, id_ in zip(found, ids, strict=True):
        assert entity.setdefault((c.label, text[c.start : c.end]), id_) == id_
        assert label.setdefault(id_, c.label) == c.label


@given(st.text(alphabet="aAbB2 -s", max_size=12), st.text(alphabet="aAbB2 -s", max_size=40))
def test_fits_are_shares(short, long):
    assert 0 <= stands_for(short, long) <= 1
    assert 0 <= begun(short, long) <= len(long)
    assert len(letters(short)) <= len(short)
