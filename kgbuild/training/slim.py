"""Makes networks faster by leaving out the attention heads and inner units that matter least."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kgbuild.training import Progress, Settings
from kgbuild.training.data import Example, Reader, batches
from kgbuild.training.fit import Networks, items_of, loss_of
from kgbuild.training.net import HEAD, Encoder, resize

PAPERS = 300
"""Papers on which it is measured what matters."""
ROUND = 32
"""Inner units of a layer come in multiples of this, as processors like them."""


def slim(networks: Networks, examples: Sequence[Example], reader: Reader, s: Settings, progress: Progress) -> None:
    """Keeps ``s.slim`` of the heads and inner units, in place: of the encoder, and of the reader of relations where one is
    learnt; over all layers of either those whose loss matters most.

    What one matters is, to first order, how the loss of a batch changes without it: the gradient of a factor on what it
    adds (Michel et al. 2019; Molchanov et al. 2019), here summed in absolute value over batches.
    """
    assert isinstance(networks.tagger.encoder, Encoder)
    stacks = [networks.tagger.encoder.layers, *([networks.pairs.layers] if reader.relates else [])]
    items, _ = items_of(random.Random(s.seed).sample(list(examples), min(PAPERS, len(examples))), reader)
    order = batches([len(w.ids) for w, _, _ in items], s.batch, random.Random(s.seed))
    matter = {x: (torch.zeros(x.heads), torch.zeros(x.up.out_features)) for layers in stacks for x in layers}
    networks.eval()
    for n, chosen in enumerate(order, 1):
        loss, _ = loss_of(networks, [items[i] for i in chosen], reader, replace(s, mask=0.0), random.Random(f"{s.seed} {n}"))
        networks.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for layer, (heads, inner) in matter.items():
                if layer.out.weight.grad is not None:  # relations may be missing from a batch
                    heads += (layer.out.weight.grad * layer.out.weight).sum(0).view(-1, HEAD).sum(1).abs()
                    inner += (layer.down.weight.grad * layer.down.weight).sum(0).abs()
        progress("weigh", n, len(order))
    networks.zero_grad()
    for layers in stacks:
        kept = [_best([matter[x][part] for x in layers], s.slim, multiple) for part, multiple in ((0, 1), (1, ROUND))]
        state = dict(layers.state_dict())
        for k, (heads, inner) in enumerate(zip(*kept, strict=True)):
            places = (heads[:, None] * HEAD + torch.arange(HEAD)).flatten()
            rows = torch.cat([places + j * state[f"{k}.out.weight"].shape[1] for j in range(3)])
            for kind in ("weight", "bias"):
                state[f"{k}.qkv.{kind}"] = state[f"{k}.qkv.{kind}"][rows]
                state[f"{k}.up.{kind}"] = state[f"{k}.up.{kind}"][inner]
            state[f"{k}.out.weight"] = state[f"{k}.out.weight"][:, places]
            state[f"{k}.down.weight"] = state[f"{k}.down.weight"][:, inner]
        resize(layers, state, "")
        layers.load_state_dict(state)


def _best(matter: Sequence[Tensor], share: float, multiple: int) -> list[Tensor]:
    """For each layer the places of those that are among the best over all layers; as many as a multiple, and one multiple
    at the least."""
    pooled = torch.cat(list(matter)).sort(descending=True).values
    least = pooled[min(len(pooled), max(1, round(share * len(pooled)))) - 1]
    out = []
    for some in matter:
        count = min(len(some), max(multiple, round(int((some >= least).sum()) / multiple) * multiple))
        out.append(some.argsort(descending=True, stable=True)[:count].sort().values)
    return out
