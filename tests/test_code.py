"""The code keeps its own rules: lint, types, and imports that point one way."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["mypy"], ["importlinter.cli", "lint-imports"]],
    ids=lambda c: c[0],
)
def test_checks(command: list[str]):
    module, *rest = command
    call = ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"] if module == "importlinter.cli" else ["-m", module, *rest]
    done = subprocess.run([sys.executable, *call], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
