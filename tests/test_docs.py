"""What the README promises is there, and what is there is in the README."""

import re
import shutil
from pathlib import Path

import click
import pytest

from kgbuild.cli import main
from kgbuild.evaluate.rules import trials
from kgbuild.nlp.ruleset import read_ruleset
from kgbuild.queries import library
from kgbuild.resources import sample
from kgbuild.schema import load_schema

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", library())
def test_every_question_is_listed(name: str):
    assert f"| `{name}` |" in README


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_is_shown(name: str):
    assert f"kgbuild {name}" in README


@pytest.mark.parametrize("name", load_schema().claim_types)
def test_every_claim_is_named(name: str):
    assert name in README


def test_commands_shown_exist():
    for line in re.findall(r"(?:\$ |`)(?:\.venv/bin/)?kgbuild ([a-z0-9-]+)", README):
        assert main.get_command(click.Context(main), line) is not None, line


def test_ci_runs_what_the_readme_says():
    commands = re.findall(r"^\$ (.*)$", README, flags=re.MULTILINE)
    setup, test = commands[:2], ".venv/bin/pytest"
    assert test in commands
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    for command in (*setup, test):
        assert command in script


def test_linked_files_exist():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_rules_shown_do_what_their_examples_say(tmp_path: Path):
    (rows,) = re.findall(r"```json\n(.*?)```", README, flags=re.DOTALL)
    (tmp_path / "mine.jsonl").write_text(rows, encoding="utf-8")
    assert [t for t in trials(read_ruleset([tmp_path / "mine.jsonl"])) if not t.passed] == []


def test_the_python_examples_run(sample_workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    code = code.replace('kg.build(["daily-papers.txt"], "workspace")\n', "")
    (tmp_path / "workspace").symlink_to(sample_workspace)
    shutil.copy(sample()[0], tmp_path / "daily-papers.txt")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
