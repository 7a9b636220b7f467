"""Joins the stand-off annotations beside this file with the papers that you have, to records that `kgbuild train` reads.

    python training/join.py PAPERS... > records.jsonl

PAPERS are files as `kgbuild extract` takes them. A paper is found by the SHA-1 of its text (title, newline, abstract), of
each the first reading is taken; papers of another wording are left out. Says on stderr how many were found, and what of
PAPERS could not be read; exits with 1 where none was found.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from kgbuild import sources

ANNOTATIONS = Path(__file__).with_name("annotations.jsonl.gz")


def main() -> None:
    readings: dict[str, dict[str, Any]] = {}
    with gzip.open(ANNOTATIONS, "rt", encoding="utf-8") as lines:
        for reading in map(json.loads, lines):
            readings.setdefault(reading["sha1"], reading)
    wanted = len(readings)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for paper in sources.read(sys.argv[1:], lambda rejected: print(rejected, file=sys.stderr)):
        text = paper.text
        found = readings.pop(hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest(), None)
        if found is not None:
            entities = [e | {"text": text[e["start"] : e["end"]]} for e in found["entities"]]
            record = {"id": found["id"], "text": text, "entities": entities, "relations": found["relations"], "results": found["results"]}
            print(json.dumps(record, ensure_ascii=False))
    if len(readings) == wanted:
        sys.exit(f"none of {wanted} annotated papers found in {' '.join(sys.argv[1:]) or 'no file: name some'}")
    print(f"{wanted - len(readings)} of {wanted} annotated papers found", file=sys.stderr)


if __name__ == "__main__":
    main()
