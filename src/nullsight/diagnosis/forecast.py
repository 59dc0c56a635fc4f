"""How long a diagnosis will take, said before it begins where that is long."""

import math
import time
from collections.abc import Iterable

import torch

from nullsight.diagnosis.average import Average, Budget
from nullsight.diagnosis.quadrature import probes_for
from nullsight.outcome import Say

_LONG = 10.0  # seconds that one waits without a word
_PICTURE = 80  # applications of N for each picture: conjugate gradients and the largest eigenvalue


def forecast(spectra: Iterable[Average], drawn: Average | None, budget: Budget, say: Say) -> None:
    """Say how long a diagnosis will take, from two applications of each map, where that is more than 10 seconds.

    Args:
        spectra: the maps whose eigenvalues are estimated.
        drawn: the map whose invisible directions are drawn; None: no pictures.
        budget: how many steps, probes and pictures.
        say: told once, before the work begins.
    """
    seconds, told = 0.0, []
    for one in spectra:
        pixels = math.prod(one.image_shape)
        if one.spectrum is None and pixels > budget.dense_limit:
            probes = max(2, probes_for(pixels, budget.deviation))
            seconds += _timed(one, budget.steps * probes)
            told.append(f"{probes} probes of {budget.steps} steps in {pixels} directions")
    if drawn is not None and drawn.spectrum is None and math.prod(drawn.image_shape) > budget.dense_limit:
        seconds += _timed(drawn, _PICTURE * budget.pictures)
    if seconds > _LONG:
        amount = f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
        say(f"this diagnosis takes about {amount} ({'; '.join(dict.fromkeys(told))})")


def _timed(of: Average, applications: int) -> float:
    """Return the seconds that so many applications take, what is made at the first use counted once."""
    x = torch.ones(1, *of.image_shape).to(of.like)
    begun = time.monotonic()
    of.apply(x)
    first = time.monotonic()
    of.apply(x)
    each = time.monotonic() - first
    return max(0.0, first - begun - each) + applications * each
