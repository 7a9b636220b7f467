"""Reading files of papers: pages in every layout and state, JSON Lines, damage of all kinds, and merging."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild.records import Paper
from kgbuild.sources import Rejected, merge, read
from kgbuild.sources.identity import known_id, paper_id
from kgbuild.sources.lines import MAX_LINE

DATA = Path(__file__).parent / "data"
SHARED = os.environ.get("KGBUILD_SHARED")
PAGES = ("page_titles.txt", "page_tight.txt", "page_dated.txt")
SEEDS = sorted(p.name for p in (Path(SHARED) / "seeds").glob("*.txt")) if SHARED else []
needs_shared = pytest.mark.skipif(not SHARED, reason="KGBUILD_SHARED is not set")


def run(*paths: str | Path) -> tuple[list[Paper], list[Rejected]]:
    rejected: list[Rejected] = []
    return list(read(paths, rejected.append)), rejected


def run_bytes(folder: Path, data: bytes, name: str = "input") -> tuple[list[Paper], list[Rejected]]:
    path = folder / name
    path.write_bytes(data)
    return run(path)


def run_text(folder: Path, text: str, name: str = "input") -> tuple[list[Paper], list[Rejected]]:
    return run_bytes(folder, text.encode(), name)


def clean(folder: Path, text: str) -> list[Paper]:
    """The papers of a text in which nothing is rejected, without the name of their file."""
    papers, rejected = run_text(folder, text)
    assert not rejected
    return anonymous(papers)


def anonymous(papers: list[Paper]) -> list[Paper]:
    return [replace(p, source="") for p in papers]


def page(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def papers_of(name: str) -> list[Paper]:
    return anonymous(run(DATA / name)[0])


# ---- pages, as they are ----


def test_page_of_titles_and_abstracts() -> None:
    papers, rejected = run(DATA / "page_titles.txt")
    assert not rejected
    assert [p.title for p in papers] == [
        "Slow Cooking for Small Models: Distilling BERT Into a Handful of Layers",
        "Does Your Benchmark Measure Reading?",
        "uTagger: Part-of-Speech Tagging That Fits in a Watch",
        "$L_0$-Pruning Without Regret",
    ]
    assert [p.abstract[:12] for p in papers] == ["Large encode", "Reading comp", "Tagging on a", "Pruning hurt"]
    assert papers[1].abstract.endswith("https://example.org/floor")
    assert all((p.published, p.published_text, p.year, p.upvotes, p.authors_count) == (None,) * 5 for p in papers)
    assert {p.source for p in papers} == {"page_titles.txt"}


def test_page_without_blank_lines_and_a_banner_glued_to_the_first_title() -> None:
    papers, rejected = run(DATA / "page_tight.txt")
    assert not rejected
    assert [p.title for p in papers] == [
        "Graph Walks as Prompts: Few-Shot Node Classification With Frozen Language Models",
        "A Quiet Corner of ImageNet: Relabelling the Musical Instruments",
        "What if the Teacher Is Wrong?",
    ]


def test_page_with_metadata() -> None:
    papers, rejected = run(DATA / "page_dated.txt")
    assert not rejected
    speech, otter, panels, weather = papers
    assert (speech.published, speech.published_text, speech.year) == ("2019-06-19", "Jun 19, 2019", 2019)
    assert (speech.authors_count, speech.upvotes, speech.organisation) == (8, None, None)
    assert (otter.published, otter.published_text, otter.year) == (None, "Oct 14", None)
    assert (otter.authors_count, otter.upvotes, otter.organisation) == (None, 2, "ByteDance")
    assert otter.abstract == "Otter is an embedding model."
    assert len(panels.title) > 200
    assert panels.abstract.count("\n\n") == 2
    assert "\n\n5 authors\n\n" in panels.abstract
    assert (panels.authors_count, panels.published, panels.upvotes) == (12, "2024-07-10", 2)
    assert weather.title == "Attention Is Enough for Weather."
    assert (weather.authors_count, weather.published_text, weather.published) == (1, "Feb 21", None)


RECORD = "Daily Papers\n\nA Small Study of Things\n\nThings are studied here. They are small.\n\n{}\n"


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ("  • 8 authors\n·\nJun 19, 2019", (8, "2019-06-19", "Jun 19, 2019", 2019, None, None)),
        ("  • 1 author\n·\nJun 19", (1, None, "Jun 19", None, None, None)),
        ("  • 8 authors · Jun 9, 2019 12", (8, "2019-06-09", "Jun 9, 2019", 2019, 12, None)),
        ("8 authors\nMay 17 8", (8, None, "May 17", None, 8, None)),
        ("·\nMay 17\n8", (None, None, "May 17", None, 8, None)),
        ("• 2 authors\n·\nMay 17\n\n1.2k", (2, None, "May 17", None, 1200, None)),
        ("Google DeepMind\n·\nFeb 29, 2024", (None, "2024-02-29", "Feb 29, 2024", 2024, None, "Google DeepMind")),
        ("Allen AI Allen AI\nFeb 3", (None, None, "Feb 3", None, None, "Allen AI")),
        ("• 2 authors\n·\nFeb 30, 2023", (2, None, "Feb 30, 2023", 2023, None, None)),
    ],
)
def test_metadata_in_its_forms(tmp_path: Path, meta: str, expected: tuple[object, ...]) -> None:
    (p,) = clean(tmp_path, RECORD.format(meta))
    assert p.title == "A Small Study of Things"
    assert p.abstract == "Things are studied here. They are small."
    assert (p.authors_count, p.published, p.published_text, p.year, p.upvotes, p.organisation) == expected


def test_organisation_and_upvotes_before_the_title(tmp_path: Path) -> None:
    text = "Daily Papers\nMar 12\n\n7\n\nGoogle Google\n\nOne Thing\n\nWe study one thing.\n\n9\n\nOther Thing\n\nWe study another thing.\n"
    assert [(p.title, p.upvotes, p.organisation) for p in clean(tmp_path, text)] == [("One Thing", 7, "Google"), ("Other Thing", 9, None)]


def test_bullets_of_author_counts_without_dates(tmp_path: Path) -> None:
    text = "Daily Papers\n\nOne Thing\n\nWe study one thing.\n\n  • 3 authors\n\nOther Thing\n\nWe study others.\n\n  • 2 authors\n"
    papers, rejected = run_text(tmp_path, text)
    assert [(p.title, p.abstract, p.authors_count) for p in papers] == [("One Thing", "We study one thing.", 3), ("Other Thing", "We study others.", 2)]
    assert [r.line for r in rejected] == [13]  # the page may have been cut before the last date


def test_heading_within_an_abstract_is_no_paper(tmp_path: Path) -> None:
    body = "This sentence is here to be long enough for prose. " * 8
    text = f"Daily Papers\n\nA Structured Abstract\n\n{body}\n\nResults\n\n{body}\n\n  • 3 authors\n·\nMay 3, 2021\n"
    (p,) = clean(tmp_path, text)
    assert p.abstract == f"{body.strip()}\n\nResults\n\n{body.strip()}"


# ---- pages, transformed ----


def wrap(text: str, width: int = 80, **options: Any) -> str:
    return "\n".join("\n".join(textwrap.wrap(line, width, **options)) if len(line) > width else line for line in text.split("\n"))


def without_blank_lines(text: str) -> str:
    return re.sub(r"\n\s*\n", "\n", text)


LOSSLESS: dict[str, Callable[[str], str]] = {
    "windows line ends": lambda t: t.replace("\n", "\r\n"),
    "old mac line ends": lambda t: t.replace("\n", "\r"),
    "byte order mark": lambda t: "\ufeff" + t,
    "no last line end": lambda t: t.rstrip("\n"),
    "no blank lines": without_blank_lines,
    "blank lines doubled": lambda t: t.replace("\n", "\n\n"),
    "blank lines with blanks": lambda t: t.replace("\n\n", "\n \n\t\n\u00a0\n"),
    "indented, trailing blanks": lambda t: "\n".join(f"   {line}  " for line in t.split("\n")),
    "footer": lambda t: t + "\n\nPrevious\n1\n2\n...\n100\nNext\n\nSystem theme\n\nCompany\n\nTOS\nPrivacy\nWebsite\nModels\nDocs\n",
}
WRAPPED: dict[str, Callable[[str], str]] = {
    "wrapped at 80": lambda t: wrap(t, 80, break_on_hyphens=False, break_long_words=False),
    "wrapped at 80, within hyphens": lambda t: wrap(t, 80),
    "wrapped at 100": lambda t: wrap(t, 100),
    "wrapped, windows line ends": lambda t: wrap(t).replace("\n", "\r\n"),
    "wrapped, blanks kept": lambda t: re.sub(r"(?m)(?<=[^\n])\n(?=[^\n])", " \n", wrap(t, break_on_hyphens=False, break_long_words=False)),
    "broken within words": lambda t: "\n".join("\n".join(line[i : i + 80] for i in range(0, len(line), 80)) or line for line in t.split("\n")),
}


def same_but_gaps(a: list[Paper], b: list[Paper]) -> bool:
    """Equal but for the blank lines between the paragraphs of an abstract, which a transformation took or added."""
    return [replace(p, abstract=p.abstract.replace("\n\n", "\n")) for p in a] == [replace(p, abstract=p.abstract.replace("\n\n", "\n")) for p in b]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("change", LOSSLESS)
def test_transformed_page_gives_the_same_papers(tmp_path: Path, name: str, change: str) -> None:
    assert same_but_gaps(clean(tmp_path, LOSSLESS[change](page(name))), papers_of(name))


@pytest.mark.parametrize("name", ["page_titles.txt", "page_dated.txt"])
@pytest.mark.parametrize("change", WRAPPED)
def test_wrapped_page_gives_the_same_papers(tmp_path: Path, name: str, change: str) -> None:
    assert clean(tmp_path, WRAPPED[change](page(name))) == papers_of(name)


@pytest.mark.parametrize("width", [72, 80, 100])
@pytest.mark.parametrize("name", PAGES)
def test_wrapped_page_without_blank_lines_is_never_mixed_up(tmp_path: Path, name: str, width: int) -> None:
    papers, rejected = run_text(tmp_path, without_blank_lines(wrap(page(name), width, break_on_hyphens=False)))
    whole = {p.title: p for p in papers_of(name)}
    for p in anonymous(papers):
        assert same_but_gaps([p], [whole[p.title]])
    assert len(papers) == len(whole) or rejected


@pytest.mark.parametrize("glue", ["", "\n", "\n\n", "\ufeff", "\r\n\ufeff"])
@pytest.mark.parametrize(("first", "second"), list(itertools.product(PAGES, PAGES)))
def test_pages_pasted_together(tmp_path: Path, first: str, second: str, glue: str) -> None:
    # a mark in the middle of a line is not at its start, so there it needs a line end before it
    glue = "\n\ufeff" if glue == "\ufeff" else glue
    assert clean(tmp_path, page(first).rstrip("\n") + glue + page(second)) == papers_of(first) + papers_of(second)


@pytest.mark.parametrize("name", PAGES)
def test_page_cut_anywhere_keeps_what_is_certain(tmp_path: Path, name: str) -> None:
    text, whole = page(name), papers_of(name)
    for end in range(1, len(text) - 1, 7):
        papers, rejected = run_text(tmp_path, text[:end])
        kept = anonymous(papers)
        begun = sum(text.index(p.title) < end for p in whole)
        assert rejected or len(kept) == begun
        assert kept[:-1] == whole[: max(0, len(kept) - 1)]
        for p, original in zip(kept[-1:], whole[len(kept) - 1 :], strict=False):
            # only a cut right behind a sentence, in an address or in a date leaves something that looks whole
            assert p.title == original.title
            assert original.abstract.startswith(p.abstract)
            assert p.abstract == original.abstract or re.search(r"[.?!)]$|://\S+$", p.abstract)


def test_cut_record_is_rejected_with_its_place(tmp_path: Path) -> None:
    text = page("page_dated.txt")
    papers, rejected = run_text(tmp_path, text[: text.index("It matches the operational")])
    assert len(papers) == 3
    assert [(r.line, r.text) for r in rejected] == [(text[: text.index("Attention Is")].count("\n") + 1, "Attention Is Enough for Weather.")]
    assert "the page ends within this record" in rejected[0].reason


def test_cut_metadata_keeps_the_paper_and_says_so(tmp_path: Path) -> None:
    papers, rejected = run_text(tmp_path, RECORD.format("  • 8 authors\n·\nJun 19, 20").rstrip())
    assert [(p.authors_count, p.published_text) for p in papers] == [(8, None)]
    assert len(rejected) == 1
    assert rejected[0].text == "Jun 19, 20"


def test_stray_lines_are_reported_and_touch_no_paper(tmp_path: Path) -> None:
    papers, rejected = run_text(tmp_path, page("page_titles.txt") + "\nSome Unknown Link\n\nAnother One\n")
    assert anonymous(papers) == papers_of("page_titles.txt")
    assert [r.text for r in rejected] == ["Some Unknown Link", "Another One"]


def test_number_within_a_record_is_reported(tmp_path: Path) -> None:
    papers, rejected = run_text(tmp_path, page("page_titles.txt").replace("uTagger:", "42\n\nuTagger:"))
    assert anonymous(papers) == papers_of("page_titles.txt")
    assert [(r.reason, r.text) for r in rejected] == [("a number that belongs to no record", "42")]


def test_title_without_abstract_is_reported(tmp_path: Path) -> None:
    text = page("page_titles.txt").replace("uTagger:", "A Title That Lost Its Abstract\n\nuTagger:")
    papers, rejected = run_text(tmp_path, text)
    assert anonymous(papers) == papers_of("page_titles.txt")
    assert [(r.reason, r.text) for r in rejected] == [
        ("neither a title, as no abstract follows, nor part of the abstract before it", "A Title That Lost Its Abstract")
    ]


def test_undecodable_byte_costs_one_record(tmp_path: Path) -> None:
    data = page("page_titles.txt").encode().replace(b"one afternoon", b"one apr\xe8s-midi")
    papers, rejected = run_bytes(tmp_path, data)
    assert anonymous(papers) == papers_of("page_titles.txt")[1:]
    assert [(r.line, r.reason) for r in rejected] == [(11, "is not UTF-8 (byte 0xe8); save the file as UTF-8")]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_page_in_another_encoding_costs_the_records_that_need_it(tmp_path: Path, encoding: str) -> None:
    text = page("page_dated.txt")
    papers, rejected = run_bytes(tmp_path, text.encode(encoding, "replace"))
    assert anonymous(papers) == papers_of("page_dated.txt")
    assert not rejected
    accents = text.replace("Speech recognisers", "Señor recognisers").replace("Otter is", "Ottér is").replace("Forecasting", "Prévision")
    papers, rejected = run_bytes(tmp_path, accents.encode(encoding, "replace"))
    assert anonymous(papers) == papers_of("page_dated.txt")[2:3]
    lines = [text[: text.index(p.title)].count("\n") + 1 for n, p in enumerate(papers_of("page_dated.txt")) if n != 2]
    assert [r.line for r in rejected] == lines
    assert all(r.reason.startswith("is not UTF-8 (byte 0x") for r in rejected)


def test_nul_character_costs_one_record(tmp_path: Path) -> None:
    papers, rejected = run_text(tmp_path, page("page_titles.txt").replace("one afternoon", "one \0 afternoon"))
    assert len(papers) == 3
    assert [(r.line, r.reason) for r in rejected] == [(11, "holds a NUL character")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.sampled_from([*page("page_dated.txt").split("\n"), *page("page_tight.txt").split("\n"), "new", "·", "7", "x"]), max_size=40))
def test_any_order_of_lines_is_read_without_error(tmp_path: Path, lines: list[str]) -> None:
    papers, rejected = run_text(tmp_path, "\n".join(["Daily Papers", *lines]))
    assert papers or rejected


# ---- the real pages ----


def expected_of(name: str) -> list[tuple[object, ...]]:
    assert SHARED
    rows = map(json.loads, (Path(SHARED) / "seeds" / "expected.jsonl").read_text(encoding="utf-8").splitlines())
    return [(r["title"], r["abstract_sha1"], r["authors"], r["date"], r["upvotes"]) for r in rows if r["page"] == name]


def facts(p: Paper) -> tuple[object, ...]:
    return (p.title, hashlib.sha1(p.abstract.encode()).hexdigest(), p.authors_count, p.published_text, p.upvotes)


def seed(name: str) -> str:
    assert SHARED
    return (Path(SHARED) / "seeds" / name).read_text(encoding="utf-8")


@needs_shared
def test_all_records_of_the_real_pages() -> None:
    assert SHARED
    paths = [Path(SHARED) / "seeds" / name for name in SEEDS]
    papers, rejected = run(*paths)
    assert not rejected
    assert len(papers) == 426
    assert [facts(p) for p in papers] == [row for name in SEEDS for row in expected_of(name)]
    assert len(merge(papers)) == 391
    assert [p.organisation for p in papers if p.organisation] == ["ByteDance"]


@needs_shared
@pytest.mark.parametrize("change", LOSSLESS)
@pytest.mark.parametrize("name", SEEDS)
def test_real_page_transformed(tmp_path: Path, name: str, change: str) -> None:
    assert [facts(p) for p in clean(tmp_path, LOSSLESS[change](seed(name)))] == expected_of(name)


@needs_shared
@pytest.mark.parametrize("change", WRAPPED)
@pytest.mark.parametrize("name", SEEDS)
def test_real_page_wrapped(tmp_path: Path, name: str, change: str) -> None:
    """Blank lines make unwrapping exact, save a few breaks within words; without them, doubtful records are rejected."""
    papers, rejected = run_text(tmp_path, WRAPPED[change](seed(name)))
    expected = expected_of(name)
    exact = {facts(p) for p in papers} & set(expected)
    if "\n\n" in seed(name):
        assert not rejected
        assert [p.title for p in papers] == [title for title, *_ in expected]
        assert len(exact) >= len(expected) - 1
    else:
        assert {p.title for p in papers} <= {title for title, *_ in expected}
        assert len(exact) >= 0.9 * len(expected)
        assert len(papers) == len(expected) or rejected


@needs_shared
@pytest.mark.parametrize(("first", "second"), list(itertools.product(SEEDS, SEEDS)))
def test_real_pages_pasted_together(tmp_path: Path, first: str, second: str) -> None:
    for glue in ("", "\n", "\r\n\ufeff"):
        assert [facts(p) for p in clean(tmp_path, seed(first) + glue + seed(second))] == expected_of(first) + expected_of(second)


@needs_shared
@pytest.mark.parametrize("name", SEEDS)
def test_real_page_cut(tmp_path: Path, name: str) -> None:
    data, expected = seed(name).encode(), expected_of(name)
    for end in range(500, len(data), len(data) // 40):
        papers, rejected = run_bytes(tmp_path, data[:end])
        assert [facts(p) for p in papers[:-1]] == expected[: max(0, len(papers) - 1)]
        if papers and facts(papers[-1]) != expected[len(papers) - 1]:
            assert papers[-1].title == expected[len(papers) - 1][0]
            assert rejected or data[:end].endswith((b".", b" ", b")")) or papers[-1].published_text


@needs_shared
def test_real_corpus_is_read_whole() -> None:
    assert SHARED
    path = Path(SHARED) / "corpus" / "papers-2k.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    papers, rejected = run(path)
    assert not rejected
    assert [(p.id, p.title, p.abstract, p.year) for p in papers] == [(r["id"], r["title"], r["abstract"], r["year"]) for r in rows]
    assert len(merge(papers)) == len(papers)


# ---- JSON ----

ROW: dict[str, Any] = {"title": "Seven Ways to Fold a Graph", "abstract": "  Graphs fold.\n\nWe show how, with $x < y$ &amp; more.  "}


def run_rows(folder: Path, *rows: Any) -> tuple[list[Paper], list[Rejected]]:
    return run_text(folder, "\n".join(json.dumps(row) for row in rows))


def test_text_is_kept_exactly_as_given(tmp_path: Path) -> None:
    (p,), rejected = run_rows(tmp_path, ROW)
    assert not rejected
    assert (p.title, p.abstract) == (ROW["title"], ROW["abstract"])
    assert re.fullmatch("title:[0-9a-f]{16}", p.id)
    assert p.source == "input"


def test_all_fields(tmp_path: Path) -> None:
    row = ROW | {
        "id": "http://arxiv.org/abs/2401.00001v3", "url": "https://example.org/x", "year": 2024, "published": "2024-01-02T10:00:00Z",
        "venue": "ACL", "authors": ["Ada Byron", {"name": "Alan T."}, " "], "upvotes": 3, "organisation": "Org", "source": "feed", "other": [{}],
    }  # fmt: skip
    (p,), rejected = run_rows(tmp_path, row)
    assert not rejected
    assert p == Paper(
        id="arxiv:2401.00001", title=ROW["title"], abstract=ROW["abstract"], published="2024-01-02", published_text="2024-01-02T10:00:00Z",
        year=2024, authors=("Ada Byron", "Alan T."), authors_count=2, upvotes=3, organisation="Org", venue="ACL", url="https://example.org/x", source="feed",
    )  # fmt: skip


def test_an_item_of_the_hugging_face_api_is_its_paper(tmp_path: Path) -> None:
    inner = {
        "id": "2405.00001", "title": ROW["title"], "summary": ROW["abstract"], "publishedAt": "2024-05-24T13:34:15.000Z", "upvotes": 7,
        "authors": [{"_id": "1", "name": "Ada Byron", "hidden": False}], "organization": {"name": "nest", "fullname": "The Nest"}, "ai_summary": "no",
    }  # fmt: skip
    (p,), rejected = run_rows(tmp_path, {"paper": inner, "title": "another", "publishedAt": "2025-01-01", "numComments": 1})
    assert not rejected
    assert (p.id, p.title, p.abstract, p.published, p.year) == ("arxiv:2405.00001", ROW["title"], ROW["abstract"], "2024-05-24", 2024)
    assert (p.authors, p.upvotes, p.organisation) == (("Ada Byron",), 7, "The Nest")


def test_a_field_paper_that_is_no_paper_is_ignored(tmp_path: Path) -> None:
    (p,), rejected = run_rows(tmp_path, ROW | {"paper": {"id": "3"}, "organization": {"name": 3}})
    assert not rejected
    assert (p.title, p.organisation) == (ROW["title"], None)
    (p,), _ = run_rows(tmp_path, ROW | {"organization": "The Nest"})
    assert p.organisation == "The Nest"


@pytest.mark.parametrize(
    ("fields", "published", "year"),
    [
        ({"date": "2024"}, None, 2024),
        ({"date": "2024-05"}, None, 2024),
        ({"date": "2024-05-06"}, "2024-05-06", 2024),
        ({"date": "2024-05-06", "year": 2025}, "2024-05-06", 2025),
        ({"date": "May 2024"}, None, None),
        ({"date": "to appear"}, None, None),
        ({"date": "2024-13-01"}, None, 2024),
        ({"date": "2023-02-29"}, None, 2023),
        ({"date": "0000-00-00"}, None, None),
        ({"date": None, "year": 1999}, None, 1999),
    ],
)
def test_dates(tmp_path: Path, fields: dict[str, Any], published: str | None, year: int | None) -> None:
    (p,), rejected = run_rows(tmp_path, ROW | fields)
    assert not rejected
    assert (p.published, p.year, p.published_text) == (published, year, fields["date"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"id": 7}, {"id": "7"}),
        ({"id": 0}, {"id": "0"}),
        ({"year": "2024"}, {"year": 2024}),
        ({"year": " 2024 "}, {"year": 2024}),
        ({"year": 2024.0}, {"year": 2024}),
        ({"year": ""}, {"year": None}),
        ({"date": 2024}, {"year": 2024, "published": None, "published_text": "2024"}),
        ({"upvotes": "12", "authors_count": "3"}, {"upvotes": 12, "authors_count": 3}),
        ({"authors": "Ada Byron"}, {"authors": ("Ada Byron",), "authors_count": 1}),
        ({"authors": " "}, {"authors": (), "authors_count": None}),
    ],
)
def test_values_of_another_type_that_say_the_same(tmp_path: Path, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    (p,), rejected = run_rows(tmp_path, ROW | fields)
    assert not rejected
    assert {name: getattr(p, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ada Byron; Alan Turing ;", ["Ada Byron", "Alan Turing"]),
        ("Byron, Ada; Turing, Alan and Sons", ["Byron, Ada", "Turing, Alan and Sons"]),
        ("Ada Byron and Alan Turing", ["Ada Byron", "Alan Turing"]),
        ("Byron, Ada and Garcia Lorca, Alan", ["Byron, Ada", "Garcia Lorca, Alan"]),
        ("Ada Byron, Alan Turing, and Kay Lin", ["Ada Byron", "Alan Turing", "Kay Lin"]),
        ("Ada Byron, Alan Turing", ["Ada Byron", "Alan Turing"]),
        ("A. Byron, A. Turing", ["A. Byron", "A. Turing"]),
        ("Byron, A., van den Berg, J.-P., & Lin, K.", ["Byron, A.", "van den Berg, J.-P.", "Lin, K."]),
        ("Byron, Ada", ["Byron, Ada"]),
        ("王伟, 李娜", ["王伟", "李娜"]),
        ("Andrea Sandler", ["Andrea Sandler"]),
    ],
)
def test_authors_in_one_string(tmp_path: Path, text: str, names: list[str]) -> None:
    (p,), rejected = run_rows(tmp_path, ROW | {"authors": text})
    assert not rejected
    assert list(p.authors) == names


BAD_LINES = {
    "{": "broken JSON",
    '{"title": "A", "abstract": "B"} {"title": "A"}': "broken JSON: Extra data at character 33",
    "[1, 2]": "a JSON list, not an object",
    '"text"': "a JSON string, not an object",
    "null": "a JSON null, not an object",
    '{"title": "A"}': "no abstract",
    '{"title": " ", "abstract": "B"}': "no title",
    '{"abstract": "B", "title": null}': "no title",
    '{"title": 5, "abstract": "B"}': "title is a number, not a string",
    '{"title": "A", "abstract": ["B"]}': "abstract is a list, not a string",
    '{"title": "A", "abstract": "B", "id": 7.5}': "id is a number, not a string",
    '{"title": "A", "abstract": "B", "id": true}': "id is a truth value, not a string",
    '{"title": "A", "abstract": "B", "year": "MMXX"}': "year is 'MMXX', not a whole number",
    '{"title": "A", "abstract": "B", "year": "24"}': "year is 24, which no paper can have",
    '{"title": "A", "abstract": "B", "year": 2024.5}': "year is a number, not a whole number",
    '{"title": "A", "abstract": "B", "year": 24}': "year is 24, which no paper can have",
    '{"title": "A", "abstract": "B", "year": true}': "year is a truth value, not a whole number",
    '{"title": "A", "abstract": "B", "upvotes": -1}': "upvotes is -1, which no paper can have",
    '{"title": "A", "abstract": "B", "upvotes": NaN}': "broken JSON: NaN is not JSON",
    '{"title": "A", "abstract": "B", "upvotes": 1e999}': "upvotes is a number, not a whole number",
    '{"title": "A", "abstract": "B", "authors": 3}': "authors is a number, not names",
    '{"title": "A", "abstract": "B", "authors": [1]}': "authors holds something that is neither a name nor an object with a name",
    '{"title": "A", "abstract": "B", "date": ["2024"]}': "date is a list, not a string",
    '{"title": "A", "abstract": "B", "title": "C"}': "broken JSON: a field is given twice",
    '{"title": "A", "abstract": "B\\u0000"}': "holds a NUL character",
    '{"title": "A", "abstract": "B\\ud800"}': "holds half a surrogate pair",
    '{"title": "A", "abstract": "B", "venue": "\\udfff"}': "holds half a surrogate pair",
    '{"title": "A", "abstract": "B\0"}': "broken JSON",
    '{"title": "A", "abstract": "B", "x": ' + "[" * 200_000 + "]" * 200_000 + "}": "JSON that is nested too deeply",
    '{"title": "A", "abstract": "B", "year": ' + "9" * 5000 + "}": "broken JSON",
}  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), list(BAD_LINES.items()), ids=[f"{n} {reason}" for n, reason in enumerate(BAD_LINES.values())])
def test_bad_line_is_one_rejection_and_reading_goes_on(tmp_path: Path, line: str, reason: str) -> None:
    good = json.dumps(ROW)
    papers, rejected = run_text(tmp_path, f"{good}\n{line}\n\n{good}\n")
    assert len(papers) == 2
    assert [r.line for r in rejected] == [2]
    assert rejected[0].reason.startswith(reason)
    assert rejected[0].source == str(tmp_path / "input")
    assert len(rejected[0].text) <= 200


def test_undecodable_line_is_one_rejection(tmp_path: Path) -> None:
    good = json.dumps(ROW).encode()
    papers, rejected = run_bytes(tmp_path, good + b"\n" + good.replace(b"Graphs", b"Gr\xe4phs") + b"\n" + good)
    assert len(papers) == 2
    assert [(r.line, r.reason) for r in rejected] == [(2, "is not UTF-8 (byte 0xe4); save the file as UTF-8")]


def test_line_that_is_too_long_is_one_rejection(tmp_path: Path) -> None:
    good = json.dumps(ROW)
    papers, rejected = run_text(tmp_path, f'{good}\n{{"title": "{"x" * MAX_LINE}"}}\n{good}')
    assert len(papers) == 2
    assert [(r.line, r.reason, len(r.text)) for r in rejected] == [(2, "the line is longer than 16,777,216 characters", 200)]


def test_windows_line_ends_marks_and_blank_lines_in_json_lines(tmp_path: Path) -> None:
    good = json.dumps(ROW)
    assert len(clean(tmp_path, f"\ufeff{good}\r\n\r\n\ufeff{good}\r\n")) == 2


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_json_array(tmp_path: Path, indent: int | None) -> None:
    rows = [ROW, ROW | {"title": "B] }, {"}, 5, ROW | {"title": "C", "authors": [{"name": "D"}]}]
    papers, rejected = run_text(tmp_path, json.dumps(rows, indent=indent))
    assert [p.title for p in papers] == [ROW["title"], "B] }, {", "C"]
    assert [r.reason for r in rejected] == ["a JSON number, not an object"]


def test_array_that_is_too_long_for_one_line_says_how_to_convert_it(tmp_path: Path) -> None:
    row = json.dumps(ROW | {"abstract": "x" * (MAX_LINE // 2)})
    papers, rejected = run_text(tmp_path, f"[{json.dumps(ROW)},\n{row}, {row}, {row}]")
    assert len(papers) == 1
    assert [r.line for r in rejected] == [2]
    assert re.search(r"in one line; nothing .* `jq -c '\.\[\]' FILE > FILE\.jsonl`", rejected[0].reason)


@pytest.mark.parametrize("ending", ["", ']\n{"title": "A"}', ',\n{"title": "A"', ",\n{]"])
def test_broken_json_array_keeps_what_came_before(tmp_path: Path, ending: str) -> None:
    papers, rejected = run_text(tmp_path, f"[{json.dumps(ROW)}{ending}")
    assert len(papers) == 1
    assert len(rejected) == 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.dictionaries(
        st.sampled_from(["title", "abstract", "summary", "id", "arxiv_id", "doi", "url", "year", "date", "venue", "authors", "upvotes", "source"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), lambda v: st.lists(v, max_size=3), max_leaves=4),
    )
)
def test_any_object_is_a_paper_or_a_rejection(tmp_path: Path, row: dict[str, Any]) -> None:
    papers, rejected = run_rows(tmp_path, row)
    assert len(papers) + len(rejected) == 1
    for p in papers:
        assert p.abstract == (row.get("abstract") or row["summary"]) or p.abstract == row["summary"]
        p.text.encode("utf-8")
        assert p.id.isascii()
        assert p.id.isprintable()
        assert " " not in p.id


# ---- files ----


@pytest.mark.parametrize("name", PAGES)
def test_gzip_is_told_by_content(tmp_path: Path, name: str) -> None:
    papers, rejected = run_bytes(tmp_path, gzip.compress(page(name).encode()), "page.txt")
    assert not rejected
    assert anonymous(papers) == papers_of(name)
    assert {p.source for p in papers} == {"page.txt"}


def test_cut_gzip_gives_what_came_before(tmp_path: Path) -> None:
    rows = "\n".join(json.dumps(ROW | {"title": f"Paper {hashlib.sha1(bytes([n])).hexdigest()}"}) for n in range(200))
    packed = gzip.compress(rows.encode())
    papers, rejected = run_bytes(tmp_path, packed[: len(packed) // 2])
    assert 0 < len(papers) < 200
    assert any("compressed data is damaged or cut off" in r.reason and r.line for r in rejected)


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(json.dumps(ROW).encode()))
    packed[-6] ^= 0xFF
    _, rejected = run_bytes(tmp_path, bytes(packed))
    assert any("compressed data is damaged" in r.reason for r in rejected)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\n \r\n\t\n", "is empty"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b"\x7fELF\x02\x01" + bytes(range(256)) * 20, "is a binary file"),
        (b"%PDF-1.7\nsome text", "is a binary file"),
        (bytes(5000), "is a binary file"),
        ("Daily Papers".encode("utf-16"), "is UTF-16 or UTF-32; save it as UTF-8"),
        (b"Dear diary,\n\nToday I read nothing. It was fine.\n", "is neither JSON nor a Daily Papers page"),
        (b"a,b,c\n1,2,3\n", "is neither JSON nor a Daily Papers page"),
        (b"[]", "holds no paper"),
        (b'{\n  "papers": []\n}\n', "is JSON with one object over several lines"),
        (b"Get trending papers in your email inbox!\n\nMar 12\n", "holds no paper"),
    ],
)
def test_file_that_holds_no_paper(tmp_path: Path, data: bytes, reason: str) -> None:
    papers, rejected = run_bytes(tmp_path, data)
    assert not papers
    assert [r.line for r in rejected] == [None]
    assert rejected[0].reason.startswith(reason)


def test_missing_file_directory_and_no_path_do_not_stop_the_others(tmp_path: Path) -> None:
    papers, rejected = run(tmp_path / "nowhere", tmp_path, "bad\0path", DATA / "page_tight.txt")
    assert len(papers) == 3
    assert [r.reason for r in rejected] == ["cannot be read: No such file or directory", "cannot be read: Is a directory", "is no path: embedded null byte"]
    assert [r.source for r in rejected] == [str(tmp_path / "nowhere"), str(tmp_path), "bad\0path"]


def test_standard_input() -> None:
    program = "import sys\nfrom kgbuild.sources import read\nfor p in read(['-'], print): print(p.source, p.title)"
    out = subprocess.run([sys.executable, "-c", program], input=page("page_tight.txt").encode(), stdout=subprocess.PIPE, check=True).stdout
    assert [line.split(maxsplit=1)[0] for line in out.decode().splitlines()] == ["stdin"] * 3


def test_reading_streams(tmp_path: Path) -> None:
    """The first paper is there before the second half of the file is."""
    read_end, write_end = os.pipe()
    with open(write_end, "wb") as out, open(read_end, "rb"):
        out.write((json.dumps(ROW) + "\n").encode() * 450)
        out.flush()
        assert next(read([f"/dev/fd/{read_end}"], pytest.fail)).title == ROW["title"]


# ---- ids ----


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("2401.00001", "arxiv:2401.00001"),
        ("arXiv:2401.00001v12", "arxiv:2401.00001"),
        ("https://arxiv.org/abs/2401.00001v2", "arxiv:2401.00001"),
        ("http://export.arxiv.org/pdf/2401.00001v2.pdf", "arxiv:2401.00001"),
        ("https://huggingface.co/papers/2401.00001", "arxiv:2401.00001"),
        ("https://doi.org/10.48550/arXiv.2401.00001", "arxiv:2401.00001"),
        ("hep-ex/0406020v1", "arxiv:hep-ex/0406020"),
        ("math.GT/0309136", "arxiv:math.gt/0309136"),
        ("0704.0001", "arxiv:0704.0001"),
        ("10.1000/ABC(1)", "doi:10.1000/abc(1)"),
        ("https://doi.org/10.1000/abc", "doi:10.1000/abc"),
        ("10.1000/aé", "doi:10.1000/a%C3%A9"),
        ("acl:2021.eacl-main.258", "acl:2021.eacl-main.258"),
        ("https://aclanthology.org/P19-1001.pdf", "acl:P19-1001"),
        ("10.18653/v1/2020.acl-main.1", "acl:2020.acl-main.1"),
        ("12", None),
        ("https://example.org/2401.00001", None),
    ],
)
def test_known_ids(text: str, known: str | None) -> None:
    assert known_id(text) == known


def test_id_by_rank() -> None:
    title = "Some Title"
    hashed = "title:" + hashlib.sha1(b"sometitle").hexdigest()[:16]
    assert paper_id(title) == hashed == paper_id("SOME  title!") == paper_id(title, given="title:else")
    assert paper_id(title, url="https://arxiv.org/abs/2401.00001") == "arxiv:2401.00001"
    assert paper_id(title, given="s1 é", url="https://arxiv.org/abs/2401.00001") == "s1%20%C3%A9"
    assert paper_id(title, given="s1", doi="10.1000/x") == "doi:10.1000/x"
    assert paper_id(title, given="s1", arxiv_id="2401.00001v1", doi="10.1000/x") == "arxiv:2401.00001"
    assert paper_id("???") != paper_id("!!!")


# ---- merging ----


def paper(title: str = "Seven Ways to Fold a Graph", abstract: str = "Graphs fold in seven ways, as we show.", **fields: Any) -> Paper:
    return Paper(title=title, abstract=abstract, **({"id": paper_id(title)} | fields))


def test_an_arxiv_id_tells_the_year_where_nothing_else_does() -> None:
    plain = Paper(id="arxiv:2312.00001", title="FlockNet", abstract="We propose FlockNet.")
    assert [p.year for p in merge([plain])] == [2023]
    assert [p.year for p in merge([replace(plain, id="arxiv:cs/0112017")])] == [2001]
    assert [p.year for p in merge([replace(plain, id="arxiv:2313.00001")])] == [None]
    dated = replace(plain, year=2024, published_text="Mar 3")
    assert [(p.year, p.published_text) for p in merge([plain, dated])] == [(2024, "Mar 3")]


def test_copies_become_one_and_fill_each_other() -> None:
    a = paper(published_text="Mar 12", upvotes=3, source="page")
    b = paper("Seven ways to fold a graph", id="arxiv:2401.00001", published="2024-03-12", year=2024, published_text="2024-03-12", source="feed")
    c = paper("Folding Graphs", "Another text of the same paper.", id="arxiv:2401.00001", venue="ACL")
    (p,) = merge([a, b, c])
    assert (p.id, p.upvotes, p.venue) == ("arxiv:2401.00001", 3, "ACL")
    assert (p.published, p.published_text, p.year) == ("2024-03-12", "2024-03-12", 2024)
    assert p.source == "feed"


def test_papers_that_share_a_title_stay_apart() -> None:
    papers = [paper("Introduction", "Cats purr at night."), paper("Introduction", "Quantum chips need cold rooms."), paper("Introduction", "Cats purr at night .")]
    merged = merge(papers)
    assert len({p.id for p in merged}) == len(merged) == 2
    assert all(p.id.startswith(paper_id("Introduction") + "-") for p in merged)
    assert merge(reversed(papers)) == merged
    assert [p.id for p in merge(papers[:1])] == [paper_id("Introduction")]


TITLES = st.sampled_from(["Introduction", "introduction.", "Seven Ways", "A Survey"])
ABSTRACTS = st.sampled_from(["Cats purr at night.", "Cats purr at night, always.", "Quantum chips need cold rooms.", "x"])
PAPERS = st.builds(
    lambda title, abstract, known, **fields: paper(title, abstract, **({"id": known} if known else {}), **fields),
    TITLES,
    ABSTRACTS,
    st.sampled_from([None, None, "arxiv:2401.00001", "arxiv:2401.00002", "acl:P19-1001", "mine"]),
    year=st.none() | st.just(2020),
    upvotes=st.none() | st.integers(0, 3),
    published=st.none() | st.just("2020-01-02"),
    authors=st.just(()) | st.just(("A", "B")),
    source=st.sampled_from(["a", "b"]),
)


@settings(deadline=None)
@given(data=st.data(), papers=st.lists(PAPERS, max_size=12))
def test_merging_does_not_depend_on_order_and_is_stable(data: st.DataObject, papers: list[Paper]) -> None:
    merged = merge(papers)
    assert merge(data.draw(st.permutations(papers))) == merged
    assert merge(papers + papers) == merged
    assert merge(merged) == merged
    ids = [p.id for p in merged]
    assert ids == sorted(set(ids))
    assert {p.abstract for p in merged} <= {p.abstract for p in papers}
    known = {p.id for p in papers if not p.id.startswith("title:")}
    # an id that two different papers claim gets a hash of the abstract
    assert {re.sub(r"-[0-9a-f]{8}$", "", p.id) for p in merged if not p.id.startswith("title:")} <= known
