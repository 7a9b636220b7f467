"""What is installed is what is in the checkout: the wheel holds every data file, and works without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", out, ROOT], check=True)
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_every_file_of_the_package_and_its_data(wheel: Path):
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, tracked):
        if not (ROOT / name).exists():
            continue
        if name.startswith("kgbuild/"):
            assert name in held
        elif name.startswith(("schemas/", "queries/", "viz/")):
            assert f"kgbuild/_data/{name}" in held


def test_the_wheel_holds_nothing_that_is_not_in_the_checkout(wheel: Path):
    for name in zipfile.ZipFile(wheel).namelist():
        if name.startswith("kgbuild/"):
            assert (ROOT / name).exists() or (ROOT / name.removeprefix("kgbuild/_data/")).exists(), name
    assert not (ROOT / "kgbuild" / "_data").exists()


def test_an_installed_wheel_builds_and_asks_the_sample(wheel: Path, tmp_path: Path):
    # the wheel alone on the path; its dependencies are those of this environment
    target = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    code = (
        "import kgbuild as kg, kgbuild.resources as r, sys;"
        f"assert kg.__file__.startswith({str(target)!r}), kg.__file__;"
        "kg.build(r.sample(), sys.argv[1], model='rules');"
        "assert kg.open(sys.argv[1]).query('methods-on-dataset', dataset='squad')"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "w"], check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(target)})

