"""How long a diagnosis will take, said before it begins where that is long."""

import math
import time

import torch

from nullsight.diagnosis.average import Average, Budget
from nullsight.diagnosis.quadrature import probes_for
from nullsight.outcome import Say

_LONG = 10.0  # seconds that one waits without a word


def forecast(of: Average, budget: Budget, say: Say) -> None:
    """Say how long the spectrum of N will take, from one application of it, where that is more than 10 seconds."""
    pixels = math.prod(of.image_shape)
    if of.spectrum is not None or pixels <= budget.dense_limit:
        return
    x = torch.ones(1, *of.image_shape).to(of.like)
    of.apply(x)  # what is made at the first use does not count
    begun = time.monotonic()
    of.apply(x)
    probes = max(2, probes_for(pixels, budget.deviation))
    seconds = (time.monotonic() - begun) * budget.steps * probes
    if seconds > _LONG:
        amount = f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
        say(f"the spectrum of {pixels} directions takes about {amount} ({probes} probes of {budget.steps} steps)")
