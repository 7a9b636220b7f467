"""The commands as a user types them: rows on standard output, messages on standard error, exit codes that mean something."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from kgbuild.cli import main
from kgbuild.cli.build import DEMO
from kgbuild.queries import library
from kgbuild.resources import sample


def run(*arguments: object, exit_code: int = 0, **options: Any) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments], **options)
    assert result.exit_code == exit_code, result.output + str(result.exception)
    return result


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


COMMANDS = sorted(commands(main))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: tuple[str, ...]):
    said = run(*command, "--help").stdout
    assert "Usage:" in said
    # the line after usage is what the command does
    assert len(said.splitlines()[2].strip()) > 20


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] in ("add", "remove", "find", "stats", "cypher") or (len(c) == 2 and c[0] in ("query", "view"))], ids=" ".join)
def test_every_command_on_a_workspace_says_where_there_is_none(command: tuple[str, ...], tmp_path: Path):
    required = {"add": ["x"], "remove": ["x"], "find": ["x"], "cypher": ["RETURN 1"], "view": ["x"]}.get(command[0], [])
    if command[0] == "query":
        required = [word for p in library()[command[1]].parameters if p.required for word in (f"--{p.name}", "1")]
    said = run(*command, *required, "-w", tmp_path / "none", exit_code=1)
    assert "kgbuild build" in said.stderr
    assert said.stdout == ""


def test_build_reports_counts_and_nothing_else_on_standard_output(tmp_path: Path):
    said = run("build", *sample(), "-w", tmp_path / "w", "--model", "rules", "--format", "json")
    report = json.loads(said.stdout)
    assert (report["papers"], report["read"], report["quarantined"]) == (40, 42, 0)
    assert report["nodes"]["Paper"] == 40
    again = json.loads(run("build", *sample(), "-w", tmp_path / "w", "--model", "rules", "--format", "json").stdout)
    assert (again["extracted"], again["changed"]) == (0, False)


def test_what_cannot_be_read_is_told_and_gives_exit_code_3(tmp_path: Path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\n")
    said = run("build", sample()[1], bad, "-w", tmp_path / "w", "--model", "rules", exit_code=3)
    assert "bad.jsonl:1" in said.stderr
    assert said.stderr.splitlines()[-1].endswith("1 quarantined")
    assert json.loads(run("stats", "-w", tmp_path / "w", "--format", "json").stdout)["quarantined"] == 1


@pytest.mark.parametrize("content", [None, b"", b"\x00\x01\x02\xff" * 100, b"Just a letter.\n\nNo paper at all.\n", b"\xff\xfeh\x00i\x00"], ids=["missing", "empty", "binary", "letter", "utf16"])
@pytest.mark.parametrize("command", ["build", "extract"])
def test_input_that_is_no_paper_at_all_is_one_plain_message(tmp_path: Path, content: bytes | None, command: str):
    path = tmp_path / "input.txt"
    if content is not None:
        path.write_bytes(content)
    where = ["-w", tmp_path / "w"] if command == "build" else ["-o", tmp_path / "out.jsonl"]
    said = run(command, path, *where, "--model", "rules", exit_code=1)
    assert "no paper could be read" in said.stderr
    assert "Traceback" not in said.output
    assert not (tmp_path / "out.jsonl").exists()


def test_a_directory_is_no_input(tmp_path: Path):
    assert "no paper could be read" in run("build", tmp_path, "-w", tmp_path / "w", "--model", "rules", exit_code=1).stderr


def test_extract_writes_a_record_a_paper_with_offsets_into_the_text(tmp_path: Path):
    target = tmp_path / "out.jsonl"
    said = run("extract", *sample(), "-o", target, "--model", "rules", "--format", "json")
    records = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 40
    assert said.stderr == "40 papers, 0 quarantined\n"
    counts = json.loads(said.stdout)
    assert (counts["papers"], counts["entities"]) == (40, sum(len(r["entities"]) for r in records))
    for record in records:
        assert record["entities"]
        for m in record["entities"]:
            assert record["text"][m["start"] : m["end"]] == m["text"]
    assert run("extract", *sample(), "-o", "-", "--model", "rules").stdout == target.read_text(encoding="utf-8")


def test_standard_input_is_read(tmp_path: Path):
    said = run("build", "-", "-w", tmp_path / "w", "--model", "rules", "--format", "json", input=sample()[1].read_text(encoding="utf-8"))
    assert json.loads(said.stdout)["papers"] == 12


def test_add_and_remove(tmp_path: Path):
    page, lines = sample()
    run("build", page, "-w", tmp_path / "w", "--model", "rules")
    assert json.loads(run("add", lines, "-w", tmp_path / "w", "--format", "json").stdout)["papers"] == 40
    assert json.loads(run("remove", "sample:0001", "-w", tmp_path / "w", "--format", "json").stdout)["papers"] == 39
    assert "no paper 'sample:0001'" in run("remove", "sample:0001", "-w", tmp_path / "w", exit_code=1).stderr


def test_the_workspace_comes_from_the_environment_too(sample_workspace: Path):
    assert json.loads(run("stats", "--format", "json", env={"KGBUILD_WORKSPACE": str(sample_workspace)}).stdout)["papers"] == 40


def test_stats_has_the_promised_keys(sample_workspace: Path):
    figures = json.loads(run("stats", "-w", sample_workspace, "--format", "json").stdout)
    assert figures.keys() >= {"papers", "quarantined", "nodes", "relationships", "evidence", "results", "versions"}
    assert figures["evidence"] == figures["nodes"]["Evidence"]
    assert figures["results"] == figures["nodes"]["Result"]
    assert "what" in run("stats", "-w", sample_workspace).stdout


def test_queries_lists_every_question(sample_workspace: Path):
    listed = json.loads(run("queries", "--format", "json").stdout)
    assert [q["name"] for q in listed] == list(library())
    table = run("queries").stdout
    assert all(name in table for name in library())


def test_an_unknown_question_names_near_ones(sample_workspace: Path):
    assert "leaderboard" in run("query", "leaderbord", "-w", sample_workspace, exit_code=1).stderr


def test_an_unknown_name_names_near_ones(sample_workspace: Path):
    assert "SQuAD" in run("query", "methods-on-dataset", "--dataset", "SQuADD", "-w", sample_workspace, exit_code=1).stderr


def test_an_ill_typed_parameter_is_one_message(sample_workspace: Path):
    said = run("query", "emerging", "--since", "lately", "-w", sample_workspace, exit_code=1)
    assert "since must be an integer, not 'lately'" in said.stderr


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (("methods-on-dataset", "--dataset", "SQuAD", "--limit", "-3"), "limit is -3, which is out of range"),
        (("emerging", "--since", "2020", "--label", "Methods"), "'Methods', which is no label of entities; there is Method, Dataset"),
        (("evidence", "--edge", "nowhere"), "no statement of this graph is about 'nowhere'"),
    ],
)
def test_a_value_that_names_nothing_is_one_message(sample_workspace: Path, question: tuple[str, ...], reason: str):
    said = run("query", *question, "-w", sample_workspace, exit_code=1)
    assert reason in said.stderr
    assert not said.stdout


def test_rows_that_may_be_missing_are_told(sample_workspace: Path):
    few = run("query", "methods-on-dataset", "--dataset", "SQuAD", "--limit", "2", "-w", sample_workspace, "--format", "json")
    assert len(json.loads(few.stdout)) == 2
    assert "2 rows, as many as --limit lets through" in few.stderr
    assert "--limit" not in run("query", "methods-on-dataset", "--dataset", "SQuAD", "--limit", "1000", "-w", sample_workspace).stderr
    undated = json.loads(run("cypher", "MATCH (p:Paper) WHERE p.year IS NULL RETURN count(p) AS n", "-w", sample_workspace, "--format", "json").stdout)
    said = run("query", "emerging", "--since", "2020", "-w", sample_workspace).stderr
    assert (f"{undated[0]['n']} papers without a year are left out" in said) == (undated[0]["n"] > 0)


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_rows_in_every_format(sample_workspace: Path, form: str):
    out = run("cypher", "MATCH (d:Dataset {id: $id}) RETURN d.name AS name, d.papers AS papers", "--param", "id=dataset:squad", "-w", sample_workspace, "--format", form).stdout
    if form == "json":
        (row,) = json.loads(out)
    elif form == "csv":
        (row,) = csv.DictReader(io.StringIO(out))
    else:
        row = dict(zip(*(line.split() for line in out.splitlines()), strict=True))
    assert row["name"] == "SQuAD"
    assert int(row["papers"]) > 3


def test_cells_are_no_formulas(sample_workspace: Path):
    out = run("cypher", "RETURN '=1+1' AS a, -2 AS b, ['@x'] AS c", "-w", sample_workspace, "--format", "csv").stdout
    assert out == "a,b,c\n'=1+1,-2,'@x\n"


def test_cypher_only_reads(sample_workspace: Path):
    before = json.loads(run("stats", "-w", sample_workspace, "--format", "json").stdout)
    said = run("cypher", "MATCH (n) DETACH DELETE n", "-w", sample_workspace, exit_code=1)
    assert said.stderr.startswith("kgbuild: ")
    assert run("cypher", "MATCH (p:Paper) RETURN count(p) AS n", "-w", sample_workspace, "--format", "csv").stdout == f"n\n{before['papers']}\n"


def test_find_goes_by_alias(sample_workspace: Path):
    (found,) = json.loads(run("find", "squad", "-w", sample_workspace, "--format", "json").stdout)
    assert (found["id"], found["label"]) == ("dataset:squad", "Dataset")
    assert "near names" in run("find", "SQuADDD", "-w", sample_workspace, exit_code=1).stderr


def test_view_focus_writes_a_page(sample_workspace: Path, tmp_path: Path):
    page = tmp_path / "pages" / "page.html"
    assert run("view", "focus", "squad", "-o", page, "-w", sample_workspace).stdout.strip() == str(page)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "no entity is called" in run("view", "focus", "Zzyzx", "-o", page, "-w", sample_workspace, exit_code=1).stderr


def test_a_page_that_cannot_be_written_is_one_message(sample_workspace: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert "cannot write" in run("view", "focus", "squad", "-o", tmp_path / "file" / "x.html", "-w", sample_workspace, exit_code=1).stderr


def test_rules_are_tested_by_their_examples(tmp_path: Path):
    said = run("rules", "test")
    assert said.stdout == ""
    assert said.stderr.endswith(" 0 failed\n")
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"id": "dataset:wow", "label": "Dataset", "name": "Wow", "examples": ["on [Wow] data", "Wow, [Wow]"], "counters": ["Wow, a bird"]}\n')
    failed = json.loads(run("rules", "test", mine, "--format", "json", exit_code=1).stdout)
    assert [(f["table"], f["row"], f["example"], f["expected"], f["found"]) for f in failed] == [
        ("lexicon", "dataset:wow", "Wow, [Wow]", ["Wow"], ["Wow", "Wow"]),
        ("lexicon", "dataset:wow", "Wow, a bird", [], ["Wow"]),
    ]
    mine.write_text('{"id": "dataset:wow"}\n')
    assert f"{mine}, line 1: " in run("rules", "test", mine, exit_code=1).stderr


def test_rules_are_profiled_on_annotated_papers(tmp_path: Path):
    gold, mine = tmp_path / "gold.jsonl", tmp_path / "mine.jsonl"
    run("extract", sample()[1], "-o", gold, "--model", "rules")
    mine.write_text('{"id": "dataset:hush", "label": "Dataset", "name": "the"}', encoding="utf-8")
    said = run("rules", "profile", gold, "--rules", mine, "--format", "json")
    rows = json.loads(said.stdout)
    assert all(row.keys() == {"table", "row", "hits", "right", "precision", "ms"} for row in rows)
    order = {"lexicon": 0, "patterns": 1, "relations": 2, "figures": 3}
    assert rows == sorted(rows, key=lambda row: (order[row["table"]], -row["hits"], row["row"]))
    assert {row["table"] for row in rows} == set(order)
    (hush,) = (row for row in rows if row["row"] == "dataset:hush")
    assert hush["hits"] > hush["right"] == 0
    few = run("rules", "profile", gold, "--limit", "2", "--format", "csv")
    assert few.stderr.startswith("2 papers, ")
    assert sum(int(row["hits"]) for row in csv.DictReader(io.StringIO(few.stdout))) < sum(row["hits"] for row in rows)
    assert "precision" in run("rules", "profile", gold, "--limit", "2").stdout


def test_rules_of_the_user_go_with_what_reads_papers(tmp_path: Path):
    gold, mine, out, page = tmp_path / "gold.jsonl", tmp_path / "mine.jsonl", tmp_path / "out.jsonl", sample()[1]
    mine.write_text('{"id": "dataset:squad", "off": true}\n{"id": "dataset:plume", "label": "Dataset", "name": "SQuAD"}', encoding="utf-8")
    run("extract", page, "-o", gold, "--model", "rules")
    run("extract", page, "-o", out, "--model", "rules", "--rules", mine)
    for path, expected in ((gold, {"dataset:squad"}), (out, {"dataset:plume"})):
        mentions = [m for line in path.read_text(encoding="utf-8").splitlines() for m in json.loads(line)["entities"]]
        assert {m["lexicon"] for m in mentions if m["text"] == "SQuAD"} == expected
    said = json.loads(run("eval", gold, "--model", "rules", "--rules", mine, "--format", "json").stdout)
    assert "dataset:plume" in said["sources"]["mention"]
    run("eval", gold, out, "--rules", mine, exit_code=2)
    run("build", page, "-w", tmp_path / "w", "--model", "rules", "--rules", mine)
    assert json.loads(run("find", "SQuAD", "-w", tmp_path / "w", "--format", "json").stdout)[0]["id"] == "dataset:plume"
    mine.write_text("{}", encoding="utf-8")
    assert f"{mine}, line 1: " in run("add", page, "-w", tmp_path / "w", "--rules", mine, exit_code=1).stderr


def test_the_demo_answers_and_draws(tmp_path: Path):
    said = run("demo", "-w", tmp_path / "demo", "--model", "rules")
    for name, _ in DEMO:
        assert f"kgbuild query {name}" in said.stdout
    assert "no rows" not in said.stderr
    assert (tmp_path / "demo" / "squad.html").exists()


def test_export_for_the_import_tool(sample_workspace: Path, tmp_path: Path):
    run("export", "neo4j-admin", "-w", sample_workspace, "-o", tmp_path / "import")
    assert {"import.sh", "after-import.cypher"} <= {p.name for p in (tmp_path / "import").iterdir()}
    assert "kgbuild build" in run("export", "neo4j-admin", "-w", tmp_path / "none", "-o", tmp_path / "x", exit_code=1).stderr


def test_export_for_the_browser(tmp_path: Path):
    run("export", "browser-kit", "-o", tmp_path / "kit")
    assert {"kgbuild.grass", "kgbuild.zip"} <= {p.name for p in (tmp_path / "kit").iterdir()}


def test_doctor_says_how_to_mend(sample_workspace: Path):
    env = {"NEO4J_PASSWORD": "not-the-password", "NEO4J_URI": "bolt://127.0.0.1:1"}
    checks = json.loads(run("doctor", "--format", "json", exit_code=1, env=env).stdout)
    assert all(c["ok"] or c["remedy"] for c in checks)
    assert {c["name"] for c in checks} >= {"Python", "model", "embedded store", "Neo4j reachable"}
    assert "not-the-password" not in json.dumps(checks)


def test_push_without_a_server_is_one_message(sample_workspace: Path):
    said = run("push", "bolt://127.0.0.1:1", "-w", sample_workspace, exit_code=1, env={"NEO4J_PASSWORD": "not-the-password"})
    assert said.stderr.startswith("kgbuild: ")
    assert "not-the-password" not in said.output
