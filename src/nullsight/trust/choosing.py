"""The score without truth as what chooses the weights of a run, while it is trained."""

from dataclasses import dataclass

import torch

from nullsight.constraints import AnyValue
from nullsight.data.datasets import MeasurementSet
from nullsight.groups.base import Family
from nullsight.losses.base import Loss
from nullsight.noise.base import Noise
from nullsight.noise.unknown import UnknownNoise
from nullsight.physics.base import LinearPhysics, Physics, like
from nullsight.physics.splits import Split, measured_entries
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.fits import Exact, Fit, Penalised, Within
from nullsight.reconstructors.total_variation import TotalVariation
from nullsight.reconstructors.variation import Joint
from nullsight.training.chooser import Chooser, Looking
from nullsight.training.held_out import See
from nullsight.training.run import reconstruct_all
from nullsight.trust.score import Candidate, Predicted, task_of
from nullsight.types import InputError, Measurement

KEY = "chooser/predicted error"
_ITERATIONS = 300  # of total variation, whose images need not be exact to be a task
_SMOOTHING = 0.003  # where the noise of a linearised problem has no one level


@dataclass(frozen=True)
class PredictedError(Chooser):
    """The error predicted without truth, :func:`~nullsight.trust.rank`'s, of virtual images that stay the same.

    ``rank`` takes the mean of all candidates' reconstructions for the images of the task. Within a run they come one
    after the other, so the images are made once, by ``reference``, and f has no part in them: it can flatter itself by
    nothing. They are transformed and measured; at every look f reconstructs them, and the two parts of its squared
    error are corrected by its residuals and left-out errors on the real measurements, as ``rank`` states. The number is
    the root of the predicted squared error over the images' peaks, their geometric mean over images.

    Unlike the held-out total it compares with known images and knows no loss, so it chooses also where a term of the
    loss cannot (a bank, an unknown noise level). A look costs ``2 + 2 transforms`` reconstructions an image and
    conjugate gradients; of a training with minutes it is a part. Real measurements are the held-out ones; without any,
    the first that are trained on, whose residuals and left-out errors are too small once f knows them by heart.

    Args:
        group: what the images are invariant to.
        noise: of the measurements, of a known level.
        images: how many measurements are looked at, >= 1, from the first.
        transforms: of each, >= 1.
        reference: makes the images of the task from measurements; None: total variation, as close to the measurements
            as their noise is (for complex images, too).
        hide: what is shown where a part is left out; None: as :func:`~nullsight.trust.held_out_error` has it.
        seed: of transformations, noise and left-out entries; the same at every look.

    Raises:
        InputError: no image or transformation, or a noise of unknown level.

    Example:
        >>> from nullsight.groups import Shifts
        >>> from nullsight.noise import Noiseless
        >>> from nullsight.physics import Inpainting, bernoulli_mask
        >>> physics = Inpainting((1, 8, 8), bernoulli_mask((8, 8), 0.7, seed=0))
        >>> data = MeasurementSet(physics.A(torch.ones(2, 1, 8, 8)), physics)
        >>> look = PredictedError(Shifts((8, 8)), Noiseless()).begin(data, None)
        >>> flat, zeros = look(lambda y, A: torch.ones_like(y)), look(lambda y, A: y)
        >>> flat["chooser/predicted error"] < zeros["chooser/predicted error"]
        True
    """

    group: Family
    noise: Noise
    images: int = 8
    transforms: int = 1
    reference: Reconstructor | None = None
    hide: Split | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse counts below 1 and noise of unknown level; InputError."""
        if min(self.images, self.transforms) < 1:
            raise InputError(
                f"expected at least one image and one transform to choose weights by, but {self.images} and "
                f"{self.transforms} came"
            )
        if isinstance(self.noise, UnknownNoise):
            raise InputError(
                f"expected a noise of known level to choose weights by, since the task has to stay the same, but "
                f"{type(self.noise).__name__} came: name a noise with about its level for the chooser alone"
            )

    @property
    def words(self) -> str:
        """The error that is predicted without truth."""
        return "error predicted without ground truth (trust.PredictedError)"

    def key(self, loss: Loss) -> str | None:
        """Return the name of the predicted error, whatever the loss."""
        return KEY

    def check_patience(self, loss: Loss, held_out: MeasurementSet | None) -> None:
        """Refuse nothing: every look has a number."""

    @torch.no_grad()
    def begin(self, data: MeasurementSet, held_out: MeasurementSet | None) -> Looking:
        """Make the images of the task and return what predicts the error on them, with its two parts."""
        several = data if held_out is None else held_out
        few = several.take(range(min(self.images, len(several))))
        few = MeasurementSet(_beside(few.physics, few.y), few.physics, few.names)  # only the operator is there already
        reference = _total_variation(few, self.noise) if self.reference is None else self.reference
        v = reconstruct_all(reference, few, few.physics, len(few), own=False).to(few.y)
        task = task_of(
            v, few.y, self.noise, self.group, transforms=self.transforms, hide=self.hide, seed=self.seed
        )  # fmt: skip

        def look(see: See) -> dict[str, float]:
            return _scores(task.predict(Candidate("f", see, few.physics), see(few.y, few.physics).to(few.y)))

        return look


def _beside(physics: Physics, y: Measurement) -> Measurement:
    """Return measurements where the operator is, in its precision if it has one."""
    precise = any(one.is_floating_point() for one in physics.buffers())
    return y.to(like(physics) if precise else like(physics, y.dtype))


def _scores(found: Predicted) -> dict[str, float]:
    parts = {KEY: found.psnr, "chooser/measured part": found.measured, "chooser/null-space part": found.hidden}
    return {name: 10 ** (-decibels / 20) for name, decibels in parts.items()}


def _total_variation(data: MeasurementSet, noise: Noise) -> TotalVariation:
    fit: Fit = Penalised(_SMOOTHING)  # of a nonlinear operator the linearised problem has other units than the noise
    if isinstance(data.physics, LinearPhysics):
        seen = measured_entries(data.physics, len(data))
        squared = float(noise.variance(data.y)[seen].double().sum()) / len(data)
        fit = Within(squared**0.5) if squared > 0 else Exact()
    return TotalVariation(fit, AnyValue(), coupling=Joint(), iterations=_ITERATIONS)
