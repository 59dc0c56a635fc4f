"""In the test run every annotation of nullsight, shapes included, is checked at every call."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: pytest-xdist has one worker a core

from beartype import BeartypeConf
from beartype.claw import beartype_package
from hypothesis import settings

beartype_package("nullsight", conf=BeartypeConf(is_pep484_tower=True))

# no deadline: a shared machine may be slow; the same examples every time, so that a red test stays red
settings.register_profile("nullsight", deadline=None, derandomize=True, database=None)
settings.load_profile("nullsight")
