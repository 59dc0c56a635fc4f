"""Files, and what is refused of them."""

import numpy as np
import pytest

from nullsight.data import (
    read_array,
    read_images,
)
from nullsight.types import InputError

RANDOM = np.random.default_rng(0)


def refused(match, path, **arguments):
    for reader in (read_array, read_images):
        with pytest.raises(InputError, match=match) as caught:
            reader(path, **arguments)
        assert "\n" not in str(caught.value)
