"""Which paper is it: ids, and one record out of several copies."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import fields, replace
from urllib.parse import quote

from kgbuild.records import Paper

_ARXIV_ID = r"(?P<arxiv>\d{4}\.\d{4,5}|[a-z-]+(?:\.[a-z]{2})?/\d{7})(?:v\d+)?"
_ARXIV = re.compile(
    rf"(?:arxiv:\s*|(?:https?://)?(?:[\w-]+\.)?(?:arxiv\.org|huggingface\.co)/(?:abs|pdf|html|papers)/|"
    rf"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?10\.48550/arxiv\.)?{_ARXIV_ID}(?:\.pdf)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
_DOI = re.compile(r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(?P<doi>10\.\d{4,9}/\S+)", re.IGNORECASE)
_ACL = re.compile(
    r"(?:acl:\s*|https?://(?:www\.)?(?:aclanthology\.org|aclweb\.org/anthology)/|"
    r"(?:https?://(?:dx\.)?doi\.org/|doi:\s*)?10\.(?:18653|3115)/v1/)(?P<acl>[A-Z]\d\d-\d{4,5}|\d{4}\.[\w-]+\.\d+)"
    r"(?:\.pdf)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_SAME = 0.6
"""Papers of one title whose abstracts share this much of the shorter one's words are copies of one paper."""


def fold_title(title: str) -> str:
    """Letters and digits alone, in one case, without accents: equal for the same title from two feeds.

    >>> fold_title("GPT-4: A Résumé") == fold_title("Gpt 4 - a resume")
    True
    """
    folded = "".join(c for c in unicodedata.normalize("NFKD", title).casefold() if c.isalnum())
    return folded or " ".join(title.casefold().split())


_KNOWN = ("arxiv:", "doi:", "acl:")
"""Schemes whose ids name one paper everywhere."""

_RESERVED = ("method:", "dataset:", "benchmark:", "task:", "metric:", "author:", "venue:", "r:", "e:", "x:")
"""What the ids of other nodes begin with."""


def known_id(text: str) -> str | None:
    """The arXiv, DOI or ACL id that an id or address names, in one spelling; null where it names none.

    >>> known_id("https://arxiv.org/pdf/2401.00001v2.pdf"), known_id("10.1000/ABC"), known_id("12")
    ('arxiv:2401.00001', 'doi:10.1000/abc', None)
    """
    text = text.strip()
    if m := _ARXIV.fullmatch(text):
        return f"arxiv:{m['arxiv'].lower()}"
    if m := _ACL.fullmatch(text):
        return f"acl:{m['acl']}"
    if m := _DOI.fullmatch(text):
        return _ascii(f"doi:{m['doi'].lower()}")
    return None


def arxiv_year(known: str) -> int | None:
    """The year in which a paper of this id was submitted to arXiv (1991 to 2090); null for an id that does not tell.

    >>> arxiv_year("arxiv:2606.28729"), arxiv_year("arxiv:cs/9912017"), arxiv_year("doi:10.1000/abc")
    (2026, 1999, None)
    """
    m = re.fullmatch(r"arxiv:(?:(\d\d)(?:0[1-9]|1[0-2])\.\d{4,5}|[a-z.-]+/(\d\d)(?:0[1-9]|1[0-2])\d{3})", known)
    if m is None:
        return None
    year = int(m[1] or m[2])
    return 2000 + year if year < 91 else 1900 + year if m[2] else None


def paper_id(title: str, *, given: str | None = None, arxiv_id: str | None = None, doi: str | None = None, url: str | None = None) -> str:
    """A stable id in printable ASCII without spaces; other characters are percent-encoded.

    An id that names an arXiv paper, DOI or ACL paper comes first, then the fields for those; then any other id
    that the source gives, so that its user finds the paper by it; then the address; then a hash of the title.
    """
    for text in (given, arxiv_id, doi):
        if text and (known := known_id(text)):
            return known
    if given and given.strip() and not given.strip().startswith("title:"):
        text = given.strip()
        # no paper may go by the id of another kind of node
        return _ascii(f"paper:{text}" if text.startswith(_RESERVED) else text)
    return (known_id(url) if url else None) or f"title:{_sha1(fold_title(title))[:16]}"


def merge(papers: Iterable[Paper]) -> list[Paper]:
    """One record per distinct paper, sorted by id, whatever the order of the input.

    Copies of one paper are those of one id, and those of one folded title whose abstracts are alike. The most
    telling copy stays (a known id before a hash, then the more fields the better) and takes the fields that it
    lacks from the others. Different papers that share a title (``Introduction``) stay apart: where the title is
    all there is to make an id of, a hash of the abstract is added to it.
    """
    copies = sorted(set(papers), key=_precedence)
    parent = list(range(len(copies)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    by_id: dict[str, int] = {}
    claims: defaultdict[str, list[int]] = defaultdict(list)
    by_title: defaultdict[str, list[int]] = defaultdict(list)
    for i, paper in enumerate(copies):
        if paper.id.startswith(_KNOWN):
            parent[root(i)] = root(by_id.setdefault(paper.id, i))
        elif not paper.id.startswith("title:"):
            # a number of a row is an id in many a file: it joins only what is alike
            for j in claims[paper.id]:
                if fold_title(copies[j].title) == fold_title(paper.title) or _alike(_words(copies[j].abstract), _words(paper.abstract)):
                    parent[root(i)] = root(j)
            claims[paper.id].append(i)
        by_title[fold_title(paper.title)].append(i)
    for group in by_title.values():
        words = {i: _words(copies[i].abstract) for i in group} if len(group) > 1 else {}
        for n, i in enumerate(group):
            for j in group[:n]:
                if root(i) != root(j) and not _rivals(copies[i].id, copies[j].id) and _alike(words[i], words[j]):
                    parent[root(i)] = root(j)
    groups: defaultdict[int, list[Paper]] = defaultdict(list)
    for i, paper in enumerate(copies):
        groups[root(i)].append(paper)
    return sorted(_distinct_ids(_combine(group) for group in groups.values()), key=lambda p: p.id)


def _precedence(paper: Paper) -> tuple[object, ...]:
    rank = next((n for n, prefix in enumerate(("arxiv:", "doi:", "acl:")) if paper.id.startswith(prefix)), 3)
    values = [getattr(paper, f.name) for f in fields(paper)]
    missing = sum(v is None or v == () for v in values)
    return (4 if paper.id.startswith("title:") else rank, missing, [repr(v) for v in values])


def _combine(copies: list[Paper]) -> Paper:
    """The first copy with its gaps filled from the others, in order; the three fields of a date stay together. Where no copy
    tells the year, an arXiv id does."""
    first = copies[0]
    dated = max(copies, key=lambda p: (p.published is not None, p.year is not None, p.published_text is not None))
    gaps: dict[str, object] = {"published": dated.published, "published_text": dated.published_text, "year": dated.year or arxiv_year(first.id)}
    for name in ("authors", "authors_count", "upvotes", "organisation", "venue", "url"):
        gaps[name] = next((value for p in copies if (value := getattr(p, name)) not in (None, ())), getattr(first, name))
    return replace(first, **gaps)  # type: ignore[arg-type]


def _distinct_ids(papers: Iterable[Paper]) -> list[Paper]:
    plain = [replace(p, id=paper_id(p.title)) if p.id.startswith("title:") else p for p in papers]
    count = Counter(p.id for p in plain)
    return [replace(p, id=f"{p.id}-{_sha1(p.abstract)[:8]}") if count[p.id] > 1 else p for p in plain]


def _rivals(one: str, two: str) -> bool:
    """Whether two ids of one scheme name different papers."""
    return one != two and any(one.startswith(scheme) and two.startswith(scheme) for scheme in _KNOWN)


def _words(abstract: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", abstract.casefold()))


def _alike(a: frozenset[str], b: frozenset[str]) -> bool:
    return a == b or len(a & b) >= _SAME * max(1, min(len(a), len(b)))


def _ascii(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe=_PRINTABLE)


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
