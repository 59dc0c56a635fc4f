"""Learning from truth, where there is some: supervised, and with measurements simulated again from changed images."""

from collections.abc import Sequence

from nullsight.losses.augmentation import Augmentation, Scene
from nullsight.losses.base import Evidence, Loss
from nullsight.losses.equivariance import NOISELESS
from nullsight.losses.errors import MEAN_SQUARE, UNIT_NORM, Comparison, Error, Scaling, mean_error
from nullsight.losses.evidence import labelled
from nullsight.noise import Noise
from nullsight.types import InputError, Scalar


class Supervised(Comparison):
    """The error between ``f(y)`` and the truth ``x``: a mean over the batch in which samples without truth count zero.

    So the value of a batch is the mean of those of its halves; with truth for a share s of the samples the term weighs
    s times the mean error. Semi-supervised: ``Supervised() + MeasurementConsistency() + 100 * Equivariance(group)``.
    ``Supervised() + alpha * Equivariance(group)`` is the EI-regularised supervised loss of Chen, Tachella, Davies,
    "Equivariant Imaging", ICCV 2021: the supervised term replaces consistency.

    Args:
        error: how far two images are apart.
        scaling: their unit.

    Example:
        >>> (2 * Supervised()).needs_truth
        True
    """

    needs_truth = True

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch; InputError for evidence without truth."""
        known = labelled(evidence, type(self).__name__)
        rows, unit = known.labelled_rows, self.scaling.image_unit(evidence)
        if not rows:
            return evidence.nothing()
        return mean_error(self.error, known.x1[rows] / unit, known.x[rows] / unit) * (len(rows) / len(known.y))


class AugmentedSupervised(Loss):
    """The error between ``f(y')`` and ``x'``: the truth, changed, and its measurement, simulated again.

    ``x'`` comes from ``x`` by the augmentations, one after the other, each drawn anew for every image;
    ``y' = A x' + noise``. A mean over the batch in which samples without truth count zero (see :class:`Supervised`).

    Args:
        augmentations: what may be changed, in this order.
        noise: of the simulated measurements: that of the real ones.
        error: how far two images are apart.
        scaling: their unit.

    Raises:
        InputError: no augmentation.

    Example:
        >>> from nullsight.losses import Gamma, IntensityGradient
        >>> AugmentedSupervised([IntensityGradient(0.3), Gamma(0.7, 1.4)]).needs_truth
        True
    """

    needs_truth = True

    def __init__(
        self,
        augmentations: Sequence[Augmentation],
        noise: Noise = NOISELESS,
        error: Error = MEAN_SQUARE,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__()
        if not augmentations:
            raise InputError("expected at least one augmentation, but none came: add one or use Supervised()")
        self.augmentations, self.noise = tuple(augmentations), noise
        self.error, self.scaling = error, scaling

    @property
    def detail(self) -> str:
        """The augmentations' names."""
        return ", ".join(type(one).__name__ for one in self.augmentations)

    def forward(self, evidence: Evidence) -> Scalar:
        """Return the error of a batch; InputError for evidence without truth."""
        known = labelled(evidence, type(self).__name__)
        rows, unit = known.labelled_rows, self.scaling.image_unit(evidence)
        if not rows:
            return evidence.nothing()
        physics = known.physics.take(rows)
        draws = known.draws.repeat(2).take([len(known.y) + row for row in rows])  # other draws than those of f(y)
        scene = Scene(known.x[rows], physics, physics)
        for i, augmentation in enumerate(self.augmentations):
            scene = augmentation.change(scene, draws.of(f"augmentation {i}"))
        y = self.noise.observe(scene.measured_by.A(scene.x), scene.measured_by.measured, draws.of("augmented noise"))
        again = evidence.reconstruct(y, scene.told, draws=draws)
        return mean_error(self.error, again / unit, scene.x / unit) * (len(rows) / len(known.y))
