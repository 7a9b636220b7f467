"""Training, with the real networks, on a few records: it goes on where it was, and what it packages works."""

import importlib.util
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from kgbuild import nlp as extraction
from kgbuild.cli import main
from kgbuild.errors import ModelError
from kgbuild.nlp.model import FILES, PACKAGED, read_model
from kgbuild.nlp.pairs import FILE
from kgbuild.nlp.tagger import Subwords, Tagger, encode
from kgbuild.records import Paper
from kgbuild.resources import sample
from kgbuild.training import Settings, train

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed: pip install -e '.[train]'")
FEW = Settings(start="default", hold=4, epochs=1, batch=4, every=1, threads=1, bfloat16=False)


def silent(stage, done, total):
    """No progress."""


@pytest.fixture(scope="module")
def gold(tmp_path_factory):
    """Records as the rules read them in the bundled sample: enough to learn something from."""
    target = tmp_path_factory.mktemp("gold") / "gold.jsonl"
    done = CliRunner().invoke(main, ["extract", *map(str, sample()), "--model", "rules", "-o", str(target)])
    assert done.exit_code == 0, done.output
    lines = target.read_text(encoding="utf-8").splitlines()[:16]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target


@needs_torch
def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(gold, tmp_path):
    def stop(stage, done, total):
        if (stage, done) == ("train", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(gold, tmp_path / "a", FEW, stop)
    train(gold, tmp_path / "a", FEW, silent)
    train(gold, tmp_path / "b", FEW, silent)
    files = [*FILES, FILE]
    assert [(tmp_path / "a" / "model" / f).read_bytes() for f in files] == [(tmp_path / "b" / "model" / f).read_bytes() for f in files]
    with pytest.raises(ModelError, match="other settings"):
        train(gold, tmp_path / "a", Settings(hold=4, seed=2), silent)


@needs_torch
def test_the_command_trains_a_model_that_the_pipeline_takes(gold, tmp_path):
    run = ["train", str(gold), "-o", str(tmp_path / "run"), "--start", "default", "--hold", "4", "--epochs", "0.4", "--threads", "1"]
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    assert "mention F1" in done.output
    figures = json.loads((tmp_path / "run" / "figures.json").read_text(encoding="utf-8"))
    assert figures["records"] == 4
    # one step from the packaged model forgets little of what that knows
    assert figures["scores"]["mention"]["f1"] > 0.5
    nlp = extraction.load(str(tmp_path / "run" / "model"))
    assert extraction.version(nlp) != extraction.version(extraction.load("default"))
    [(_, x)] = extraction.extract(nlp, [Paper(id="title:x", title="FlockNet", abstract="We propose FlockNet for image classification on ImageNet.")])
    assert any(m.lexicon == "dataset:imagenet" for m in x.mentions)


@needs_torch
def test_the_fast_network_learns_mentions_and_says_in_its_graph_what_it_says_in_torch(gold, tmp_path):
    import numpy as np
    import torch

    from kgbuild.training.fit import Networks, collate
    from kgbuild.training.package import begin, tokenizer_of

    run = ["train", str(gold), "-o", str(tmp_path / "run"), "--fast", "--start", "default", "--hold", "4", "--lr", "0.003", "--epochs", "60", "--threads", "1"]
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "run" / "model"
    assert not (folder / FILE).exists()
    assert json.loads((tmp_path / "run" / "figures.json").read_text(encoding="utf-8"))["scores"]["mention"]["f1"] > 0.4
    networks = Networks(Settings().labels, fast=True)
    before = {k: v.clone() for k, v in networks.tagger.state_dict().items()}
    begin(networks, folder)
    assert [k for k, v in networks.tagger.state_dict().items() if torch.equal(v, before[k])] == []
    networks.eval()
    tagger, tokenizer = Tagger.load(read_model(folder)), tokenizer_of(folder)
    texts = ["Birds\nWe present FlockNet, a nest of BERT; FlockNet beats bert-base.", "On\nSQuAD", "One"]
    windows = [encode(Subwords(tokenizer), text)[1][0] for text in texts]
    with torch.no_grad():
        batch, _ = networks.tagger(collate([(w, np.zeros(len(w.heads), dtype=np.int64)) for w in windows]))
    for text, scores in zip(texts, batch.numpy(), strict=True):
        _, alone, _ = tagger.encode(text)
        assert np.abs(scores[: len(alone)] - alone).max() < 0.05 * np.abs(alone).max()


@needs_torch
def test_a_fast_network_beside_another_speaks_its_part(gold, tmp_path):
    import numpy as np

    fast = tmp_path / "fast"
    train(gold, fast, replace(FEW, fast=True), silent)
    train(gold, tmp_path / "both", replace(FEW, epochs=0, beside=str(fast / "model")), silent)
    train(gold, tmp_path / "kept", replace(FEW, epochs=0, start=str(tmp_path / "both" / "model")), silent)
    alone, beside, both, kept = (
        Tagger.load(read_model(f)).encode("Birds\nWe present FlockNet, a nest of BERT.")
        for f in (PACKAGED["default"], fast / "model", tmp_path / "both" / "model", tmp_path / "kept" / "model")
    )
    assert np.abs(both[1] - kept[1]).max() < 0.02 * np.abs(both[1]).max()
    # of the packaged one, its own part counts
    assert not np.allclose(both[1], alone[1], atol=0.1)
    assert not np.allclose(both[1], beside[1], atol=0.1)
    train(gold, tmp_path / "plain", replace(FEW, epochs=0, hold=0, start=None), silent)
    with pytest.raises(ModelError, match="no fast network"):
        train(gold, tmp_path / "none", replace(FEW, epochs=0, beside=str(tmp_path / "plain" / "model")), silent)


@needs_torch
def test_of_silver_records_mentions_alone_are_learnt(gold, tmp_path):
    lines = gold.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "gold.jsonl").write_text("".join(lines[:12]), encoding="utf-8")
    (tmp_path / "silver.jsonl").write_text("".join(lines[12:]), encoding="utf-8")
    seen = []
    settings = replace(FEW, hold=2, epochs=0)
    train(tmp_path / "gold.jsonl", tmp_path / "run", settings, lambda *at: seen.append(at), silver=tmp_path / "silver.jsonl")
    assert ("read", 14, 14) in seen
    with pytest.raises(ModelError, match=r"gold\.jsonl too"):
        train(gold, tmp_path / "again", replace(settings, hold=12), silent, silver=gold)


@needs_torch
def test_a_slim_model_has_fewer_heads_and_units_and_goes_on_slim(gold, tmp_path):
    import numpy as np
    import torch

    from kgbuild.training.fit import Networks, collate
    from kgbuild.training.package import begin, tokenizer_of

    def stop(stage, done, total):
        if (stage, done) == ("train", 2):
            raise KeyboardInterrupt

    settings = replace(FEW, start=None, slim=0.5, epochs=0.8)
    with pytest.raises(KeyboardInterrupt):
        train(gold, tmp_path / "run", settings, stop)
    train(gold, tmp_path / "run", settings, silent)
    folder = tmp_path / "run" / "model"
    networks = Networks(settings.labels)
    begin(networks, folder)
    networks.eval()
    layers = networks.tagger.encoder.layers
    assert sum(layer.heads for layer in layers) == pytest.approx(36, abs=3)
    assert sum(layer.up.out_features for layer in layers) == pytest.approx(4608, abs=100)
    assert sum(layer.heads for layer in networks.pairs.layers) == pytest.approx(8, abs=2)
    assert len({(layer.heads, layer.up.out_features) for layer in layers}) > 1
    text = "Birds\nWe present FlockNet, a nest of BERT; FlockNet beats bert-base."
    window = encode(Subwords(tokenizer_of(folder)), text)[1][0]
    with torch.no_grad():
        scores, _ = networks.tagger(collate([(window, np.zeros(len(window.heads), dtype=np.int64))]))
    _, said, _ = Tagger.load(read_model(folder)).encode(text)
    assert np.abs(scores[0].numpy() - said).max() < 0.1 * np.abs(said).max()


@needs_torch
def test_relations_are_learnt_on_entities_that_a_model_found(gold, tmp_path):
    from kgbuild.evaluate.record import read_records
    from kgbuild.training.data import Reader
    from kgbuild.training.package import tokenizer_of

    records = read_records(gold)
    reader = Reader(tokenizer_of(None), FEW.labels)
    half = records[0].model_copy(update={"entities": records[0].entities[::2]})
    marked, found = reader.example(records[0], half).views
    assert [m.start for m in found.mentions] == sorted(e.start for e in half.entities)
    assert found.gold.items() <= {"paper": "paper", **{e.entity: e.entity for e in half.entities}}.items()
    assert len(marked.mentions) == len(records[0].entities)
    (tmp_path / "found.jsonl").write_text(gold.read_text(encoding="utf-8"), encoding="utf-8")
    train(gold, tmp_path / "run", replace(FEW, epochs=0.4), silent, found=tmp_path / "found.jsonl")
    with pytest.raises(ModelError, match="other settings or records"):
        train(gold, tmp_path / "run", replace(FEW, epochs=0.4), silent)
    (tmp_path / "others.jsonl").write_text(half.model_copy(update={"text": "Another\nabstract.", "entities": ()}).model_dump_json() + "\n", encoding="utf-8")
    with pytest.raises(ModelError, match="none of the papers to train on"):
        train(gold, tmp_path / "none", FEW, silent, found=tmp_path / "others.jsonl")
    with pytest.raises(ModelError, match="only the default network"):
        train(gold, tmp_path / "none", replace(FEW, fast=True, slim=0.5), silent)


@needs_torch
def test_labels_of_ones_own(tmp_path):
    text = "Birds\nThe finch sat on an oak. A wren sang in an elm."
    animals, plants = ("finch", "wren"), ("oak", "elm")
    entities = [
        {"start": text.index(w), "end": text.index(w) + len(w), "label": label, "text": w, "entity": w}
        for label, some in (("Animal", animals), ("Plant", plants))
        for w in some
    ]
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps({"id": f"title:{i}", "text": text, "entities": entities}) + "\n" for i in range(4)), encoding="utf-8")
    settings = Settings(labels=("Animal", "Plant"), hold=1, epochs=40, batch=4, threads=1, head_lr=3e-3, bfloat16=False)
    train(gold, tmp_path / "run", settings, silent)
    model = extraction.load(str(tmp_path / "run" / "model"))
    assert {(e.text, e.label_) for e in model(text).ents} >= {("wren", "Animal"), ("elm", "Plant")}


def test_a_type_of_which_hardly_any_is_found_counts_as_not_learnt():
    from kgbuild.training.package import NEVER, thresholds

    sure = [(0.9, True)] * 8 + [(0.1, False)] * 30
    rare = [(0.9, True)] + [(0.01, True)] * 9 + [(0.05, False)] * 200
    least = thresholds({"BASED_ON": sure, "PART_OF": rare}, 20)
    assert 0.1 < least["BASED_ON"] < 0.9
    assert least["PART_OF"] == NEVER


@needs_torch
def test_the_curve_of_few_statements_finds_how_often_they_are_right():
    import numpy as np

    from kgbuild.training.package import STRAIGHT, logistic

    draw = np.random.default_rng(1)
    said = draw.random(3000)
    # of what is said with 0.9 three in four are right, of 0.5 one in four
    right = draw.random(3000) < 1 / (1 + np.exp(-(np.log(said / (1 - said)) - np.log(3))))
    found = logistic([(float(p), bool(ok)) for p, ok in zip(said, right, strict=True)])
    assert np.interp([0.5, 0.9], found["stated"], found["true"]) == pytest.approx([0.25, 0.75], abs=0.04)
    assert found["true"] == sorted(found["true"])
    # where sure statements are wrong more often, none is told from another
    turned = logistic([(float(p), bool(not ok)) for p, ok in zip(said, right, strict=True)])
    assert turned["true"] == sorted(turned["true"])
    assert logistic([(0.3, True), (0.9, True)]) == STRAIGHT


@needs_torch
def test_weights_come_back_from_the_packaged_graphs():
    import torch

    from kgbuild.training.fit import Networks
    from kgbuild.training.package import begin

    networks = Networks(Settings().labels)
    before = {k: v.clone() for k, v in networks.state_dict().items()}
    begin(networks, PACKAGED["default"])
    same = [k for k, v in networks.state_dict().items() if torch.equal(v, before[k]) and not k.endswith(("pairs", "opens", "closes"))]
    # what starts as zeros or ones may come back as such
    assert [k for k in same if float(before[k].std()) > 0] == []


@needs_torch
@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (Settings(hold=4, labels=("Animal",)), "no record to train on marks Animal; .* marks .*Dataset"),
        (Settings(hold=4, start="nowhere"), "nowhere holds no model"),
        (Settings(hold=4, beside="nowhere"), "nowhere holds no model"),
    ],
)
def test_what_is_wrong_is_said_before_the_training(gold, tmp_path, settings, fault):
    with pytest.raises(ModelError, match=fault):
        train(gold, tmp_path / "run", settings, silent)
    assert not list(tmp_path.glob("run/*"))


def test_what_cannot_be_trained_is_said(gold, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    with pytest.raises(ModelError, match="none is left") if found("torch") else pytest.raises(ModelError, match=r"\[train\]"):
        train(gold, tmp_path / "run", Settings(hold=16), silent)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest))
    done = CliRunner().invoke(main, ["train", str(gold), "-o", str(tmp_path / "run")])
    assert done.exit_code == 1
    assert "pip install -e '.[train]'" in done.output
