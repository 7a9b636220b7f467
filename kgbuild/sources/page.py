"""Papers from a Daily Papers page that was saved as text.

A page begins with a banner and the day's date, and goes on with records. In the richest layout a record is

    Title
                                <- blank lines: none, one or several
    Abstract, one line
                                <- more paragraphs may follow
      • 8 authors               <- or an organisation, written twice: the logo's text and the name
    ·
    Jun 19, 2019 2              <- the year, where it is not this year's; upvotes, here or on a line of their own

and in the poorest the title and the abstract alone. Beyond that, the text may be wrapped at some width, pages may
follow one another, and a page may end early or go on with the site's footer.

Reading takes three steps, each a generator over the one before: every line gets a kind from its own text (``_kind``);
lines become elements, that is wrapped paragraphs and blocks of metadata (``_elements``); and elements become records
(``parse``). Only a window of lines is held.

What tells a title from an abstract where no metadata stands between: an abstract is prose (long, or of whole
sentences), a title is not and is followed by prose. A paragraph that is neither is reported, never guessed at.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, pairwise

from kgbuild.records import Paper
from kgbuild.sources.identity import paper_id
from kgbuild.sources.lines import Line, Reject

_WINDOW = 150
"""Lines that are looked at to learn how a page is laid out."""
_LONGEST_TITLE = 300
"""Of 102,000 titles of AI papers the longest has 246 characters."""

_LONGEST_ABSTRACT = 2000
"""arXiv takes abstracts of at most 1,920 characters. Used only where paragraphs may have run together."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CUT_META = "the page ends within the authors and the date of a record, which was kept without what is missing"
_COUNT = r"\d{1,7}(?:,\d{3}){0,2}(?:\.\d{1,3})?k?"
_DATE = rf"(?P<date>(?P<month>(?:{'|'.join(_MONTHS)})[a-z]*)\.? (?P<day>\d{{1,2}})(?:, (?P<year>\d{{4}}))?)(?:\s+(?P<upvotes>{_COUNT}))?"
_DOTS = "·•\udcb7\udc95"
"""The dot and the bullet between records, also as a page in Latin-1 or Windows-1252 has them."""
_DATE_LINE = re.compile(rf"(?:[{_DOTS}]\s*)?{_DATE}", re.IGNORECASE)
# Latin-1 has no bullet, so a page that was turned to it has a question mark there
_AUTHORS_LINE = re.compile(rf"(?P<bullet>[{_DOTS}?]\s*)?(?P<authors>\d{{1,5}}) authors?(?:\s*[{_DOTS}]\s*{_DATE})?", re.IGNORECASE)
_CUT_AUTHORS = re.compile(rf"[{_DOTS}]\s*\d+\s*[a-z]*")
_CUT_DATE = re.compile(r"[A-Z][a-z]{0,8}\.?(?: \d{0,2}(?:,(?: \d{0,3})?)?)?")
_TWICE = re.compile(r"(?P<name>\S.{0,80}) (?P=name)")
_BANNER = re.compile(
    r"Get trending papers in your email inbox.*|(?:Daily Papers)?by ?AK and the research community|(?:Daily|Trending) Papers"
    r"|new|Subscribe|\.\.\.|…|Previous|Next|System theme|Company|TOS|Privacy|About|Careers|Website|Papers|Models|Datasets|Spaces|Pricing|Docs"
    r"|Log In|Sign Up|(?:©.*)?Hugging Face",
    re.IGNORECASE,
)
_GLUED_START = re.compile(r"^Subscribe(?=[A-Z\d$\"“'(]|[a-z][A-Z])")
_GLUED_END = re.compile(r"(?P<text>.+?)(?P<banner>(?:(?<![A-Za-z\s-])new)?Get trending papers in your email inbox.*|(?<![A-Za-z\s-])new)")
_PAGE = re.compile(r"Get trending papers in your email inbox.*|(?:Daily Papers)?by ?AK and the research community|Daily Papers", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?…][\])}\"'”’*$]*$")
_FULL_STOP = re.compile(r"[.…][\])}\"'”’*$]*$")
_NEW_SENTENCE = re.compile(r"[a-z\d)\]}]{2}[.?!] [A-Z]")
_AUTHORS_SPEAK = re.compile(r"\b(?:[Ww]e|[Oo]ur)\b")
_LONG_WORD = re.compile(r"[^\W\d_][\w'’-]{3,}")
_DANGLING = re.compile(r"(?:[-:,(]|\b(?:an?|and|as|at|by|for|from|in|into|is|of|on|or|the|to|using|via|with|without))$", re.IGNORECASE)
_AFTER_HYPHEN = frozenset({"and", "or", "to", "vs", "versus", "nor", "but", "as"})


def is_page(lines: list[str]) -> bool:
    """Whether a file that begins with these lines is such a page: it has the banner, or authors and a date."""
    kinds = [_kind(line.strip()) for line in lines]
    dated = any(a == "authors" and b in ("dot", "date") for a, b in pairwise(k for k in kinds if k != "blank"))
    return dated or any(_PAGE.fullmatch(line.strip()) for line in lines)


def parse(lines: Iterator[Line], source: str, reject: Reject) -> Iterator[tuple[int, Paper]]:
    """The papers of a page, or of several that follow one another, each with the line of its title."""
    record: _Record | None = None
    organisation: str | None = None
    upvotes: int | None = None
    in_header, upvotes_first = True, False

    def finish(*, cut: bool) -> Iterator[tuple[int, Paper]]:
        if record and (fault := record.fault(cut)):
            reject(record.title.line, fault, record.title.text)
        elif record:
            yield record.title.line, record.paper(source)

    # each element with the one after it, null after the last
    for element, following in pairwise(chain(_elements(lines, reject), (None,))):
        match element:
            case _Banner():
                yield from finish(cut=True)
                record = None
                if element.starts_page:
                    in_header, upvotes_first = True, False
            case _Number() if in_header or upvotes_first:
                upvotes, upvotes_first = element.value, True
            case _Number() if record and record.meta:
                record.upvotes = element.value if record.upvotes is None else record.upvotes
            case _Number():
                if record:
                    reject(element.line, "a number that belongs to no record", str(element.value))
            case _Meta() if record and record.abstract and not record.meta:
                record.meta = element
                record.upvotes = element.upvotes if record.upvotes is None else record.upvotes
            case _Meta():
                if not in_header or element.authors is not None:
                    reject(element.line, "author or date lines that follow no abstract", element.text)
            case _Text():
                match _role(record, element, following):
                    case "abstract" if record:
                        record.abstract.append(element)
                    case "title":
                        if record and not record.abstract and (name := _TWICE.fullmatch(record.title.text)):
                            organisation, upvotes = name["name"], record.upvotes
                        else:
                            yield from finish(cut=False)
                        record = _Record(element, organisation, upvotes)
                        organisation = upvotes = None
                    case stray:
                        if record and not record.meta:
                            record.doubtful |= element.layout.doubtful
                        reject(element.line, stray, element.text)
                in_header = False
    yield from finish(cut=True)


# ---- records ----


@dataclass(slots=True)
class _Record:
    title: _Text
    organisation: str | None
    upvotes: int | None
    abstract: list[_Text] = field(default_factory=list)
    meta: _Meta | None = None
    doubtful: bool = False
    """Something follows that may belong to it."""

    def fault(self, cut: bool) -> str | None:
        """Why this is no whole record, if so; ``cut``: the page ends after it."""
        if not self.abstract:
            return "a title without an abstract"
        layout = self.title.layout
        if self.doubtful or (layout.doubtful and max(len(p.text) for p in self.abstract) > _LONGEST_ABSTRACT):
            return "unwrapping may have joined this abstract to the title after it; blank lines between them would help"
        if cut and not self.meta and (layout.dated or not _is_whole(self.abstract[-1].text)):
            return "the page ends within this record, so its abstract may be cut off"
        return None

    def paper(self, source: str) -> Paper:
        meta = self.meta or _Meta(self.title.line, "")
        first, *more = self.abstract
        return Paper(
            id=paper_id(self.title.text),
            title=self.title.text,
            abstract=first.text + "".join(("\n\n" if p.gap else "\n") + p.text for p in more),
            published=meta.published,
            published_text=meta.date,
            year=meta.year,
            authors_count=meta.authors,
            upvotes=self.upvotes,
            organisation=meta.organisation or self.organisation,
            source=source,
        )


def _role(record: _Record | None, text: _Text, following: _Element | None) -> str:
    """``title`` or ``abstract``, or else why the paragraph is neither."""
    if record is None or record.meta:
        return "an abstract without a title, or both run together" if len(text.text) >= _LONGEST_TITLE else "title"
    if record.abstract and text.layout.doubtful and _is_prose(text.text) and not isinstance(following, _Meta):
        return "a title and an abstract that run together, or a second paragraph; blank lines between them would help"
    if isinstance(following, _Meta) or _is_prose(text.text):
        return "abstract"
    if not record.abstract:
        return "abstract" if _FULL_STOP.search(text.text) else "title"
    # where every record ends with its date, a heading within an abstract is likelier than a record without one
    if not _is_headline(text.text) or (text.layout.dated and not (_is_title_case(text.text) and text.text.count(" ") > 2)):
        return "abstract"
    if isinstance(following, _Text) and _is_prose(following.text):
        return "title"
    return "neither a title, as no abstract follows, nor part of the abstract before it"


def _is_prose(text: str) -> bool:
    """Whether this can only be an abstract: too long for a title, or sentences in sentence case."""
    if len(text) >= _LONGEST_TITLE:
        return True
    return not _is_title_case(text) and bool(_FULL_STOP.search(text) or (_NEW_SENTENCE.search(text) and _AUTHORS_SPEAK.search(text)))


def _is_headline(text: str) -> bool:
    """Whether this can be a title that follows an abstract, and no list item, formula or address of that abstract."""
    first = text.split(maxsplit=1)[0]
    return _kind(text) == "text" and len(text) < _LONGEST_TITLE and not first.islower() and first[0] not in "-*•·(" and text[-1] not in ":;," and "://" not in text


def _is_title_case(text: str) -> bool:
    """Whether most words of four letters or more have a capital: so in many titles, never in a sentence."""
    words = _LONG_WORD.findall(text) or text.split()
    return not _AUTHORS_SPEAK.search(text) and sum(word != word.lower() for word in words) >= 0.75 * len(words)


def _is_whole(text: str) -> bool:
    """Whether an abstract may end like this: with a sentence, a formula or an address."""
    return bool(_SENTENCE_END.search(text)) or bool(re.search(r"://\S*\w\.\w\S*$", text))


# ---- elements ----


@dataclass(frozen=True, slots=True)
class _Banner:
    """A line of the page's header, or of the site's footer."""

    line: int
    starts_page: bool


@dataclass(frozen=True, slots=True)
class _Number:
    line: int
    value: int


@dataclass(frozen=True, slots=True)
class _Meta:
    """The block that ends a record, as far as it is there."""

    line: int
    text: str
    authors: int | None = None
    organisation: str | None = None
    date: str | None = None
    published: str | None = None
    year: int | None = None
    upvotes: int | None = None


@dataclass(frozen=True, slots=True)
class _Text:
    """A paragraph, unwrapped."""

    line: int
    text: str
    gap: bool
    """A blank line stands before it."""
    layout: _Layout
    """The page's."""


_Element = _Banner | _Number | _Meta | _Text


@dataclass(frozen=True, slots=True)
class _Row:
    """A line that is not blank."""

    line: int
    raw: str
    text: str
    kind: str
    gap: bool


def _kind(text: str) -> str:
    """What a line without outer white space looks like, all by itself."""
    if not text:
        return "blank"
    if text in tuple(_DOTS):
        return "dot"
    if _BANNER.fullmatch(text):
        return "banner"
    if _AUTHORS_LINE.fullmatch(text):
        return "authors"
    if _DATE_LINE.fullmatch(text):
        return "date"
    if re.fullmatch(_COUNT, text):
        return "number"
    return "text"


class _Window:
    """The rows ahead, as many as it takes to see how the page is laid out."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._rows = _rows(lines)
        self._ahead: deque[_Row] = deque()

    def __getitem__(self, i: int) -> _Row | None:
        while len(self._ahead) <= i and (row := next(self._rows, None)):
            self._ahead.append(row)
        return self._ahead[i] if i < len(self._ahead) else None

    def kind(self, i: int) -> str:
        """Kind of the row at ``i``, ``end`` after the last."""
        row = self[i]
        return row.kind if row else "end"

    def pop(self) -> _Row:
        row = self[0]
        if row is None:
            raise IndexError("no row is left")
        self._ahead.popleft()
        return row

    def ahead(self) -> list[_Row]:
        """The rows of this page that are in the window."""
        self[_WINDOW]
        rows: list[_Row] = []
        for row in self._ahead:
            if row.kind == "banner":
                break
            rows.append(row)
        return rows


def _rows(lines: Iterator[Line]) -> Iterator[_Row]:
    """The lines that are not blank. What a missing line end has glued to a banner is taken off it."""
    after_banner = True
    for (number, raw, gap), (_, following, _) in pairwise(chain(_filled(lines), ((0, "", False),))):
        text = raw.strip()
        pieces = [_GLUED_START.sub("", text) if after_banner else text]
        if (m := _GLUED_END.fullmatch(text)) and (m["banner"] != "new" or _PAGE.fullmatch(following.strip())):
            pieces = [m["text"], m["banner"]]
        for i, piece in enumerate(pieces):
            kind = _kind(piece)
            after_banner = kind == "banner"
            yield _Row(number, raw, piece, kind, gap and i == 0)


def _filled(lines: Iterator[Line]) -> Iterator[tuple[int, str, bool]]:
    """Number and text of the lines that are not blank, and whether a blank one stands before."""
    gap = False
    for number, raw in lines:
        if raw.strip():
            yield number, raw, gap
        gap = not raw.strip()


def _elements(lines: Iterator[Line], reject: Reject) -> Iterator[_Element]:
    window = _Window(lines)
    layout: _Layout | None = None
    at_title = True
    while row := window[0]:
        at_title, was_at_title = True, at_title
        if row.kind == "banner":
            window.pop()
            layout = None
            yield _Banner(row.line, bool(_PAGE.fullmatch(row.text)))
            continue
        layout = layout or _Layout.of(window.ahead())
        if length := _meta_length(window, layout):
            yield _meta([window.pop() for _ in range(length)], window, reject)
        elif row.kind == "number":
            window.pop()
            yield _Number(row.line, _count(row.text))
        else:
            paragraph = [window.pop()]
            while not _meta_length(window, layout) and layout.goes_on(paragraph, window, was_at_title):
                paragraph.append(window.pop())
            text = layout.join(paragraph)
            at_title = _is_prose(text)
            yield _Text(row.line, text, row.gap, layout)


# ---- metadata ----


def _meta_length(window: _Window, layout: _Layout) -> int:
    """How many of the rows ahead are a block of metadata; 0: none."""
    kinds = [window.kind(i) for i in range(4)]
    match kinds:
        case ["authors", "dot", "date", *_]:
            return 3
        case ["authors", "dot", "text", "end"] if _cut_date(window[2]):
            return 3
        case ["authors", "date", *_] | ["dot", "date", *_] | ["authors", "dot", "end", *_]:
            return 2
        case ["text", "dot", "date", *_] if _names_organisation(window[0], layout):
            return 3
        case ["text", "date", *_] if (row := window[0]) and _TWICE.fullmatch(row.text):
            return 2
        case ["text", "end", *_] if (row := window[0]) and _CUT_AUTHORS.fullmatch(row.text):
            return 1
        case ["date", *_]:
            return 1
        case ["authors", *_] if (row := window[0]) and (m := _AUTHORS_LINE.fullmatch(row.text)):
            # without a date after it, "5 authors" may well be a line of an abstract
            following = window[1]
            ends = following is None or following.kind == "banner" or (following.kind == "text" and _is_headline(following.text))
            return 1 if m["date"] or (m["bullet"] and ends) else 0
        case _:
            return 0


def _cut_date(row: _Row | None) -> bool:
    return row is not None and _CUT_DATE.fullmatch(row.text) is not None


def _names_organisation(row: _Row | None, layout: _Layout) -> bool:
    """Whether the line before the dot and the date is a name, and not the last line of an abstract."""
    if row is None:
        return False
    alone = row.gap or not layout.wrapped
    return bool(_TWICE.fullmatch(row.text)) or (alone and len(row.text) <= 80 and not _SENTENCE_END.search(row.text) and "://" not in row.text)


def _meta(rows: list[_Row], window: _Window, reject: Reject) -> _Meta:
    """The metadata in these rows. What a cut has left of an unfinished line is reported."""
    authors: int | None = None
    organisation: str | None = None
    dated: re.Match[str] | None = None
    for i, row in enumerate(rows):
        if m := _AUTHORS_LINE.fullmatch(row.text):
            authors = int(m["authors"])
            dated = m if m["date"] else dated
        elif m := _DATE_LINE.fullmatch(row.text):
            dated = m
        elif row.kind == "text" and i == 0 and not _CUT_AUTHORS.fullmatch(row.text):
            organisation = m["name"] if (m := _TWICE.fullmatch(row.text)) else row.text
    text = " ".join(row.text for row in rows)
    if not dated:
        if window[0] is None:
            reject(rows[-1].line, _CUT_META, rows[-1].text)
        return _Meta(rows[0].line, text, authors, organisation)
    published = _iso(dated["year"], dated["month"], dated["day"])
    year = int(dated["year"]) if dated["year"] else None
    return _Meta(rows[0].line, text, authors, organisation, dated["date"], published, year, _count(dated["upvotes"]) if dated["upvotes"] else None)


def _iso(year: str | None, month: str, day: str) -> str | None:
    """ISO date; null without a year, or where the calendar has no such day."""
    if not year:
        return None
    try:
        return date(int(year), _MONTHS.index(month[:3].lower()) + 1, int(day)).isoformat()
    except ValueError:
        return None


def _count(text: str) -> int:
    """A number as the site writes it: ``7``, ``1,234`` or ``1.2k``."""
    number = float(text.rstrip("kK").replace(",", ""))
    return round(number * 1000) if text[-1] in "kK" else round(number)


# ---- wrapped lines ----


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the lines of a page make paragraphs."""

    wrapped: bool
    """Many lines go on in lower case: they were broken at some width."""
    width: int
    hard: bool
    """Broken at exactly the width, within words too."""
    spaced: bool
    """Blank lines stand between paragraphs."""
    dated: bool
    """Records end with metadata."""

    @property
    def doubtful(self) -> bool:
        """Unwrapping has no blank lines to go by, so a paragraph may turn out to be two."""
        return self.wrapped and not self.spaced

    @staticmethod
    def of(rows: list[_Row]) -> _Layout:
        """The layout of a page that begins with these rows."""
        texts = [(a, b) for a, b in pairwise(rows) if a.kind == b.kind == "text"]
        joined = [(a, b) for a, b in texts if not b.gap]
        going_on = sum(_first_word(b).islower() for _, b in joined)
        # a line without a space is an address that no width could break
        width = max((len(row.raw.rstrip()) for row in rows if row.kind == "text" and " " in row.text), default=0)
        return _Layout(
            wrapped=going_on > 2 and going_on > len(joined) / 4,
            width=width,
            hard=sum(len(a.raw) == width for a, _ in joined) > len(joined) * 0.6,
            spaced=len(joined) < len(texts),
            dated=any(a.kind in ("authors", "dot") and b.kind in ("dot", "date") for a, b in pairwise(rows)),
        )

    def goes_on(self, paragraph: list[_Row], window: _Window, at_title: bool) -> bool:
        """Whether the paragraph goes on in the next row; ``at_title``: a title is what should stand here."""
        last, following = paragraph[-1], window[0]
        if not self.wrapped or following is None or following.gap or following.kind == "dot":
            return False
        if self.hard:
            return len(last.raw) >= self.width
        full = not self._has_room(last, following)
        if following.kind == "banner":
            return full
        if _first_word(following).islower():
            return True
        capitals = _is_title_case(following.text) and not _FULL_STOP.search(following.text)
        if self.spaced:
            return full or capitals or not _is_title_case(" ".join(row.text for row in paragraph))
        if not full:  # there was room for the next word, so the break was there before wrapping
            return False
        after = window[1]
        # the next row would be all of a title, or its end: it breaks off early, and not after a sentence
        short = after is not None and self._has_room(following, after) and not _FULL_STOP.search(following.text)
        if at_title and sum(len(row.text) for row in paragraph) < _LONGEST_TITLE:
            return capitals or short or bool(_DANGLING.search(last.text))
        return not (_is_whole(last.text) and (capitals or short))

    def _has_room(self, row: _Row, following: _Row) -> bool:
        return len(row.raw.rstrip()) + 1 + len(_first_word(following)) <= self.width

    def join(self, paragraph: list[_Row]) -> str:
        """The text of a paragraph as it was before it was wrapped, as far as that can be known."""
        text = paragraph[0].raw[paragraph[0].raw.index(paragraph[0].text) :]
        for row in paragraph[1:]:
            hyphen = re.search(r"\w--?$", text) and row.text[0].isalnum() and _first_word(row) not in _AFTER_HYPHEN
            if self.hard or text.endswith(" "):
                text += row.raw
            elif hyphen or re.match(r"--\w", row.text):
                text += row.text
            else:
                text += f" {row.text}"
        return text.rstrip() if len(paragraph) > 1 else paragraph[0].text


def _first_word(row: _Row) -> str:
    return row.text.split(maxsplit=1)[0]
