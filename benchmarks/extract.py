"""How fast papers are read: each tier, against bare tokenisation and against a tagger the size of BERT-base.

    pip install -e '.[train]'
    python benchmarks/extract.py PAPERS [--papers 300] [--rounds 5] [--processes 1 2] [--batch 64]

All take turns within each round and read the same papers, whole pipeline, one onnxruntime thread to a process; the table
has medians over the rounds, by the clock and by CPU time, which tells more on a machine with other work. "bert-base" is
the pipeline of the tiers, its relations by rules, with a tagger of 12 layers of 768 (random weights, which find nothing:
the price of what comes after is then at its lowest), quantised to int8 by onnxruntime, same windows and read-out; it gets
a tenth of the papers. "tokens" is spaCy's tokeniser for English alone, below which no spaCy pipeline can go.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import spacy
from onnxruntime.quantization import QuantType, quantize_dynamic

from kgbuild import nlp, sources
from kgbuild.nlp.model import PACKAGED
from kgbuild.nlp.tagger import FEATURES, tag_names
from kgbuild.records import Paper
from kgbuild.training import Settings, export


def bert_base(folder: Path) -> None:
    """A model folder whose tagger has the size of BERT-base."""
    draw = np.random.default_rng(1)
    width, inner, tags = 768, 3072, len(tag_names(Settings().labels))
    shapes = {"encoder.word": (30522, width), "encoder.pos": (512, width), "encoder.shape": (width, len(FEATURES))}
    shapes |= {"mid": (256, 3 * width), "score": (tags, 256)}
    norms = ["encoder.norm"]
    for i in range(12):
        layer = f"encoder.layers.{i}"
        shapes |= {f"{layer}.qkv": (3 * width, width), f"{layer}.out": (width, width)}
        shapes |= {f"{layer}.up": (inner, width), f"{layer}.down": (width, inner)}
        norms += [f"{layer}.norm1", f"{layer}.norm2"]
    state = {f"{k}.weight": draw.normal(0, 0.02, s).astype(np.float32) for k, s in shapes.items()}
    state |= {f"{k}.bias": np.zeros(s[0], dtype=np.float32) for k, s in shapes.items()}
    state |= {f"{k}.weight": np.ones(width, dtype=np.float32) for k in norms}
    state |= {f"{k}.bias": np.zeros(width, dtype=np.float32) for k in norms}
    state["score.bias"][0] = 20.0  # no mention
    folder.mkdir()
    onnx.save(export.build(state, each=64, int8=False), folder / "float.onnx")
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(folder / "float.onnx", folder / "model.onnx", weight_type=QuantType.QInt8, extra_options=options)
    (folder / "float.onnx").unlink()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(PACKAGED["default"] / name, folder)


def cpu() -> float:
    """CPU seconds of this process and of those that it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def cost(read: Callable[[], object], papers: int) -> tuple[float, float]:
    """Seconds and CPU seconds a paper."""
    start, busy = time.perf_counter(), cpu()
    read()
    return (time.perf_counter() - start) / papers, (cpu() - busy) / papers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("--papers", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, nargs="+", default=[64])
    args = parser.parse_args()
    papers = list(sources.read([args.source], lambda rejected: None))[: args.papers]
    few = papers[:: max(1, len(papers) // max(1, args.papers // 10))]
    with tempfile.TemporaryDirectory() as scratch:
        bert_base(Path(scratch) / "bert-base")
        pipelines = {}
        for model in (*nlp.MODELS, str(Path(scratch) / "bert-base")):
            start = time.perf_counter()
            pipelines[Path(model).name] = nlp.load(model)
            print(f"{Path(model).name}: loaded in {time.perf_counter() - start:.2f} s")
        bare = spacy.blank("en")

        def tokens(some: Sequence[Paper], batch: int, processes: int) -> None:
            for _ in bare.pipe((p.text for p in some), batch_size=batch, n_process=processes):
                pass

        def extract(name: str, some: Sequence[Paper], batch: int, processes: int) -> None:
            # as the commands do
            with nlp.frozen():
                for _ in nlp.extract(pipelines[name], some, batch_size=batch, n_process=processes):
                    pass

        for processes in args.processes:
            for batch in args.batch:
                costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ("tokens", *pipelines)}
                for turn in range(args.rounds + 1):
                    for name, found in costs.items():
                        some = few if name == "bert-base" else papers
                        read = tokens if name == "tokens" else partial(extract, name)
                        # the first turn warms up
                        found += [cost(partial(read, some, batch, processes), len(some))][: turn > 0]
                print(f"\nprocesses {processes}, batch {batch}")
                print(f"{'':10} {'abstracts/s':>12} {'x bert-base':>12} {'CPU ms each':>12} {'x bert-base':>12}")
                medians = {name: [statistics.median(c) for c in zip(*found, strict=True)] for name, found in costs.items()}
                for name, (seconds, busy) in medians.items():
                    ratios = [b / own for b, own in zip(medians["bert-base"], (seconds, busy), strict=True)]
                    print(f"{name:10} {1 / seconds:12.1f} {ratios[0]:12.1f} {1000 * busy:12.2f} {ratios[1]:12.1f}", flush=True)


if __name__ == "__main__":
    main()
