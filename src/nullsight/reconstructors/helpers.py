"""What may be done with a trained reconstructor at test time: each a reconstructor around another one.

None is used unless it is named; scores reached with one are told apart from those without.
"""

import torch
from torch import Tensor

from nullsight.constraints import Constraint, NonNegative
from nullsight.draws import Draws
from nullsight.groups.base import FiniteGroup
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.physics.composed import transformed
from nullsight.physics.splits import Split
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.data_steps import ConjugateGradients, DataStep
from nullsight.types import Image, InputError, Measurement

NON_NEGATIVE = NonNegative()
FIVE_STEPS = ConjugateGradients(5)


class Helper(Reconstructor):
    """A reconstructor around another one, with its weights and its intensity scale.

    Args:
        f: what is helped; it may be helped itself.
    """

    def __init__(self, f: Reconstructor) -> None:
        super().__init__()
        self.f = f
        self.scale = f.scale.clone()

    def begin(self, y: Measurement, physics: Physics) -> Image:
        """Return what the helped reconstructor begins with."""
        return self.f.begin(y, physics)

    def set_scale(self, images: Image) -> None:
        """Set the intensity scale of both from ``A_dagger y`` of the training data."""
        super().set_scale(images)
        self.f.set_scale(images)


class SplitAverage(Helper):
    """The mean of ``f(y1, A1)`` over random splits: what a reconstructor that learned from splits does best.

    f is asked as it was in training, with a part of the measurement hidden, another part each time; the mean has seen
    all of it. The splits are the same for every image. Quan et al., "Self2Self with dropout", CVPR 2020.

    Args:
        f: trained by :class:`~nullsight.losses.Splitting` or :class:`~nullsight.losses.EquivariantSplitting`.
        split: how entries are hidden: that of the training.
        count: of splits, >= 1; one pass of f each.
        seed: of the splits.

    Raises:
        InputError: fewer than one split.

    Example:
        >>> from nullsight.physics import Inpainting, RandomEntries
        >>> from nullsight.reconstructors.simple import LinearInverse
        >>> f = SplitAverage(LinearInverse(), RandomEntries(0.7), count=4)
        >>> f(torch.ones(2, 1, 8, 8), Inpainting((1, 8, 8), torch.ones(8, 8))).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, f: Reconstructor, split: Split, count: int = 8, seed: int = 0) -> None:
        super().__init__(f)
        if count < 1:
            raise InputError(f"expected at least 1 split to average over, but {count} came")
        self.split, self.count, self.seed = split, count, seed

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        total: Image | None = None
        for number in range(self.count):
            # not by the images' own numbers: each is reconstructed alone as in any batch
            stream = Draws(self.seed, number, (0,) * len(y)).of("split average")
            keep = self.split.sample(physics, stream)
            x = self.f(torch.where(keep, y, torch.zeros_like(y)), physics.subset(keep), draws=draws)
            total = x if total is None else total + x
        assert total is not None
        return total / self.count


class GroupAverage(Helper):
    """The mean over g of ``T_g f(y, A T_g)``, the Reynolds average: an equivariant reconstructor made of any.

    It has ``F(y, A T_h) = T_h^-1 F(y, A)``, exactly where the group acts exactly: quarter turns and reflections
    (``Dihedral(4)``, eight passes of f) of square images, shifts. What f begins with is turned along instead of made
    anew in each frame; where that is not equivariant itself, as a solution by forward differences is only nearly, F is
    nearly. f sees the operator ``A T_g`` and reconstructs an image in that frame, so an f that uses measurements
    without their operator (``Direct``) is not for it. Sechaud et al., "Equivariant splitting", arXiv 2510.00929.

    Args:
        f: any reconstructor that uses the operator it is given.
        group: finite, acting linearly on images; one pass of f for each element.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors.simple import LinearInverse
        >>> f = GroupAverage(LinearInverse(), Dihedral(4))
        >>> f(torch.ones(2, 1, 8, 8), Inpainting((1, 8, 8), torch.ones(8, 8))).shape
        torch.Size([2, 1, 8, 8])
    """

    def __init__(self, f: Reconstructor, group: FiniteGroup) -> None:
        super().__init__(f)
        self.group = group

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        if not isinstance(physics, LinearPhysics):
            raise InputError(
                f"expected a linear operator, which can be turned, but {type(physics).__name__} is not: leave the "
                f"group average out"
            )
        first = self.begin(y, physics) if start is None else start
        total: Tensor = torch.zeros_like(first)
        for element in self.group.elements():
            g = torch.full((len(y),), element, dtype=torch.int64)
            began = self.group.act(self.group.inverse(g), first)  # (A T_g)_dagger y, at the price of one
            total = total + self.group.act(g, self.f(y, transformed(physics, self.group, g), start=began, draws=draws))
        return total / self.group.order


class Alternating(Helper):
    """``f(y)``, then in turn a step to the measurements and a projection onto the images that are allowed.

    For measurements without noise each of the two brings the image nearer to the true one, or leaves it where it is:
    conjugate gradients and projections do not lead away from what satisfies both. The last one is the projection. With
    noise more rounds fit the noise as well.

    Args:
        f: any reconstructor.
        rounds: of a data step and a projection each, >= 1.
        data: the data step.
        constraint: which images are allowed; complex ones, or such with negative values, need ``AnyValue``.

    Raises:
        InputError: fewer than one round.

    Example:
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors.simple import LinearInverse
        >>> f = Alternating(LinearInverse(), rounds=2)
        >>> f(torch.tensor([[[2.0, -1.0]]]), Inpainting((1, 2), torch.ones(2)))
        tensor([[[2., 0.]]])
    """

    def __init__(
        self,
        f: Reconstructor,
        rounds: int = 3,
        data: DataStep = FIVE_STEPS,
        constraint: Constraint = NON_NEGATIVE,
    ) -> None:
        super().__init__(f)
        if rounds < 1:
            raise InputError(f"expected at least 1 round, but {rounds} came")
        self.rounds, self.data, self.constraint = rounds, data, constraint

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        x: Image = self.f(y, physics, start=start, draws=draws)
        for _ in range(self.rounds):
            x = self.constraint.project(x - self.data.direction(x, y, physics))
        return x
