"""In the test run every annotation of nullsight, shapes included, is checked at every call."""

import os

from beartype import BeartypeConf
from beartype.claw import beartype_package

os.environ.setdefault("OMP_NUM_THREADS", "2")
beartype_package("nullsight", conf=BeartypeConf(is_pep484_tower=True))
