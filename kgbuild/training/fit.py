"""The training loop: tagger and relation network together, seeded, with checkpoints to go on from."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgbuild.errors import ModelError
from kgbuild.nlp import pairs
from kgbuild.nlp.tagger import FEATURES, SEP, Window
from kgbuild.training import Progress, Settings
from kgbuild.training.data import TYPES, Example, Ints, Reader, Targets, batches
from kgbuild.training.net import Convolutions, Encoder, Pairs, Tagger, resize

MASK = 103
"""BERT's id of [MASK]."""

Item = tuple[Window, Ints, Example | None]
"""A window with its tags, and its paper where one window holds all of it, so that relations can be learnt."""


class Networks(nn.Module):
    """What is trained: the tagger, and what reads relations off its states."""

    def __init__(self, labels: Sequence[str], fast: bool = False) -> None:
        super().__init__()
        self.tagger = Tagger(labels, fast)
        self.pairs = Pairs(len(TYPES))


def fit(
    networks: Networks, examples: Sequence[Example], reader: Reader, s: Settings, data: str, out: Path, progress: Progress
) -> None:
    """Trains in place; ``out`` holds ``state.pt``, from which the same call goes on, and ``log.txt``.

    ``data`` is a hash of the records: a run goes on only with the records and settings that it began with.
    """
    items, lost = items_of(examples, reader)
    lengths = [len(w.ids) for w, _, _ in items]
    state_path = out / "state.pt"
    state = torch.load(state_path, weights_only=True) if state_path.exists() else None
    encoder = networks.tagger.encoder
    if state is not None and isinstance(encoder, Encoder):
        resize(encoder.layers, state["networks"], "tagger.encoder.layers.")
        resize(networks.pairs.layers, state["networks"], "pairs.layers.")
    optimiser = _optimiser(networks, s)
    epoch_steps = -(-len(items) // s.batch)
    total, step = max(1, round(epoch_steps * s.epochs)), 0
    fingerprint = f"{replace(s, every=1)} {data}"
    if state is not None:
        if state["settings"] != fingerprint:
            raise ModelError(
                f"{out} holds a run with other settings or records ({state['settings']}, now {fingerprint}); give another folder"
            )
        networks.load_state_dict(state["networks"])
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
        step = state["step"]
    losses: list[tuple[float, ...]] = []
    began = time.monotonic()
    with (out / "log.txt").open("a", encoding="utf-8") as log:
        print(
            f"step {step} of {total}; {len(examples)} papers, {len(items)} windows, {lost} mentions that are no whole words",
            file=log,
        )
        for epoch in range(step // epoch_steps, -(-total // epoch_steps)):
            order = batches(lengths, s.batch, random.Random(s.seed * 1000 + epoch))
            for k, chosen in enumerate(order):
                if epoch * epoch_steps + k < step or step >= total:
                    continue
                warm = max(1, total // 10)
                share = step / warm if step < warm else (total - step) / (total - warm)
                for group in optimiser.param_groups:
                    group["lr"] = group["peak"] * share
                networks.train()
                loss, parts = loss_of(networks, [items[i] for i in chosen], reader, s, random.Random(f"{s.seed} {step}"))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(networks.parameters(), 1.0, foreach=True)
                optimiser.step()
                step += 1
                losses.append(parts)
                progress("train", step, total)
                if step % 50 == 0:
                    means = " ".join(f"{x:.4f}" for x in np.mean(losses, axis=0))
                    print(
                        f"{step}/{total} {means} {(time.monotonic() - began) / len(losses):.2f} s a step",
                        file=log,
                        flush=True,
                    )
                    losses, began = [], time.monotonic()
                if step % s.every == 0 or step == total:
                    state = {
                        "networks": networks.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "step": step,
                        "rng": torch.get_rng_state(),
                        "settings": fingerprint,
                    }
                    torch.save(state, state_path.with_suffix(".new"))
                    os.replace(state_path.with_suffix(".new"), state_path)
    networks.eval()


def items_of(examples: Sequence[Example], reader: Reader) -> tuple[list[Item], int]:
    """The windows of these papers, and how many mentions are no whole words."""
    items: list[Item] = []
    lost = 0
    for e in examples:
        _, windows, bad = reader.windows(e.record)
        lost += bad
        items += [(w, tags, e if len(windows) == 1 and e.views else None) for w, tags in windows]
    return items, lost


def _optimiser(networks: Networks, s: Settings) -> torch.optim.AdamW:
    """AdamW; the encoder's rate falls by ``decay`` a layer from the top down; the heads have their own."""
    groups: list[dict[str, Any]] = []

    def add(parameters: Sequence[Tensor], rate: float, weight_decay: float) -> None:
        groups.append({"params": list(parameters), "lr": rate, "peak": rate, "weight_decay": weight_decay})

    tagger, encoder = networks.tagger, networks.tagger.encoder
    if isinstance(encoder, Convolutions):
        trained = [p for p in encoder.parameters() if p.requires_grad]
        add([p for p in trained if p.ndim > 1], s.lr, 0.01)
        add([p for p in trained if p.ndim == 1], s.lr, 0.0)
    else:
        depth = len(encoder.layers)
        for i, layer in enumerate(encoder.layers):
            rate = s.lr * s.decay ** (depth - 1 - i)
            add([p for p in layer.parameters() if p.ndim > 1], rate, 0.01)
            add([p for p in layer.parameters() if p.ndim == 1], rate, 0.0)
        rate = s.lr * s.decay**depth
        add([encoder.pos.weight], rate, 0.0)
        add(list(encoder.norm.parameters()), rate, 0.0)
        add([encoder.shape.weight], s.head_lr, 0.0)
    add([*tagger.mid.parameters(), *tagger.score.parameters()], s.head_lr, 0.01)
    add([tagger.trans, tagger.first, tagger.last], 1e-2, 0.0)
    add([p for p in networks.pairs.parameters() if p.ndim > 1], s.pair_lr, 0.01)
    add([p for p in networks.pairs.parameters() if p.ndim == 1], s.pair_lr, 0.0)
    return torch.optim.AdamW(groups, foreach=True)


def loss_of(
    networks: Networks, some: Sequence[Item], reader: Reader, s: Settings, rng: random.Random
) -> tuple[Tensor, tuple[float, ...]]:
    """The loss of a batch and its parts: tags a word, relations a pair, kinds a figure, and what results are about."""
    b = collate([(w, tags) for w, tags, _ in some])
    if s.mask:
        b["ids"][(torch.rand(b["ids"].shape) < s.mask) & (b["ids"] > SEP)] = MASK
    at = [i for i, (_, _, e) in enumerate(some) if e is not None]
    sheets, targets = [], []
    for i in at:
        e = some[i][2]
        assert e is not None
        words, _, _ = reader.windows(e.record)
        view = e.views[1 if rng.random() < s.found else 0]
        sheet = reader.sheet(e.record, e.spans, words, view.mentions)
        if len(sheet.pairs):
            sheets.append(sheet)
            targets.append(reader.targets(e.record, sheet, view.gold))
        else:
            at = [j for j in at if j != i]
    with torch.autocast("cpu", torch.bfloat16, enabled=s.bfloat16):
        scores, states = networks.tagger(b, s.dropout)
        judged = networks.pairs(states[at], sheets, s.dropout) if at else []
    nll = networks.tagger.nll(scores, b["gold"], b["n"]) / b["n"].sum()
    related, kinds, about = pair_loss(judged, sheets, targets, reader)
    loss = s.tagger_weight * nll + related + s.result_weight * (kinds + about)
    return loss, (nll.item(), related.item(), kinds.item(), about.item())


def pair_loss(
    judged: Sequence[tuple[Tensor, Tensor]], sheets: Sequence[pairs.Sheet], targets: Sequence[Targets], reader: Reader
) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy of the relation types (a positive pair, all negatives summed), of the kinds (a figure), and of what
    the results are about (a result and role)."""
    related, kinds, about = torch.zeros(()), torch.zeros(()), torch.zeros(())
    positives, figures, roles = 0, 0, 0
    for (pair_scores, figure_scores), sheet, y in zip(judged, sheets, targets, strict=True):
        if sheet.related:
            may = torch.from_numpy(reader.legal(sheet))
            types = pair_scores[: sheet.related, :-1].masked_fill(~may, -1e4)
            related = related + functional.cross_entropy(types, torch.from_numpy(y.related), reduction="sum")
            positives += int((y.related > 0).sum()) + 2
        if not sheet.figures:
            continue
        none = 1 + len(pairs.KINDS)
        kinds = kinds + functional.cross_entropy(figure_scores[:, :none], torch.from_numpy(y.kinds), reduction="sum")
        figures += len(sheet.figures)
        chance = pair_scores[sheet.related :, -1].view(len(sheet.figures), len(sheet.entities))
        for k in np.flatnonzero(y.kinds):
            for role in range(len(pairs.ROLES)):
                nodes = [j for j, label in enumerate(sheet.labels) if pairs.ROLE_OF[label] == role]
                if y.about[k, role] < 0 or not nodes:
                    continue
                z = torch.cat([figure_scores[k, none + role : none + role + 1], chance[k, nodes]])
                right = 1 + nodes.index(y.about[k, role] - 1) if y.about[k, role] else 0
                about = about + functional.cross_entropy(z[None], torch.tensor([right]))
                roles += 1
    return related / max(1, positives), kinds / max(1, figures), about / max(1, roles)


def collate(some: Sequence[tuple[Window, Ints]]) -> dict[str, Tensor]:
    """A padded batch of windows with their tags."""
    size, subwords, words = len(some), max(len(w.ids) for w, _ in some), max(len(t) for _, t in some)
    b = {
        "ids": torch.zeros(size, subwords, dtype=torch.long),
        "feats": torch.zeros(size, subwords, len(FEATURES)),
        "pad": torch.ones(size, subwords, dtype=torch.bool),
        "heads": torch.zeros(size, words, dtype=torch.long),
        "tails": torch.zeros(size, words, dtype=torch.long),
        "same": torch.zeros(size, words, words),
        "gold": torch.zeros(size, words, dtype=torch.long),
        "n": torch.tensor([len(t) for _, t in some]),
    }
    for i, (w, tags) in enumerate(some):
        t, n = len(w.ids), len(tags)
        b["ids"][i, :t], b["feats"][i, :t], b["pad"][i, :t] = (
            torch.from_numpy(w.ids),
            torch.from_numpy(w.features),
            False,
        )
        b["heads"][i, :n], b["tails"][i, :n] = torch.from_numpy(w.heads), torch.from_numpy(w.tails)
        b["same"][i, :n, :n], b["gold"][i, :n] = torch.from_numpy(w.same), torch.from_numpy(tags)
    return b
