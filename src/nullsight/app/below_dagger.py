"""One sentence after a training whose images are worse than ``A_dagger y``, where there is truth that shows it."""

from collections.abc import Sequence
from dataclasses import replace

from nullsight.reconstructors import LinearInverse
from nullsight.training import Run, TruthScore


def below_dagger(run: Run, observers: Sequence[TruthScore]) -> str | None:
    """Return a sentence where a run scores below ``A_dagger y`` on images whose truth its observers have, else None.

    The weights that are kept are scored, on the images that were scored during training. Without truth nothing is known
    of that and nothing is said: a residual below that of ``A_dagger y`` does not make a better image, nor one above it
    a worse one.

    Args:
        run: trained.
        observers: whose scores are in dB, the higher the better.
    """
    inverse = replace(run, reconstructor=LinearInverse())
    for observer in observers:
        found, least = (observer(run.step, one.reconstruct)[observer.name] for one in (run, inverse))
        if not found >= least:  # also where it is no number
            return (
                f"the run's {observer.name} is {found:.2f} dB, below the {least:.2f} dB of A_dagger y (both against "
                f"the recipe's test_truth, which is not trained on): train longer, or weigh the losses otherwise"
            )
    return None
