"""Reconstructors around another one: what may be done with a trained one at test time, and one to be trained.

None is used unless it is named; scores reached with one at test time are told apart from those without.
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
from nullsight.types import Element, Image, InputError, Measurement

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
        return _averaged(self.f, self.group, y, _turnable(physics), start, draws)


class Symmetrized(Helper):
    """``F(y, A) = mean over g of T_g f(y, A T_g)``, learned with one random g a sample, used with all of them.

    The Reynolds average as a design. In training mode, given draws, each sample takes one term of the mean, another at
    every call: a step costs one pass of f, and the mean of a convex loss over the terms is at least the loss of F. In
    evaluation mode, or without draws, F is the whole mean and ``F(y, A T_h) = T_h^-1 F(y, A)``, as with
    :class:`GroupAverage`. Chen, Davies, Ehrhardt, Schönlieb, Sherry, Tachella, "Imaging with equivariant deep
    learning", IEEE Signal Processing Magazine 2023.

    Args:
        f: any reconstructor that uses the operator it is given.
        group: finite, acting linearly on images; once trained, one pass of f for each element.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> from nullsight.networks import DnCNN
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.reconstructors.simple import ArtifactRemoval
        >>> f = Symmetrized(ArtifactRemoval(DnCNN(1, width=4, depth=3, seed=0)), Dihedral(4)).eval()
        >>> x, physics = torch.rand(1, 1, 8, 8), Inpainting((1, 8, 8), torch.ones(8, 8))
        >>> torch.allclose(f(x.flip(-1), physics), f(x, physics).flip(-1), atol=1e-5)
        True
    """

    def __init__(self, f: Reconstructor, group: FiniteGroup) -> None:
        super().__init__(f)
        self.group = group

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        linear = _turnable(physics)
        if draws is None or not self.training:
            return _averaged(self.f, self.group, y, linear, start, draws)
        first = self.begin(y, linear) if start is None else start
        return _in_frame(self.f, self.group, self.group.sample(draws.of("symmetrized")), y, linear, first, draws)


def _turnable(physics: Physics) -> LinearPhysics:
    if not isinstance(physics, LinearPhysics):
        raise InputError(
            f"expected a linear operator, which can be turned, but {type(physics).__name__} is not: leave the group "
            f"average out"
        )
    return physics


def _averaged(
    f: Reconstructor,
    group: FiniteGroup,
    y: Measurement,
    physics: LinearPhysics,
    start: Image | None,
    draws: Draws | None,
) -> Image:
    """Return the mean over the group of what ``f`` makes in each frame."""
    first = f.begin(y, physics) if start is None else start
    total: Tensor = torch.zeros_like(first)
    for element in group.elements():
        g = torch.full((len(y),), element, dtype=torch.int64)
        total = total + _in_frame(f, group, g, y, physics, first, draws)
    return total / group.order


def _in_frame(
    f: Reconstructor,
    group: FiniteGroup,
    g: Element,
    y: Measurement,
    physics: LinearPhysics,
    first: Image,
    draws: Draws | None,
) -> Image:
    """Return ``T_g f(y, A T_g)``."""
    began = group.act(group.inverse(g), first)  # (A T_g)_dagger y, at the price of one
    return group.act(g, f(y, transformed(physics, group, g), start=began, draws=draws))


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
