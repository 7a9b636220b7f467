"""A workspace holds exactly the papers it was given, whatever happened on the way."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

import kgbuild as kg
from kgbuild import pipeline
from kgbuild.errors import NotFoundError, SourceError, WorkspaceError
from kgbuild.resources import sample
from kgbuild.workspace import Shards, Workspace

NETS = ["BERT", "RoBERTa", "ResNet-50", "LoRA", "T5", "DETR", "Whisper", "PPO"]
DATA = ["SQuAD", "ImageNet", "COCO", "GSM8K", "LibriSpeech", "MNLI", "CIFAR-10"]


def made_paper(n: int) -> dict[str, object]:
    net, data = NETS[n % len(NETS)], DATA[n % len(DATA)]
    abstract = f"We propose Loom{n}Net, which builds on {net}. We evaluate it on {data}, where it reaches {50 + n % 50}.{n % 10}% accuracy."
    return {"id": f"made:{n:05}", "title": f"Study {n} of {net}", "abstract": abstract, "year": 2000 + n % 25, "source": "made"}


def write_papers(path: Path, numbers: range) -> Path:
    path.write_text("".join(json.dumps(made_paper(n)) + "\n" for n in numbers), encoding="utf-8")
    return path


def tables(workspace: Path) -> dict[str, bytes]:
    """The bytes of every table."""
    folder = Workspace(workspace).tables().folder
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*.parquet"))}


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., kg.Report]:
    def run(name: str, *numbers: range) -> kg.Report:
        files = [write_papers(tmp_path / f"{r.start}-{r.stop}.jsonl", r) for r in numbers]
        return kg.build(files, tmp_path / name, model="rules")

    return run


def test_building_again_changes_nothing_and_reads_nothing_again(tmp_path: Path, build: Callable[..., kg.Report]):
    first = build("w", range(30))
    assert (first.papers, first.extracted, first.changed) == (30, 30, True)
    before = tables(tmp_path / "w")
    second = build("w", range(30))
    assert (second.papers, second.extracted, second.changed) == (30, 0, False)
    assert tables(tmp_path / "w") == before


def test_what_people_reach_is_on_no_leaderboard(tmp_path: Path):
    abstract = "We propose HumbleNet. On SQuAD, HumbleNet reaches 88.1 F1, while humans reach 89.5 F1."
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "made:1", "title": "HumbleNet: Reading", "abstract": abstract}), encoding="utf-8")
    kg.build([tmp_path / "p.jsonl"], tmp_path / "w", model="rules")
    with kg.open(tmp_path / "w") as graph:
        assert [(row["method"], row["value"]) for row in graph.query("leaderboard", dataset="SQuAD")] == [("HumbleNet", "88.1")]
        assert sorted(row["v"] for row in graph.cypher("MATCH (r:Result) RETURN r.value AS v")) == ["88.1", "89.5"]


def test_a_workspace_keeps_the_rules_that_it_was_built_with(tmp_path: Path):
    papers = write_papers(tmp_path / "a.jsonl", range(8))
    rules = tmp_path / "mine.jsonl"
    rules.write_text('{"id": "metric:accuracy", "off": true}\n{"id": "dataset:loom", "label": "Dataset", "name": "accuracy"}', encoding="utf-8")

    def ids() -> set[str]:
        """Which of these entities the graph has."""
        tables = Workspace(tmp_path / "w").tables()
        return {"metric:accuracy", "dataset:loom", "task:weaving"} & {i for label in ("Metric", "Dataset", "Task") for i in tables.nodes(label)["id"]}

    kg.build([papers], tmp_path / "w", model="rules", rules=[rules])
    assert ids() == {"dataset:loom"}
    before = tables(tmp_path / "w")
    rules.unlink()
    more = write_papers(tmp_path / "b.jsonl", range(8, 9))
    assert kg.add([more], tmp_path / "w").extracted == 1
    assert ids() == {"dataset:loom"}
    assert kg.remove(["made:00008"], tmp_path / "w").extracted == 0
    assert tables(tmp_path / "w") == before
    rules.write_text('{"id": "task:weaving", "label": "Task", "name": "evaluate it"}', encoding="utf-8")
    assert kg.add([more], tmp_path / "w", rules=[rules]).extracted == 9
    assert ids() == {"metric:accuracy", "task:weaving"}
    assert kg.build([papers], tmp_path / "w", model="rules").extracted == 8
    assert Workspace(tmp_path / "w").rules() == []


def test_the_split_and_order_of_inputs_change_nothing(tmp_path: Path, build: Callable[..., kg.Report]):
    build("one", range(20))
    build("two", range(10, 20), range(10))
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def test_adding_is_building_with_more(tmp_path: Path, build: Callable[..., kg.Report]):
    build("whole", range(20))
    build("grown", range(12))
    report = kg.add([write_papers(tmp_path / "more.jsonl", range(8, 20))], tmp_path / "grown")
    assert (report.papers, report.read, report.extracted) == (20, 12, 8)
    assert tables(tmp_path / "grown") == tables(tmp_path / "whole")


def test_removing_takes_along_what_only_that_paper_supported(tmp_path: Path, build: Callable[..., kg.Report]):
    build("whole", range(12))
    build("cut", range(14))
    report = kg.remove(["made:00012", "Study 13 of DETR"], tmp_path / "cut")
    assert report.papers == 12
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")
    assert Shards(Workspace(tmp_path / "cut"), kg.open(tmp_path / "cut").stats()["versions"]["pipeline"]).keys() == {p.key for p in kg.open(tmp_path / "cut").papers()}


def test_removing_what_is_not_there_removes_nothing(tmp_path: Path, build: Callable[..., kg.Report]):
    build("w", range(3))
    with pytest.raises(NotFoundError, match="no paper 'made:99999'"):
        kg.remove(["made:00001", "made:99999"], tmp_path / "w")
    assert len(kg.open(tmp_path / "w").papers()) == 3


def test_a_paper_that_comes_twice_counts_once():
    assert len(list(kg.read(sample()))) == 42
    assert len({p.id for p in pipeline.sources.merge(kg.read(sample()))}) == 40


def test_reading_refuses_what_it_cannot_read_unless_told_otherwise(tmp_path: Path):
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(SourceError, match=r"bad\.jsonl:1"):
        list(kg.read([tmp_path / "bad.jsonl"]))


def test_papers_can_be_given_as_values(tmp_path: Path):
    report = kg.build([kg.Paper(id="x:1", title="BERT on SQuAD", abstract="We fine-tune BERT on SQuAD.")], tmp_path / "w", model="rules")
    assert report.papers == 1
    assert kg.open(tmp_path / "w").entity("squad").label == "Dataset"


def test_what_cannot_be_read_is_counted_and_the_rest_is_built(tmp_path: Path):
    good, bad = write_papers(tmp_path / "good.jsonl", range(3)), tmp_path / "bad.jsonl"
    bad.write_text('{"title": "No abstract"}\nnot json\n' + json.dumps(made_paper(7)) + "\n")
    report = kg.build([good, bad, tmp_path / "missing.jsonl"], tmp_path / "w", model="rules")
    assert (report.papers, report.quarantined) == (4, 3)
    graph = kg.open(tmp_path / "w")
    assert graph.stats()["quarantined"] == 3
    assert {(Path(r["source"]).name, r["line"]) for r in graph.quarantine()} >= {("bad.jsonl", 1), ("bad.jsonl", 2)}


def test_nothing_readable_leaves_the_workspace_as_it_was(tmp_path: Path, build: Callable[..., kg.Report]):
    build("w", range(3))
    before = tables(tmp_path / "w")
    with pytest.raises(SourceError, match="no paper could be read"):
        kg.build([tmp_path / "missing.jsonl"], tmp_path / "w", model="rules")
    assert tables(tmp_path / "w") == before


def test_two_builders_at_once_are_told_apart(tmp_path: Path, build: Callable[..., kg.Report]):
    build("w", range(3))
    with Workspace(tmp_path / "w").lock(), pytest.raises(WorkspaceError, match="another process"):
        kg.remove(["made:00001"], tmp_path / "w")


def test_a_workspace_that_was_never_built_says_what_to_do(tmp_path: Path):
    with pytest.raises(WorkspaceError, match="kgbuild build"):
        kg.open(tmp_path)


def test_a_damaged_shard_is_read_again(tmp_path: Path, build: Callable[..., kg.Report]):
    build("w", range(5))
    before = tables(tmp_path / "w")
    (shard,) = (tmp_path / "w" / "extractions").rglob("*.jsonl.gz")
    shard.write_bytes(shard.read_bytes()[:-9])
    report = build("w", range(5))
    assert (report.extracted, report.changed) == (5, False)
    assert tables(tmp_path / "w") == before


def test_a_killed_build_goes_on_where_it_was(tmp_path: Path, build: Callable[..., kg.Report]):
    papers = 3 * pipeline.SHARD
    source = write_papers(tmp_path / "papers.jsonl", range(papers))
    command = [sys.executable, "-m", "kgbuild", "build", str(source), "-w", str(tmp_path / "killed"), "--model", "rules"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not list((tmp_path / "killed").glob("extractions/*/*.jsonl.gz")):
            os.sched_yield()
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert not (tmp_path / "killed" / "manifest.json").exists()
    report = kg.build([source], tmp_path / "killed", model="rules")
    assert 0 < report.extracted <= papers - pipeline.SHARD
    kg.build([source], tmp_path / "whole", model="rules")
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")


def test_an_interrupted_build_keeps_what_it_extracted(tmp_path: Path):
    papers = 2 * pipeline.SHARD
    source = write_papers(tmp_path / "papers.jsonl", range(papers))
    command = [sys.executable, "-m", "kgbuild", "build", str(source), "-w", str(tmp_path / "w"), "--model", "rules"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not list((tmp_path / "w").glob("extractions/*/*.jsonl.gz")):
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    shards = list((tmp_path / "w").glob("extractions/*/*.jsonl.gz"))
    done = sum(len(gzip.decompress(s.read_bytes()).splitlines()) for s in shards)
    assert kg.build([source], tmp_path / "w", model="rules").extracted == papers - done


def test_a_store_that_a_kill_left_behind_is_brought_up_by_the_next_reader(tmp_path: Path, build: Callable[..., kg.Report]):
    build("w", range(5))
    for left in ("embedded.kgl", "embedded.graph"):
        (tmp_path / "w" / left).unlink()
        assert kg.open(tmp_path / "w").cypher("MATCH (p:Paper) RETURN count(p) AS n") == [{"n": 5}]


def test_shards_hold_no_text(tmp_path: Path, build: Callable[..., kg.Report]):
    build("w", range(2))
    (shard,) = (tmp_path / "w" / "extractions").rglob("*.jsonl.gz")
    assert "evaluate it" not in gzip.decompress(shard.read_bytes()).decode()


def test_progress_is_told(tmp_path: Path):
    heard: list[tuple[str, int, int | None]] = []
    kg.build([write_papers(tmp_path / "p.jsonl", range(4))], tmp_path / "w", model="rules", progress=lambda *step: heard.append(step))
    assert {stage for stage, _, _ in heard} == {"read", "extract", "graph", "store"}
    assert ("extract", 4, 4) in heard


def test_a_report_is_plain_data(build: Callable[..., kg.Report]):
    report = asdict(build("w", range(3)))
    assert json.loads(json.dumps(report)) == report
    assert report["nodes"]["Paper"] == 3
