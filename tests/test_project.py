"""The frame: the wheel carries what the code reads, make has its targets, versions are stated once."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import nullsight

ROOT = Path(__file__).parents[1]


def _toml() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_wheel_has_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    source = ROOT / "src"
    wanted = {str(p.relative_to(source)) for p in source.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert wanted <= set(wheel.namelist())
    assert {"nullsight/py.typed", "nullsight/report/page.html", "nullsight/report/style.css"} <= wanted


def test_wheel_states_version_licence_and_python(wheel: zipfile.ZipFile) -> None:
    [name] = [n for n in wheel.namelist() if n.endswith("METADATA")]
    told = wheel.read(name).decode()
    assert f"Version: {nullsight.__version__}" in told
    assert "License-Expression: BSD-3-Clause" in told
    assert "Requires-Python: >=3.11" in told
    assert [n for n in wheel.namelist() if n.endswith("licenses/LICENSE")]


def test_everything_public_is_named_and_an_unknown_name_is_refused() -> None:
    assert set(nullsight.__all__) <= set(dir(nullsight))
    assert nullsight.InputError is nullsight.InputError
    with pytest.raises(AttributeError, match=r"no attribute 'phisics'; it has .*physics"):
        nullsight.phisics  # noqa: B018


@pytest.mark.parametrize("name", nullsight.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(nullsight, name) is not None


def test_every_dependency_is_pinned() -> None:
    project = _toml()["project"]
    assert isinstance(project, dict)
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^ ]+", line) for line in pins)
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower() for line in pins}
    extras = [one for group in project["optional-dependencies"].values() for one in group]
    named = {
        re.sub(r"[-_.]+", "-", re.split(r"[<>=\[ ]", one)[0]).lower() for one in [*project["dependencies"], *extras]
    }
    assert named <= pinned
    assert "torchvision" not in pinned
    assert "torchmetrics" not in pinned


def test_make_explains_itself_and_ci_calls_make() -> None:
    make = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "bench"):
        assert f"make {target}" in make.stdout
    plan = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for step in ("ruff check", "ruff format --check", "mypy", "pytest"):
        assert step in plan
    ci = ROOT / ".ci" / "run"
    assert ci.stat().st_mode & 0o111
    assert "exec make test" in ci.read_text(encoding="utf-8")
