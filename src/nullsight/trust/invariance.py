"""Are the images as invariant as the training takes them to be? A test from the measurements alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.draws import Draws
from nullsight.evaluation.base import Reconstruct
from nullsight.groups.base import FiniteGroup, PointGroup
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.trust.orientation import axes, features, window
from nullsight.types import Image, InputError, Measurement

_BLOCK = 2**22  # numbers of the permutations that are looked at together
_ROUNDING = 1e-9  # of a feature's size: what differs by less does not differ
_CLEAR = 3.0  # standard errors from which a preferred direction is named


@dataclass(frozen=True)
class Invariance:
    """What a test of invariance found.

    Attributes:
        p_value: how often images that are invariant would differ from their transforms as much; small: they are not.
        level: below which p-value invariance is rejected.
        images: how many were tested.
        transforms: of each.
        strength: distance of the images' mean features from those of their transforms, beyond what f makes of images
            that are invariant, in standard deviations of one image; about ``1 / sqrt(images)`` for invariant images.
        direction: degrees in [0, 180), counter-clockwise from the right, along which more structures run than should;
            None where none was found or the transformations do not turn.
        words: the finding in a sentence, and what to do.
    """

    p_value: float
    level: float
    images: int
    transforms: int
    strength: float
    direction: float | None
    words: str

    @property
    def rejected(self) -> bool:
        """Whether the images are not invariant, at the level of the test."""
        return self.p_value <= self.level

    def __str__(self) -> str:
        return self.words


def invariance(
    reconstruct: Reconstruct,
    y: Measurement,
    physics: Physics,
    group: FiniteGroup,
    noise: Noise,
    draws: Draws,
    *,
    transforms: int = 4,
    others: int = 2,
    level: float = 0.05,
    permutations: int = 999,
    look: Callable[[Image], Tensor] = features,
) -> Invariance:
    """Test whether images are invariant under a group, from their measurements alone.

    H0: x and ``T_g x`` have one law for all g. Reconstructions cannot be compared with their transforms as they are:
    what f gets wrong is oriented by A, whatever the images are. So both are measured and reconstructed once more,
    alike: of each ``x1 = f(y)`` the features of ``f(A x1 + noise)`` are put beside those of ``f(A T_h x1 + noise)`` for
    random h, and d is the difference of the first from the mean over the orbit. That would do if ``x1`` were ``x``; but
    what f got wrong in ``x1`` is oriented by A in the first and turned in the others. So all of it is done again to
    images whose orientation is known to be random, ``f(A T_h x1 + noise)`` for some h in the place of ``x1``. Under H0
    x is a random member of its orbit, as these are, and what f gets wrong enters every d alike: within each image they
    are exchangeable. The randomisation test draws, for each image by itself, which of them is that of x. The statistic
    is the squared norm of the mean of d over images, less the mean of the others and in units of their deviations (the
    maximum mean discrepancy of a linear kernel; Gretton et al., "A kernel two-sample test", JMLR 2012).

    The level is exact if f finds every image, and holds as far as f errs alike on images and on what it makes of them.
    Where turns interpolate, images are faded out towards the inscribed circle and all of them, the first too, are
    turned twice (there by a, on by ``h a^-1``), so that interpolation and borders tell none from the others.

    Args:
        reconstruct: f, as ``(y, physics) -> x``; before any training ``nullsight.evaluation.dagger``.
        y: measurements of different images, ``(batch, *physics.measurement_shape)``, batch >= 2.
        physics: the operator that made them.
        group: the transformations; a finite group, whose elements are drawn uniformly.
        noise: of the measurements.
        draws: one row a measurement.
        transforms: of each image in an orbit, >= 1.
        others: images of random orientation that each is compared with, >= 1; in all
            ``1 + others + (1 + others) (1 + transforms)`` reconstructions an image.
        level: 0 < level < 1.
        permutations: of the randomisation, >= 1; 999 resolve a p-value of 0.001.
        look: features of images, ``(batch, ...) -> (batch, features)``; as given, for square images.

    Raises:
        InputError: fewer than two images, another number of draws, or a count or level out of range.
    """
    if len(y) < 2 or len(draws.ids) != len(y) or min(transforms, others, permutations) < 1 or not 0 < level < 1:
        raise InputError(
            f"expected at least two measurements with a row of draws each, 1 transform, 1 other, 1 permutation and a "
            f"level between 0 and 1, but {len(y)}, {len(draws.ids)}, {transforms}, {others}, {permutations} and "
            f"{level} came"
        )
    trial = _Trial(reconstruct, physics, group, noise, look)
    with torch.no_grad():
        x1, each = reconstruct(y, physics), transforms + 2
        copies = draws.repeat(each * (1 + others))
        rows = [copies.take(range(k * len(y), (k + 1) * len(y))) for k in range(each * (1 + others))]
        orbits = [trial.orbit(x1, rows[1:each])]
        for k in range(1, 1 + others):
            own = rows[k * each : (k + 1) * each]
            orbits.append(trial.orbit(trial.again(x1, own[0]), own[1:]))
    seen = torch.stack([_apart(one.features) for one in orbits], 1)
    p_value, strength = randomisation(seen, draws, permutations=permutations)
    direction = None
    if p_value <= level and isinstance(group, PointGroup):
        doubled = torch.stack([_apart(one.doubled) for one in orbits if one.doubled is not None], 1)
        direction = _direction(doubled[:, 0] - doubled[:, 1:].mean(1), group)
    words = _words(repr(group), p_value, level, len(y), direction, turns=isinstance(group, PointGroup))
    return Invariance(p_value, level, len(y), transforms, strength, direction, words)


@dataclass(frozen=True)
class _Orbit:
    """Images and their transforms, measured and reconstructed.

    Attributes:
        features: ``(images, 1 + transforms, features)``, of the image itself first.
        doubled: the directions of structures as vectors of the doubled angle, ``(images, 1 + transforms, 2)``; None for
            transformations that do not turn.
    """

    features: Tensor
    doubled: Tensor | None


@dataclass(frozen=True)
class _Trial:
    """What is done to images: the arguments of :func:`invariance`."""

    reconstruct: Reconstruct
    physics: Physics
    group: FiniteGroup
    noise: Noise
    look: Callable[[Image], Tensor]

    def orbit(self, x1: Image, draws: Sequence[Draws]) -> _Orbit:
        """Return features of images as they are and by random transforms, one for each further draws."""
        every = [self.again(x1, own, moved=number > 0) for number, own in enumerate(draws)]
        turning = isinstance(self.group, PointGroup)
        doubled = torch.stack([_doubled(one) for one in every], 1) if turning else None
        return _Orbit(torch.stack([self.look(one).double() for one in every], 1), doubled)

    def again(self, x1: Image, draws: Draws, *, moved: bool = True) -> Image:
        """Measure and reconstruct images as they are, or transformed at random."""
        group, physics = self.group, self.physics
        start = x1 if group.action_error == 0 else window(x1)
        h = group.sample(draws.of("invariance transform")) if moved else group.identity(len(x1))
        x2 = _turned(group, h, start, draws)
        y2 = self.noise.observe(physics.A(x2), physics.measured, draws.of("invariance noise"))
        return self.reconstruct(y2, physics)


def randomisation(seen: Tensor, draws: Draws, *, permutations: int = 999) -> tuple[float, float]:
    """Return the p-value of the first of each image's vectors being one like the others, and its strength.

    Args:
        seen: differences of features, ``(images, 1 + others, features)``.
        draws: one row an image.
        permutations: how many random choices are compared with.
    """
    images, several, width = seen.shape
    centred = seen - seen.mean(1, keepdim=True)
    unit = centred.square().mean((0, 1)).sqrt()
    known = unit > 1e-9 * seen.abs().mean().clamp_min(torch.finfo(seen.dtype).tiny)  # what never changes says nothing
    centred = torch.where(known, centred / unit.where(known, torch.ones_like(unit)), torch.zeros_like(centred))
    observed = centred[:, 0].mean(0).square().sum()
    choice = (draws.of("randomisation").uniform((permutations,)) * several).long().clamp_max(several - 1)
    above = 0
    rows = torch.arange(images)[:, None]
    for few in torch.split(choice, max(1, _BLOCK // (images * width)), 1):
        found = centred[rows, few].mean(0).square().sum(1)
        above += int((found >= observed * (1 - 1e-9)).sum())
    strength = float((observed / known.sum().clamp_min(1)).sqrt())
    return (1 + above) / (1 + permutations), strength


def _apart(seen: Tensor) -> Tensor:
    """Return how the first of each image's vectors differs from the mean over its orbit, ``(images, features)``."""
    difference = seen[:, 0] - seen.mean(1)
    return torch.where(difference.abs() > _ROUNDING * seen.abs().mean(), difference, torch.zeros_like(difference))


def _turned(group: FiniteGroup, h: Tensor, x: Image, draws: Draws) -> Image:
    """Return ``T_h x``, by two turns where they interpolate, so that h = e is interpolated as the others are."""
    if group.action_error == 0:
        return group.act(h, x)
    a = group.sample(draws.of("invariance way"))
    return group.act(group.compose(h, group.inverse(a)), group.act(a, x))


def _doubled(x: Image) -> Tensor:
    """Return the direction of the structures as a vector of the doubled angle, ``(batch, 2)``."""
    direction, clear = axes(x)
    angle = torch.deg2rad(2 * direction)
    return torch.stack([clear * torch.cos(angle), clear * torch.sin(angle)], 1)


def _direction(own: Tensor, group: PointGroup) -> float | None:
    """Return the preferred direction, degrees, of vectors of the doubled angle ``(images, 2)``; None if none is clear.

    Only what the group moves can be preferred: half turns leave every direction as it is, reflections their axes.
    """
    mean, error = own.mean(0), own.std(0).norm() / len(own) ** 0.5
    # the vector (c, s) of the doubled angle stands for the matrix [[-c, -s], [-s, c]] / 2 of (down, right)
    matrix = torch.stack([-mean[0], -mean[1], -mean[1], mean[0]]).reshape(2, 2).cpu() / 2
    turns = group.matrix(torch.arange(group.order))
    fixed = (turns @ matrix @ turns.mT).mean(0)
    moved = matrix - fixed
    cosine, sine = 2 * moved[1, 1], -2 * moved[0, 1]
    if float(torch.hypot(cosine, sine)) <= _CLEAR * float(error):
        return None
    return float(torch.rad2deg(torch.atan2(sine, cosine)) / 2 % 180)


def _words(group: str, p_value: float, level: float, images: int, direction: float | None, *, turns: bool) -> str:
    if p_value > level:
        return (
            f"Nothing speaks against images that are invariant under {group} (p = {p_value:.3g}, {images} images); a "
            f"preference too small for so many images may be there."
        )
    found = f"The images are not invariant under {group} (p = {p_value:.3g}, {images} images)"
    if direction is not None:
        found += f": more structures run along {direction:.0f} degrees than invariant images would have"
    remedy = (
        "take turns by small angles alone (RotationsWithin; range_of_angles says how far), or reflections that leave "
        "the preferred direction"
        if turns
        else "take fewer transformations, those under which images do look alike"
    )
    return f"{found}. Learning from all of them takes images for likely that do not occur: {remedy}."
