"""The networks in torch, for training only: the tagger (an encoder, word features, word read-out, linear-chain CRF over
BIOES) and, on the states that its encoder leaves at the words, the reader of relations and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from kgbuild.nlp.pairs import FIGURE_FEATURES, KINDS, ROLES, TAGS, Sheet, pair_features
from kgbuild.nlp.tagger import FEATURES, legal, tag_names

FORBIDDEN = -1e4
EPSILON = 1e-12
HEAD = 32
"""Width of an attention head."""


class Dropout:
    """Dropout whose masks are slices of one pool of bits a rate: drawing them anew costs a tenth of a step on a CPU."""

    SIZE = 1 << 24
    pools: ClassVar[dict[float, Tensor]] = {}

    @classmethod
    def apply(cls, x: Tensor, rate: float, training: bool) -> Tensor:
        if not training or rate == 0:
            return x
        size = x.numel()
        if size > cls.SIZE // 2:
            return functional.dropout(x, rate)
        if rate not in cls.pools:
            bits = torch.rand(cls.SIZE, generator=torch.Generator().manual_seed(1)) >= rate
            cls.pools[rate] = bits.to(torch.bfloat16) / (1 - rate)
        start = int(torch.randint(0, cls.SIZE - size, (1,)))
        return x * cls.pools[rate][start : start + size].view(x.shape).to(x.dtype)


class Layer(nn.Module):
    """One transformer layer, normalised after each half, as in BERT; its heads are ``HEAD`` wide, however many."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * heads * HEAD)
        self.out = nn.Linear(heads * HEAD, width)
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, mask: Tensor, dropout: float) -> Tensor:
        batch, size, _ = x.shape
        q, k, v = self.qkv(x).view(batch, size, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        mixed = torch.softmax(q * HEAD**-0.5 @ k.transpose(-1, -2) + mask, -1) @ v
        mixed = self.out(mixed.transpose(1, 2).reshape(batch, size, self.heads * HEAD))
        x = self.norm1(x + Dropout.apply(mixed, dropout, self.training))
        wide = self.down(functional.gelu(self.up(x)))
        out: Tensor = self.norm2(x + Dropout.apply(wide, dropout, self.training))
        return out


def resize(layers: nn.ModuleList, state: Mapping[str, Any], prefix: str) -> None:
    """Gives each layer as many heads and inner units as it has in these weights, fresh: a slim model has fewer."""
    for i, layer in enumerate(layers):
        sizes = [state[n].shape[1] for n in (f"{prefix}{i}.out.weight", f"{prefix}{i}.down.weight") if n in state]
        if len(sizes) == 2 and sizes != [layer.out.in_features, layer.down.in_features]:
            layers[i] = Layer(layer.out.out_features, sizes[0] // HEAD, sizes[1])


def pick(states: Tensor, places: Tensor) -> Tensor:
    """[batch, words, width] the states at these places of a [batch, subwords, width]."""
    return torch.gather(states, 1, places[:, :, None].expand(-1, -1, states.shape[2]))


class Encoder(nn.Module):
    """BERT's encoder; the features of each subword's word are added to its embedding (by zeros, at first).

    The embeddings of the subwords stay as they are, which saves a tenth of a step.
    """

    parts = 2
    """Tensors that it gives for each word."""

    def __init__(self, vocabulary: int = 30522, width: int = 384, heads: int = 12, inner: int = 1536, layers: int = 6) -> None:
        super().__init__()
        self.word = nn.Embedding(vocabulary, width)
        self.word.weight.requires_grad_(False)
        self.pos = nn.Embedding(512, width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.shape = nn.Linear(len(FEATURES), width, bias=False)
        nn.init.zeros_(self.shape.weight)
        self.layers = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))

    def forward(self, b: Mapping[str, Tensor], dropout: float) -> tuple[Tensor, ...]:
        """The states of each word's first and last subword, each [batch, words, width]."""
        x = self.norm(self.word(b["ids"]) + self.pos.weight[: b["ids"].shape[1]] + self.shape(b["feats"]))
        x = Dropout.apply(x, dropout, self.training)
        kind = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
        mask = torch.zeros(b["pad"].shape, dtype=kind).masked_fill(b["pad"], FORBIDDEN)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask, dropout)
        return pick(x, b["heads"]), pick(x, b["tails"])

    def load_bert(self, path: Path | str) -> None:
        """Weights from a BERT ``model.safetensors`` with Hugging Face's names."""
        have: Mapping[str, Tensor] = {k.removeprefix("bert."): v for k, v in load_file(str(path)).items()}
        at = "embeddings."
        weights = {
            "word.weight": have[f"{at}word_embeddings.weight"],
            "pos.weight": have[f"{at}position_embeddings.weight"] + have[f"{at}token_type_embeddings.weight"][0],
            "norm.weight": have[f"{at}LayerNorm.weight"],
            "norm.bias": have[f"{at}LayerNorm.bias"],
        }
        names = {
            "out": "attention.output.dense",
            "norm1": "attention.output.LayerNorm",
            "up": "intermediate.dense",
            "down": "output.dense",
            "norm2": "output.LayerNorm",
        }
        for i in range(len(self.layers)):
            old = f"encoder.layer.{i}."
            for kind in ("weight", "bias"):
                parts = [have[f"{old}attention.self.{n}.{kind}"] for n in ("query", "key", "value")]
                weights[f"layers.{i}.qkv.{kind}"] = torch.cat(parts)
                weights.update({f"layers.{i}.{n}.{kind}": have[f"{old}{o}.{kind}"] for n, o in names.items()})
        missing, odd = self.load_state_dict(weights, strict=False)
        if missing != ["shape.weight"] or odd:
            raise ValueError(f"not the encoder this expects: missing {missing}, unknown {odd}")


class Convolution(nn.Module):
    """A gated convolution over a word and the two that stand ``dilation`` before and after it, added to its state."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.mix = nn.Linear(3 * width, 2 * width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, mask: Tensor, dropout: float) -> Tensor:
        size = x.shape[1]
        wide = functional.pad(x * mask, (0, 0, self.dilation, self.dilation))
        near = [wide[:, k * self.dilation : k * self.dilation + size] for k in range(3)]
        mixed = functional.glu(self.mix(torch.cat(near, -1)), -1)
        out: Tensor = self.norm(x + Dropout.apply(mixed, dropout, self.training))
        return out


class Convolutions(nn.Module):
    """An encoder for speed: words are the embeddings of their subwords (first, last and mean), read by dilated
    convolutions (Strubell et al. 2017) that see fifteen words on either side; half-way, each word hears of its twins
    elsewhere in the text.

    The embeddings stay as they are: their gradient would cost more than all else.
    """

    parts = 1

    def __init__(self, vocabulary: int = 30522, embedded: int = 384, width: int = 128, layers: int = 4) -> None:
        super().__init__()
        self.word = nn.Embedding(vocabulary, embedded)
        self.word.weight.requires_grad_(False)
        self.enter = nn.Linear(3 * embedded, width)
        self.shape = nn.Linear(len(FEATURES), width, bias=False)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.layers = nn.ModuleList(Convolution(width, 2**i) for i in range(layers))
        self.twin = nn.Linear(width, width)

    def forward(self, b: Mapping[str, Tensor], dropout: float) -> tuple[Tensor, ...]:
        """The state of each word [batch, words, width]."""
        rows = self.word(b["ids"])
        first, last, sums = pick(rows, b["heads"]), pick(rows, b["tails"]), rows.cumsum(1)
        length = (b["tails"] - b["heads"] + 1)[:, :, None]
        mean = (pick(sums, b["tails"]) - pick(sums, b["heads"]) + first) / length
        x = self.norm(self.enter(torch.cat([first, last, mean], -1)) + self.shape(pick(b["feats"], b["heads"])))
        x = Dropout.apply(x, dropout, self.training)
        mask = (torch.arange(x.shape[1]) < b["n"][:, None])[:, :, None].to(x.dtype)
        for i, layer in enumerate(self.layers):
            if 2 * i == len(self.layers):
                x = x + self.twin(b["same"].to(x.dtype) @ x)
            x = layer(x, mask, dropout)
        return (x,)

    def load_bert(self, path: Path | str) -> None:
        """Embeddings from a BERT ``model.safetensors`` with Hugging Face's names."""
        have = {k.removeprefix("bert."): v for k, v in load_file(str(path)).items()}
        self.word.load_state_dict({"weight": have["embeddings.word_embeddings.weight"]})


class Tagger(nn.Module):
    """Scores of every tag at every word, and the CRF's score of one tag after another.

    A word is read out by what the encoder gives for it (BERT: the states of its first and last subword) and the mean of
    the first of these over all words of the text that are spelt like it.
    """

    pairs: Tensor
    opens: Tensor
    closes: Tensor

    def __init__(self, labels: Sequence[str], fast: bool = False) -> None:
        super().__init__()
        size = len(tag_names(labels))
        self.encoder: Encoder | Convolutions = Convolutions() if fast else Encoder()
        hidden = 128 if fast else 256
        self.mid = nn.Linear((self.encoder.parts + 1) * self.encoder.norm.normalized_shape[0], hidden)
        self.score = nn.Linear(hidden, size)
        self.trans = nn.Parameter(torch.zeros(size, size))
        self.first = nn.Parameter(torch.zeros(size))
        self.last = nn.Parameter(torch.zeros(size))
        for name, rule in zip(("pairs", "opens", "closes"), legal(labels), strict=True):
            self.register_buffer(name, torch.tensor(rule), persistent=False)

    def forward(self, b: Mapping[str, Tensor], dropout: float = 0.0) -> tuple[Tensor, Tensor]:
        """Scores [batch, words, tags] in float32, and the state of each word (its first subword) [batch, words, width]."""
        states = self.encoder(b, dropout)
        first = states[0]
        x = torch.cat([*states, b["same"].to(first.dtype) @ first], -1)
        scores: Tensor = self.score(Dropout.apply(functional.gelu(self.mid(x)), 2 * dropout, self.training))
        return scores.float(), first

    def nll(self, scores: Tensor, gold: Tensor, lengths: Tensor) -> Tensor:
        """Negative log likelihood of the gold tags, summed over the batch; rescaled probabilities, no logs in the loop."""
        trans = self.trans.masked_fill(~self.pairs, FORBIDDEN)
        first, last = self.first.masked_fill(~self.opens, FORBIDDEN), self.last.masked_fill(~self.closes, FORBIDDEN)
        keep = torch.arange(scores.shape[1])[None] < lengths[:, None]
        ends = gold.gather(1, (lengths - 1)[:, None])[:, 0]
        path = (scores.gather(2, gold[..., None])[..., 0] * keep).sum(1) + first[gold[:, 0]] + last[ends]
        path = path + (trans[gold[:, :-1], gold[:, 1:]] * keep[:, 1:]).sum(1)
        top = scores.max(2, keepdim=True).values.detach()
        local, moves = (scores - top).exp(), trans.exp()
        row = local[:, 0] * first.exp()
        norm = row.sum(1, keepdim=True)
        row, logs, one = row / norm, [norm.log()], torch.ones(())
        shortest = int(lengths.min())
        for t in range(1, scores.shape[1]):
            step = (row @ moves) * local[:, t]
            norm = step.sum(1, keepdim=True)
            if t < shortest:
                row = step / norm
            else:
                alive = keep[:, t, None]
                row, norm = torch.where(alive, step / norm, row), torch.where(alive, norm, one)
            logs.append(norm.log())
        whole = torch.cat(logs, 1).sum(1) + (row * last.exp()).sum(1).log() + (top[..., 0] * keep).sum(1)
        return (whole - path).sum()


class Pairs(nn.Module):
    """Judges the pairs and figures of sheets, see :mod:`kgbuild.nlp.pairs`.

    The end of a pair is the log-sum-exp of its mentions' states; its context the words that both ends attend to
    (ATLOP, Zhou et al. 2021).
    """

    LIMIT = 12.0
    """States are clipped to this, so that their exponentials stay finite."""

    def __init__(self, types: int, width: int = 384, size: int = 256, heads: int = 8, layers: int = 2, queries: int = 4) -> None:
        super().__init__()
        self.queries = queries
        self.enter = nn.Linear(width, size)
        self.tag = nn.Embedding(TAGS, size)
        self.norm = nn.LayerNorm(size, eps=EPSILON)
        self.layers = nn.ModuleList(Layer(size, heads, 4 * size) for _ in range(layers))
        self.query, self.key = nn.Linear(size, size), nn.Linear(size, size)
        self.head, self.tail = nn.Linear(size, size), nn.Linear(size, size)
        self.hctx, self.tctx = nn.Linear(size, size, bias=False), nn.Linear(size, size, bias=False)
        self.feat = nn.Linear(pair_features(types), size)
        self.mid = nn.Linear(3 * size, size, bias=False)
        self.out = nn.Linear(size, types + 2)
        self.fmid = nn.Linear(size, 64)
        self.ffeat = nn.Linear(FIGURE_FEATURES, 64, bias=False)
        self.fout = nn.Linear(64, 1 + len(KINDS) + len(ROLES))
        nn.init.normal_(self.tag.weight, std=0.3)

    def forward(self, states: Tensor, sheets: Sequence[Sheet], dropout: float = 0.0) -> list[tuple[Tensor, Tensor]]:
        """For each sheet the scores of its pairs [pairs, none and types and "is about"] and of its figures [figures,
        none and kinds and a none for each role]. ``states`` is [sheets, words, width], padded."""
        places = max(len(s.tags) for s in sheets)
        tags = torch.zeros(len(sheets), places, dtype=torch.long)
        padding = torch.ones(len(sheets), places, dtype=torch.bool)
        for i, s in enumerate(sheets):
            tags[i, : len(s.tags)], padding[i, : len(s.tags)] = torch.from_numpy(s.tags), False
        blank = torch.zeros(len(sheets), 1, states.shape[2], dtype=states.dtype)
        x = self.norm(self.enter(torch.cat([blank, states[:, : places - 1]], 1)) + self.tag(tags))
        x = Dropout.apply(x, dropout, self.training)
        mask = torch.zeros(padding.shape, dtype=x.dtype).masked_fill(padding, FORBIDDEN)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, mask, dropout)
        return [self._judge(x[i, : len(s.tags)].float(), s, dropout) for i, s in enumerate(sheets)]

    def _judge(self, words: Tensor, sheet: Sheet, dropout: float) -> tuple[Tensor, Tensor]:
        size = words.shape[1]
        nodes = torch.log(torch.from_numpy(sheet.members) @ torch.exp(words.clamp(-self.LIMIT, self.LIMIT)) + 1e-9)
        asked = self.query(nodes).view(-1, self.queries, size // self.queries).transpose(0, 1).float()
        keyed = self.key(words).view(-1, self.queries, size // self.queries).permute(1, 2, 0).float()
        attention = torch.softmax(asked @ keyed * (size / self.queries) ** -0.5, -1)
        heads, tails = torch.from_numpy(sheet.pairs).T
        read = (attention[:, heads] * attention[:, tails]).sum(0)
        context = (read / (read.sum(1, keepdim=True) + 1e-6)) @ words
        u = torch.tanh(self.head(nodes)[heads] + self.hctx(context))
        v = torch.tanh(self.tail(nodes)[tails] + self.tctx(context))
        z = Dropout.apply(torch.cat([u * v, u, v], -1), dropout, self.training)
        mid = functional.gelu(self.mid(z) + self.feat(torch.from_numpy(sheet.features)))
        related: Tensor = self.out(Dropout.apply(mid, 2 * dropout, self.training)).float()
        some = Dropout.apply(nodes[len(nodes) - len(sheet.figures) :], dropout, self.training)
        seen = functional.gelu(self.fmid(some) + self.ffeat(torch.from_numpy(sheet.shapes)))
        judged: Tensor = self.fout(Dropout.apply(seen, 2 * dropout, self.training)).float()
        return related, judged
