"""Where the data files live: inside the installed package, else beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(kind: str) -> Path:
    """Folder of the packaged data files of one kind: ``schemas``, ``queries`` or ``viz``."""
    installed = _PACKAGE / "_data" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def sample() -> list[Path]:
    """The bundled sample input: made-up studies, as a saved page and as JSON Lines."""
    return sorted(p for p in (_PACKAGE / "sample").iterdir() if p.suffix in (".txt", ".jsonl"))
