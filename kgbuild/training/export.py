"""Writes trained networks as ONNX graphs, int8 by default, with the small files that go with them; and reads them back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from kgbuild.nlp.pairs import FILE

Array = npt.NDArray[Any]
MS = "com.microsoft"
EPSILON = 1e-12
BESIDE = "beside."
"""What the names of a second network in one graph begin with."""


class Graph:
    """Nodes and weights of one graph in the making; every method adds a node and returns its output's name."""

    def __init__(self, int8: bool, weight_max: int) -> None:
        self.int8 = int8
        self.weight_max = weight_max
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, value: Array) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def node(self, op: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def quantised(self, table: Array, axis: int) -> tuple[Array, Array]:
        """Symmetric int8 and its scales, one for each index that is not of ``axis``."""
        scale = np.maximum(np.abs(table).max(axis=axis), 1e-8) / self.weight_max
        shape = np.expand_dims(scale, axis)
        return np.clip(np.rint(table / shape), -self.weight_max, self.weight_max).astype(np.int8), scale.astype(
            np.float32
        )

    def embed(self, name: str, table: Array, ids: str) -> str:
        """Rows of a table; int8 with one scale a row."""
        if not self.int8:
            return self.node("Gather", [self.weight(name, table), ids], f"{name}.rows")
        scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), 1e-8) / 127
        rows = np.clip(np.rint(table / scale), -127, 127).astype(np.int8)
        whole = self.node("Gather", [self.weight(name, rows), ids], f"{name}.int8")
        wide = self.node("Cast", [whole], f"{name}.wide", to=TensorProto.FLOAT)
        scales = self.node("Gather", [self.weight(f"{name}.scale", scale.astype(np.float32)), ids], f"{name}.scales")
        return self.node("Mul", [wide, scales], f"{name}.rows")

    def linear(
        self, name: str, x: str, weight: Array, bias: Array, int8: bool = True, output: str | None = None
    ) -> str:
        """x @ weight.T + bias; int8 with one scale an output column and one for the input of this run."""
        b = self.weight(f"{name}.bias", bias)
        if not (self.int8 and int8):
            product = self.node("MatMul", [x, self.weight(f"{name}.weight", weight.T)], f"{name}.product")
            return self.node("Add", [product, b], output or name)
        whole, scale = self.quantised(weight.T, 0)
        w, s = self.weight(f"{name}.weight", whole), self.weight(f"{name}.scale", scale)
        zero = self.weight(f"{name}.zero", np.zeros(scale.shape, dtype=np.int8))
        return self.node("DynamicQuantizeMatMul", [x, w, s, zero, b], name, MS)


def _layer(g: Graph, w: Mapping[str, Array], p: str, name: str, x: str, each: int, keep: Sequence[str] = ()) -> str:
    """One transformer layer with the weights under the prefix ``p``, its heads ``each`` wide; its nodes begin with ``name``."""

    def linear(part: str, value: str) -> str:
        return g.linear(
            f"{name}.{part}", value, w[f"{p}{part}.weight"], w[f"{p}{part}.bias"], f"{name}.{part}" not in keep
        )

    def norm(part: str, value: str, skip: str) -> str:
        total = g.node("Add", [value, skip], f"{name}.{part}.sum")
        return _normalised(g, w, f"{p}{part}", f"{name}.{part}", total)

    packed = linear("qkv", x)
    heads = w[f"{p}qkv.weight"].shape[0] // (3 * each)
    parts = [f"{name}.{n}" for n in ("query", "key", "value")]
    g.nodes.append(helper.make_node("Split", [packed], parts, name=f"{name}.split", axis=2, num_outputs=3))
    mixed = g.node("MultiHeadAttention", parts, f"{name}.mixed", MS, num_heads=heads)
    x = norm("norm1", x, linear("out", mixed))
    up = g.node("Gelu", [linear("up", x)], f"{name}.gelu", MS)
    return norm("norm2", x, linear("down", up))


def build(
    state: Mapping[str, Array],
    each: int = 32,
    int8: bool = True,
    weight_max: int = 127,
    keep: Sequence[str] = (),
    beside: Mapping[str, Array] | None = None,
    share: float = 0.0,
) -> onnx.ModelProto:
    """The graph of one window: subword ids and word features in, a score for each word and tag out.

    ``hidden`` is the encoder's last state at each word (its first subword), for whatever else wants to use it.
    ``each`` is the width of an attention head. ``keep`` names linear layers that stay in float. ``weight_max`` 63 avoids
    saturation on processors without VNNI.
    ``beside`` is a fast network that learnt on the same embeddings, whose scores make ``share`` of the whole.
    """
    g = Graph(int8, weight_max)
    w = {k: np.asarray(v, dtype=np.float32) for k, v in state.items()}
    zero = g.weight("zero", np.zeros(1, dtype=np.int64))
    rows = g.embed("word", w["encoder.word.weight"], "ids")
    fast = "encoder.enter.weight" in w
    states = _convolutions(g, w, rows, zero) if fast else _bert(g, w, rows, zero, each, keep)
    own = _scores(g, w, states, "", "mid" not in keep, "own" if beside else "scores")
    if beside:
        b = {k: np.asarray(v, dtype=np.float32) for k, v in beside.items()}
        theirs = _scores(g, b, _convolutions(g, b, rows, zero, BESIDE), BESIDE, True, "theirs")
        parts = [
            g.node("Mul", [x, g.weight(f"{x}.share", np.array(part, dtype=np.float32))], f"{x}.part")
            for x, part in ((own, 1 - share), (theirs, share))
        ]
        g.node("Add", parts, "scores")
    value = helper.make_tensor_value_info
    inputs = [
        value("ids", TensorProto.INT64, [1, "subwords"]),
        value("features", TensorProto.FLOAT, [1, "subwords", w["encoder.shape.weight"].shape[1]]),
        value("heads", TensorProto.INT64, ["words"]),
        value("tails", TensorProto.INT64, ["words"]),
        value("firsts", TensorProto.INT64, ["spellings"]),
        value("spelt", TensorProto.INT64, ["words"]),
        value("again", TensorProto.INT64, ["twins"]),
        value("whose", TensorProto.INT64, ["twins"]),
        value("alike", TensorProto.FLOAT, ["kinds", "twins"]),
    ]
    outputs = [
        value("scores", TensorProto.FLOAT, ["words", w["score.bias"].shape[0]]),
        value("hidden", TensorProto.FLOAT, ["words", w["encoder.norm.weight"].shape[0]]),
    ]
    graph = helper.make_graph(g.nodes, "kgbuild tagger", inputs, outputs, g.weights)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(MS, 1)], ir_version=9
    )


def _scores(g: Graph, w: Mapping[str, Array], states: Sequence[str], p: str, int8: bool, output: str) -> str:
    """A score for each word and tag, from the states of the words; names begin with ``p``."""
    twins = _shared(g, states[0], f"{p}twins")
    joined = g.node("Concat", [*states, twins], f"{p}joined", axis=1)
    mid = g.linear(f"{p}mid", joined, w["mid.weight"], w["mid.bias"], int8)
    grown = g.node("Gelu", [mid], f"{p}mid.gelu", MS)
    return g.linear(f"{p}scores", grown, w["score.weight"], w["score.bias"], int8=False, output=output)


def _shared(g: Graph, x: str, name: str) -> str:
    """For each word the mean row of the words spelt like it: most are spelt like no other and keep their own."""
    mean = g.node("MatMul", ["alike", g.node("Gather", [x, "again"], f"{name}.seen")], f"{name}.mean")
    told = g.node("Gather", [mean, "whose"], f"{name}.told")
    at = g.node("Unsqueeze", ["again", g.weight(f"{name}.axis", np.ones(1, dtype=np.int64))], f"{name}.at")
    return g.node("ScatterND", [x, at, told], name)


def _normalised(g: Graph, w: Mapping[str, Array], prefix: str, name: str, x: str) -> str:
    """The layer normalisation with the weights under ``prefix``."""
    parts = [g.weight(f"{name}.{kind}", w[f"{prefix}.{kind}"]) for kind in ("weight", "bias")]
    return g.node("LayerNormalization", [x, *parts], name, axis=-1, epsilon=EPSILON)


def _bert(g: Graph, w: Mapping[str, Array], rows: str, zero: str, each: int, keep: Sequence[str]) -> list[str]:
    """``net.Encoder``: the states of each word's first and last subword."""
    e = "encoder."
    size = g.node("Shape", ["ids"], "size", start=1, end=2)
    places = g.node("Slice", [g.weight("place", w[e + "pos.weight"]), zero, size], "places")
    shapes = g.node("MatMul", ["features", g.weight("shape", w[e + "shape.weight"].T)], "shapes")
    x = g.node("Add", [g.node("Add", [rows, places], "placed"), shapes], "shaped")
    x = _normalised(g, w, f"{e}norm", "norm", x)
    for i in range(_layers(w, e)):
        x = _layer(g, w, f"{e}layers.{i}.", f"{i}", x, each, keep)
    states = g.node("Squeeze", [x, zero], "states")
    return [g.node("Gather", [states, "heads"], "hidden"), g.node("Gather", [states, "tails"], "last")]


def _layers(w: Mapping[str, Array], prefix: str) -> int:
    """How many layers there are under ``prefix``."""
    return 1 + max((int(k.removeprefix(f"{prefix}layers.").split(".")[0]) for k in w if k.startswith(f"{prefix}layers.")), default=-1)


def _convolutions(g: Graph, w: Mapping[str, Array], rows: str, zero: str, p: str = "") -> list[str]:
    """``net.Convolutions``: the state of each word; names begin with ``p``."""
    e = f"{p}encoder."
    width = w["encoder.norm.weight"].shape[0]
    one = g.weight(f"{p}one", np.ones(1, dtype=np.int64))

    def linear(name: str, x: str) -> str:
        return g.linear(f"{e}{name}", x, w[f"encoder.{name}.weight"], w[f"encoder.{name}.bias"])

    def gather(x: str, at: str, name: str) -> str:
        return g.node("Gather", [x, at], f"{p}{name}")

    rows = g.node("Squeeze", [rows, zero], f"{p}rows")
    sums = g.node("CumSum", [rows, zero], f"{p}sums")
    # words that are spelt alike enter alike, so each spelling enters once
    heads, tails = gather("heads", "firsts", "begins"), gather("tails", "firsts", "ends")
    first, last = gather(rows, heads, "first"), gather(rows, tails, "last_of")
    since = g.node("Sub", [gather(sums, tails, "to_tail"), gather(sums, heads, "to_head")], f"{p}since")
    count = g.node("Add", [g.node("Sub", [tails, heads], f"{p}more"), one], f"{p}count")
    length = g.node("Unsqueeze", [g.node("Cast", [count], f"{p}length", to=TensorProto.FLOAT), one], f"{p}lengths")
    mean = g.node("Div", [g.node("Add", [since, first], f"{p}total"), length], f"{p}mean")
    entered = gather(linear("enter", g.node("Concat", [first, last, mean], f"{p}read", axis=1)), "spelt", "entered")
    features = gather(g.node("Squeeze", ["features", zero], f"{p}shown"), "heads", "seen")
    shapes = g.node("MatMul", [features, g.weight(f"{p}shape", w["encoder.shape.weight"].T)], f"{p}shapes")
    x = _normalised(g, w, "encoder.norm", f"{e}norm", g.node("Add", [entered, shapes], f"{p}shaped"))
    layers = _layers(w, "encoder.")
    # a word and the two that stand 2**i before and after it, by their places among words with zeros around them
    reach = 2**layers // 2
    edge = g.weight(f"{p}edge", np.zeros((reach, width), dtype=np.float32))
    row = g.weight(f"{p}row", np.array([-1, 3 * width], dtype=np.int64))
    numbers = g.node("Range", [g.weight(f"{p}none", np.array(0, dtype=np.int64)), g.node("Size", ["heads"], f"{p}words"), g.weight(f"{p}next", np.array(1, dtype=np.int64))], f"{p}numbers")
    places = g.node("Unsqueeze", [numbers, one], f"{p}places")
    for i in range(layers):
        at = f"{p}{i}"
        if 2 * i == layers:
            x = g.node("Add", [x, linear("twin", _shared(g, x, f"{p}heard"))], f"{p}told")
        padded = g.node("Concat", [edge, x, edge], f"{at}.padded", axis=0)
        around = g.weight(f"{at}.around", np.array([reach - 2**i, reach, reach + 2**i], dtype=np.int64))
        near = gather(padded, g.node("Add", [places, around], f"{at}.places"), f"{at}.each")
        mixed = linear(f"layers.{i}.mix", g.node("Reshape", [near, row], f"{at}.near"))
        halves = [f"{at}.value", f"{at}.gate"]
        g.nodes.append(helper.make_node("Split", [mixed], halves, name=f"{at}.split", axis=1, num_outputs=2))
        gated = g.node("Mul", [halves[0], g.node("Sigmoid", [halves[1]], f"{at}.open")], f"{at}.gated")
        total = g.node("Add", [x, gated], f"{at}.sum")
        x = _normalised(g, w, f"encoder.layers.{i}.norm", f"{e}layers.{i}.norm", total)
    return [x if p else g.node("Identity", [x], "hidden")]


def build_pairs(
    state: Mapping[str, Array], each: int = 32, queries: int = 4, int8: bool = True, weight_max: int = 127
) -> onnx.ModelProto:
    """The graph of ``net.Pairs``: the states of one paper's words and its :class:`kgbuild.nlp.pairs.Sheet` in, scores out.

    ``related`` is [pairs, none and types and "is about"], ``judged`` [figures, none and kinds and a none for each role],
    ``read`` [pairs, 1 + words] how much of each word a pair looked at.
    """
    g = Graph(int8, weight_max)
    w = {k: np.asarray(v, dtype=np.float32) for k, v in state.items()}
    size = w["enter.bias"].shape[0]
    asking = size // queries

    def linear(name: str, x: str, quantise: bool = True) -> str:
        bias = w.get(f"{name}.bias", np.zeros(w[f"{name}.weight"].shape[0], dtype=np.float32))
        return g.linear(name, x, w[f"{name}.weight"], bias, quantise)

    def ints(name: str, *values: int) -> str:
        return g.weight(name, np.array(values, dtype=np.int64))

    blank = g.weight("blank", np.zeros((1, w["enter.weight"].shape[1]), dtype=np.float32))
    entered = linear("enter", g.node("Concat", [blank, "hidden"], "places", axis=0))
    tagged = g.node("Add", [entered, g.node("Gather", [g.weight("tag", w["tag.weight"]), "tags"], "tagged")], "sum")
    x = _normalised(g, w, "norm", "norm", tagged)
    first = ints("first", 0)
    x = g.node("Unsqueeze", [x, first], "batched")
    for i in range(_layers(w, "")):
        x = _layer(g, w, f"layers.{i}.", f"{i}", x, each)
    words = g.node("Squeeze", [x, first], "words")
    limits = [g.weight("low", np.array(-12, dtype=np.float32)), g.weight("high", np.array(12, dtype=np.float32))]
    weighed = g.node(
        "MatMul", ["members", g.node("Exp", [g.node("Clip", [words, *limits], "clipped")], "grown")], "weighed"
    )
    nodes = g.node("Log", [g.node("Add", [weighed, g.weight("least", np.array(1e-9, dtype=np.float32))], "positive")], "nodes")
    split = ints("split", 0, queries, asking)
    asked = g.node("Transpose", [g.node("Reshape", [linear("query", nodes), split], "asks")], "asked", perm=[1, 0, 2])
    keyed = g.node("Transpose", [g.node("Reshape", [linear("key", words), split], "keys")], "keyed", perm=[1, 2, 0])
    scaled = g.node(
        "Mul", [g.node("MatMul", [asked, keyed], "met"), g.weight("scale", np.array(asking**-0.5, dtype=np.float32))], "scaled"
    )
    attention = g.node("Softmax", [scaled], "attention", axis=-1)
    one = g.weight("one", np.array(0, dtype=np.int64))
    two = g.weight("two", np.array(1, dtype=np.int64))
    heads_of, tails_of = (
        g.node("Gather", ["pairs", one], "heads_of", axis=1),
        g.node("Gather", ["pairs", two], "tails_of", axis=1),
    )
    both = g.node(
        "Mul",
        [
            g.node("Gather", [attention, heads_of], "from", axis=1),
            g.node("Gather", [attention, tails_of], "to", axis=1),
        ],
        "both",
    )
    joint = g.node("ReduceSum", [both, first], "joint", keepdims=0)
    total = g.node(
        "Add",
        [g.node("ReduceSum", [joint, ints("last", 1)], "total", keepdims=1), g.weight("tiny", np.array(1e-6, dtype=np.float32))],
        "total.some",
    )
    read = g.node("Div", [joint, total], "read")
    context = g.node("MatMul", [read, words], "context")

    def end(name: str, rows: str) -> str:
        own = g.node("Gather", [linear(name, nodes), rows], f"{name}.own", axis=0)
        return g.node("Tanh", [g.node("Add", [own, linear(f"{name[0]}ctx", context)], f"{name}.whole")], f"{name}.end")

    u, v = end("head", heads_of), end("tail", tails_of)
    z = g.node("Concat", [g.node("Mul", [u, v], "product"), u, v], "z", axis=1)
    mid = g.node(
        "Gelu", [g.node("Add", [linear("mid", z), linear("feat", "features", False)], "mid.sum")], "mid.gelu", MS
    )
    g.node("Identity", [linear("out", mid, False)], "related")
    number = g.node("Neg", [g.node("Shape", ["shapes"], "figures", start=0, end=1)], "from_end")
    # a slice from -0 would be everything: one more node at the end keeps it empty
    padded = g.node("Concat", [nodes, g.weight("pad", np.zeros((1, size), dtype=np.float32))], "padded", axis=0)
    start, stop = g.node("Sub", [number, ints("step", 1)], "start"), ints("stop", -1)
    some = g.node("Slice", [padded, start, stop, first], "some")
    judged = g.node(
        "Gelu", [g.node("Add", [linear("fmid", some, False), linear("ffeat", "shapes", False)], "f.sum")], "f.gelu", MS
    )
    g.node("Identity", [linear("fout", judged, False)], "judged")
    value = helper.make_tensor_value_info
    inputs = [
        value("hidden", TensorProto.FLOAT, ["words", w["enter.weight"].shape[1]]),
        value("tags", TensorProto.INT64, ["places"]),
        value("members", TensorProto.FLOAT, ["nodes", "places"]),
        value("pairs", TensorProto.INT64, ["pairs", 2]),
        value("features", TensorProto.FLOAT, ["pairs", w["feat.weight"].shape[1]]),
        value("shapes", TensorProto.FLOAT, ["figures", w["ffeat.weight"].shape[1]]),
    ]
    outputs = [
        value("related", TensorProto.FLOAT, ["pairs", w["out.bias"].shape[0]]),
        value("judged", TensorProto.FLOAT, ["figures", w["fout.bias"].shape[0]]),
        value("read", TensorProto.FLOAT, ["pairs", "places"]),
    ]
    graph = helper.make_graph(g.nodes, "kgbuild pairs", inputs, outputs, g.weights)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(MS, 1)], ir_version=9
    )


def weights(graph: bytes, encoder: str, part: str = "") -> dict[str, Array]:
    """The weights of a graph that :func:`build` or :func:`build_pairs` wrote, in float, by their names in torch.

    ``encoder`` is the prefix of what belongs to the encoder there (empty for the pairs' graph); ``part`` is ``BESIDE``
    for the second network of a graph that has two.
    """
    everything = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(graph).graph.initializer}
    have = {k.removeprefix(part): v for k, v in everything.items() if k.startswith(part or BESIDE) == bool(part)}
    out: dict[str, Array] = {}
    for name, value in have.items():
        if name.endswith(".weight"):
            own = value.astype(np.float32) * have[f"{name[:-7]}.scale"] if value.dtype == np.int8 else value
            linear = f"{name[:-7]}.bias" in have and own.ndim == 2
            out[_torch_name(name, encoder)] = own.T.copy() if linear else own
        elif name.endswith(".bias"):
            out[_torch_name(name, encoder)] = value
    if encoder:
        word = everything["word"]
        word = word.astype(np.float32) * everything["word.scale"] if word.dtype == np.int8 else word
        out |= {f"{encoder}word.weight": word, f"{encoder}shape.weight": have["shape"].T.copy()}
        if "place" in have:
            out[f"{encoder}pos.weight"] = have["place"]
    else:
        out["tag.weight"] = have["tag"]
    return out


def _torch_name(name: str, encoder: str) -> str:
    if name[0].isdigit():
        return f"{encoder}layers.{name}"
    return {"scores.weight": "score.weight", "scores.bias": "score.bias"}.get(name, f"{encoder}{name}" if name.startswith("norm.") else name)


def write(
    folder: Path,
    tagger: Mapping[str, Array],
    beside: Mapping[str, Array] | None,
    pairs: Mapping[str, Array] | None,
    tokenizer: Path,
    config: Mapping[str, Any],
    weight_max: int = 127,
) -> None:
    """A model folder: ``model.onnx``, ``pairs.onnx`` where there are ``pairs``, ``tokenizer.json``, ``config.json``; whole or not at all."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    share = config["beside"]["share"] if beside else 0.0
    onnx.save(build(tagger, weight_max=weight_max, beside=beside, share=share), str(fresh / "model.onnx"))
    if pairs is not None:
        onnx.save(build_pairs(pairs, weight_max=weight_max), str(fresh / FILE))
    text = json.loads(tokenizer.read_text(encoding="utf-8"))
    text["truncation"] = text["padding"] = None
    (fresh / "tokenizer.json").write_text(json.dumps(text, ensure_ascii=False), encoding="utf-8")
    (fresh / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
