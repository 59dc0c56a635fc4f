"""Equivariant splitting: splitting in a random frame, so that what one operator never sees comes into view."""

from nullsight.groups.base import Family
from nullsight.losses.base import Evidence
from nullsight.losses.errors import UNIT_NORM, Scaling
from nullsight.losses.residuals import ENTRYWISE, Residual
from nullsight.losses.splitting import SplittingLoss
from nullsight.physics.base import Physics
from nullsight.physics.composed import in_frame
from nullsight.physics.splits import Split


class EquivariantSplitting(SplittingLoss):
    """Splitting in a turned frame: ``x = f(y1, A1 T_g)``, and ``A T_g x`` is compared with ``y``; g drawn per image.

    ``y`` is also the measurement, by ``A T_g``, of the image ``T_g^-1 x*``, which is as likely as the true image ``x*``
    where the set of images is invariant. f thus meets all operators ``A T_g`` and has to predict what each hides; one
    pass of f a step.

    Sechaud, Scanvic, Barthelemy, Abry, Tachella, "Equivariant splitting: self-supervised learning from incomplete
    data", arXiv 2510.00929. From there: the splitting loss, over all measured entries, of a reconstructor that is
    equivariant in the sense ``f(y, A T_g) = T_g^-1 f(y, A)`` (the paper shows that it then has the minimiser of the
    supervised loss with the same entries kept, where the operators ``A T_g`` together see every image), and the mean
    over the group that makes any f so, of which a training step takes one random element. Comparing
    ``A T_g f(y1, A1 T_g)`` with ``y`` is that step. For an equivariant f the group drops out and this is
    :class:`~nullsight.losses.Splitting` with the same weights; any other f learns to be so, and is made so exactly by
    :class:`~nullsight.reconstructors.GroupAverage`. Here all measured entries count alike by default; where
    kept and hidden ones have a mean each, that is ``kept = (1 - keep) / keep``. The paper's terms for noisy
    measurements, which estimate the kept part without bias, are not in here: with noise take ``kept = 0``.

    Args:
        group: the transformations that leave the set of images as it is; linear. Shifts of whole images do not go
            with crops.
        split: how entries are hidden.
        residual: how prediction and measurement are compared; for tomography one of the others than ``Entrywise``.
        kept: how much an entry that f has seen counts beside a hidden one, >= 0.
        crop: pixels along each side of a random window, for local operators; None: whole images.
        scaling: the units; which entries count is decided by ``kept`` and by what is measured.

    Raises:
        InputError: ``kept`` below 0, or a crop below 1; where it is computed, an operator that cannot be turned or
            transformations that are not linear.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> from nullsight.physics import RandomEntries
        >>> EquivariantSplitting(Dihedral(4), RandomEntries(0.7)).needs_truth
        False
    """

    def __init__(
        self,
        group: Family,
        split: Split,
        residual: Residual = ENTRYWISE,
        kept: float = 1.0,
        crop: int | None = None,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__(split, residual, kept, crop, scaling)
        self.group = group

    @property
    def detail(self) -> str:
        """The group's name."""
        return type(self.group).__name__

    def _frame(self, evidence: Evidence) -> Physics:
        g = self.group.sample(evidence.draws.of(f"splitting frame {type(self.group).__name__}"))
        return in_frame(evidence.physics, self.group, g)
