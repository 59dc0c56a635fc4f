"""In the test run every annotation of nullsight, shapes included, is checked at every call."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: pytest-xdist has one worker a core

import pytest
from beartype import BeartypeConf
from beartype.claw import beartype_package
from hypothesis import settings

beartype_package("nullsight", conf=BeartypeConf(is_pep484_tower=True))

from tests.toy_recipes import Shell  # noqa: E402  (nullsight is imported under its checks)

# no deadline: a shared machine may be slow; the same examples every time, so that a red test stays red
settings.register_profile("nullsight", deadline=None, derandomize=True, database=None)
settings.load_profile("nullsight")


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return the command line as it is typed in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)
