"""Training of the packaged model, and of a user's own: from annotated records to a folder that ``--model`` takes.

Needs the extra ``train`` (torch, onnx); without it, everything else of kgbuild works.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgbuild.errors import ModelError
from kgbuild.evaluate.record import read_records
from kgbuild.nlp.model import PACKAGED, read_model
from kgbuild.nlp.pairs import LABELS

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and of how much."""


@dataclass(frozen=True)
class Settings:
    """How to train in one run. The packaged model took several, see ``training/README.md``."""

    labels: tuple[str, ...] = LABELS
    """In the order of the model's tags. Relations are learnt where they are the schema's."""
    fast: bool = False
    """The small network of ``--model fast`` (convolutions), which learns mentions alone."""
    start: str | None = None
    """``default`` or ``fast`` to go on from a packaged model, or a model folder; None: from the pretrained encoder."""
    beside: str | None = None
    """``fast`` or the folder of a fast network that learnt on the same embeddings, to ship beside this one: their scores
    are averaged. None keeps the one that ``start`` has."""
    slim: float = 1.0
    """Share of the attention heads and inner units of ``start`` to keep, before training goes on; for speed."""
    hold: int = 300
    """Papers that are measured on, and on which thresholds and confidences are fitted, instead of trained on."""
    hold_seed: int = 13
    epochs: float = 4
    batch: int = 8
    lr: float = 3e-4
    """Peak rate of the encoder's top layer; 10 % warm-up, then linear to 0."""
    decay: float = 0.9
    """Factor on the rate from one layer to the one below."""
    head_lr: float = 1e-3
    pair_lr: float = 6e-4
    tagger_weight: float = 10.0
    """Weight of the tagger's loss a word against the relations' loss a positive pair."""
    result_weight: float = 0.3
    """Weight of the losses of figures, and of what results are about."""
    dropout: float = 0.1
    mask: float = 0.05
    """Share of subwords that are masked, anew in every step."""
    found: float = 0.4
    """Share of papers whose relations are learnt with entities as rules or a model find them, instead of the annotated ones."""
    seed: int = 1
    threads: int = 2
    every: int = 100
    """Steps between checkpoints."""
    bfloat16: bool = True
    """Mixed precision; pays with AVX512-BF16 or AMX."""
    weight_max: int = 127
    """Largest int8 weight: 63 can't saturate on processors without VNNI, 127 is finer."""


def train(
    gold: Path,
    out: Path,
    settings: Settings,
    progress: Progress,
    held_out: Path | None = None,
    silver: Path | None = None,
    found: Path | None = None,
) -> dict[str, Any]:
    """Trains on annotated records (JSON Lines as ``kgbuild extract`` writes them) and packages ``out/model``.

    ``held_out`` names a file of records to measure on, instead of ``settings.hold`` of those of ``gold``; its papers must
    not be in ``gold``. ``silver`` names a file of records that a model made, of which the mentions alone are learnt, as
    if annotated (a noisy student, Xie et al. 2020). ``found`` names a file of records of the same papers with the entities
    that a model found which had not learnt them; relations are learnt on these too. The same call goes on where an
    interrupted one was. Returns the figures on the held-out papers, which are also in ``out/figures.json``. Raises
    ModelError where the extra is missing, and SourceError for records that can't be read.
    """
    for module in ("torch", "onnx", "safetensors"):
        if importlib.util.find_spec(module) is None:
            raise ModelError(f"training needs {module}; pip install -e '.[train]'")
    import torch

    from kgbuild.training.data import Reader, split
    from kgbuild.training.fit import Networks, fit
    from kgbuild.training.package import begin, beside_named, package, tokenizer_of
    from kgbuild.training.slim import slim

    if settings.fast and settings.slim < 1:
        raise ModelError("only the default network can be made slimmer; leave out --fast or --slim")
    records = read_records(gold)
    if held_out is not None:
        held = read_records(held_out)
        learnt = records
    elif settings.hold >= len(records):
        raise ModelError(
            f"{gold} has {len(records)} records, of which {settings.hold} are to be held out: none is left to train on; "
            "give a smaller --hold, or --held-out FILE"
        )
    else:
        learnt, held = split(records, settings.hold, settings.hold_seed)
    guessed = read_records(silver) if silver is not None else []
    for path, some in ((gold, learnt if held_out is not None else []), (silver, guessed)):
        if both := {r.text for r in some} & {r.text for r in held}:
            raise ModelError(f"{len(both)} papers to measure on are in {path} too: what is trained on can't measure")
    marked = {e.label for r in learnt for e in r.entities}
    if settings.labels != LABELS and (lost := [label for label in settings.labels if label not in marked]):
        raise ModelError(f"no record to train on marks {' or '.join(lost)}; {gold} marks {', '.join(sorted(marked))}")
    out.mkdir(parents=True, exist_ok=True)
    base = PACKAGED.get(settings.start, Path(settings.start)) if settings.start else None
    if base is not None:
        read_model(base)  # says so where it is none
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    networks, tokenizer = Networks(settings.labels, settings.fast), tokenizer_of(base)
    begin(networks, base)
    beside_named(settings.beside, networks)  # says what is wrong with it now, not after hours
    reader = Reader(tokenizer, settings.labels, settings.fast)
    seen = {r.text: r for r in read_records(found)} if found is not None else {}
    if found is not None and not any(r.text in seen for r in learnt):
        raise ModelError(f"{found} holds none of the papers to train on; it must hold the same texts as {gold}")
    examples = []
    for n, record in enumerate([*learnt, *guessed], 1):
        examples.append(reader.example(record, seen.get(record.text), mentions_only=n > len(learnt)))
        progress("read", n, len(learnt) + len(guessed))
    used = (*learnt, *guessed, *held, *seen.values())
    data = hashlib.sha256("\n".join(r.model_dump_json() for r in used).encode("utf-8", "surrogatepass"))
    if settings.slim < 1 and not (out / "state.pt").exists():
        slim(networks, examples[: len(learnt)], reader, settings, progress)
    fit(networks, examples, reader, settings, data.hexdigest()[:16], out, progress)
    return package(networks, reader, held, settings, base, out, progress)
