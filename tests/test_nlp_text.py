"""Words, sentences and spellings; short forms."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.vocab import Vocab

from kgbuild.nlp.abbreviations import abbreviations
from kgbuild.nlp.text import fold, make_tokenizer, sentence_starts, words

TOKENIZER = make_tokenizer(Vocab())


def sentences(text):
    starts = [*sentence_starts(text), len(text)]
    return [text[a:b].strip() for a, b in pairwise(starts)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("One thing. Another thing.", ["One thing.", "Another thing."]),
        ("Some nets, e.g. LeNet, are small. Others (i.e. The big ones) are not.", ["Some nets, e.g. LeNet, are small.", "Others (i.e. The big ones) are not."]),
        ("As Kim et al. (2020) say, birds vs. Cats is hard.", ["As Kim et al. (2020) say, birds vs. Cats is hard."]),
        ("See Fig. 3 and Eq. 2 for v1.1 at 0.5. It holds.", ["See Fig. 3 and Eq. 2 for v1.1 at 0.5.", "It holds."]),
        ("It gains 3.5\\%. We use $F_1$. \\textbf{All} is well.", ["It gains 3.5\\%.", "We use $F_1$.", "\\textbf{All} is well."]),
        ("Code: https://birds.example.org/A.B. Have fun!", ["Code: https://birds.example.org/A.B.", "Have fun!"]),
        ("A line\nbreak is no end. mBERT is\nlower case.", ["A line\nbreak is no end.", "mBERT is\nlower case."]),
        ("First part\n\nSecond part", ["First part", "Second part"]),
        ("Does it fly? Yes! \"It does.\" Good.", ["Does it fly?", "Yes!", '"It does."', "Good."]),
        ("J. Smith found it.", ["J. Smith found it."]),
    ],
)
def test_sentences_of_an_abstract(body, expected):
    assert sentences(f"A title. With a stop?\n{body}") == ["A title. With a stop?", *expected]


@given(st.text(max_size=300))
def test_sentences_cover_the_text_once(text):
    starts = sentence_starts(text)
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    assert all(0 <= s <= len(text) for s in starts)


@given(st.text(max_size=300))
def test_every_word_starts_and_ends_at_a_token(text):
    doc = TOKENIZER(text)
    assert doc.text == text
    edges = {t.idx for t in doc} | {t.idx + len(t) for t in doc}
    assert all(w.start in edges and w.end in edges for w in words(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [("fine-tuning", "Finetuning"), ("GPT-4", "GPT4"), ("LLMs", "LLM"), ("knowledge\ndistillation", "Knowledge Distillation"), ("Modelling", "modeling"), ("strategies", "strategy"), ("GPT-3.5", "GPT 3.5")],
)
def test_spellings_of_one_name_fold_together(one, other):
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("GPT-3.5", "GPT-35"), ("ScanNet", "ScanNet++"), ("GPT-4", "GPT-4o"), ("ImageNet", "ImageNet-1K"), ("LMS", "LMs")])
def test_names_that_differ_fold_apart(one, other):
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We use random forests (RFs).", [("RFs", "random forests")]),
        ("Bird Flock Voting (BFV) works.", [("BFV", "Bird Flock Voting")]),
        ("BFV (Bird Flock Voting) works.", [("BFV", "Bird Flock Voting")]),
        ("multi-wing attention (MWA; ours)", [("MWA", "multi-wing attention")]),
        ("named entity\nrecognition (NER)", [("NER", "named entity\nrecognition")]),
        ("the area under the curve (AUC)", [("AUC", "area under the curve")]),
        ("vision-language models (VLMs) and birds", [("VLMs", "vision-language models")]),
        ("by semi-supervised sorting (SSS)", [("SSS", "semi-supervised sorting")]),
        ("a birdsong-to-score translation (BST)", [("BST", "birdsong-to-score translation")]),
        ("we train with Careful Claw Search (CCS)", [("CCS", "Careful Claw Search")]),
        ("the {\\bf winged attention} (WA)", [("WA", "winged attention")]),
        ("counted by \"soft wing voting\" (SWV)", [("SWV", "soft wing voting")]),
        ("as Kim said (2023)", []),
        ("many birds (e.g. Robins)", []),
        ("it is shown (see Figure 2)", []),
        ("birds [12] and cats (95%)", []),
        ("It ends here. (EH)", []),
        ("an outright lie (XQZ)", []),
        ("BERT (BERT)", []),
        ("We win (Table 3)", []),
    ],
)
def test_abbreviations(text, expected):
    assert [(text[a:b], text[c:d]) for (a, b), (c, d) in abbreviations(text)] == expected


@given(st.text(alphabet="abA (B)C;-.\n", max_size=120))
def test_abbreviations_stay_inside_the_text(text):
    for (a, b), (c, d) in abbreviations(text):
        assert 0 <= a < b <= len(text)
        assert 0 <= c < d <= len(text)
        assert d <= a or b <= c
