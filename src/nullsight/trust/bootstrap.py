"""The equivariant bootstrap: how far reconstructions of virtual measurements stray, in place of the unknown error."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nullsight.data.datasets import MeasurementSet
from nullsight.draws import Draws
from nullsight.evaluation.base import Reconstruct
from nullsight.groups.base import Family
from nullsight.groups.ensembles import inscribed_disk
from nullsight.noise import Noise
from nullsight.physics.base import Physics, misfit_seen
from nullsight.types import Element, Image, InputError, Measurement

_LOST = 0.1  # of a constant image: what a turn there and back cuts off is missing by more, interpolation changes less


@dataclass(frozen=True)
class Bootstrap:
    """What virtual measurements say of the error of ``x1 = f(y)``, image by image.

    Attributes:
        x1: the reconstructions, ``(batch, *image_shape)``.
        mean_square: predicted mean squared error of each image, ``(batch,)``.
        spread: root mean square of ``x_i - x1`` in every pixel, shaped as ``x1``.
        seen: ``A_dagger A x1``, what the measurements say of the images; shaped as ``x1``.
        seen_spread: root mean square of ``A_dagger A x_i - A_dagger A x1``: of the measured part alone.
        copies: how many virtual measurements there were of each image.
        covered: share of the pixels for which at least two of them tell something; the others got the mean of these.
    """

    x1: Image
    mean_square: Tensor
    spread: Image
    seen: Image
    seen_spread: Image
    copies: int
    covered: float

    def psnr(self, data_range: float | Tensor) -> Tensor:
        """Return the predicted PSNR in dB, ``(batch,)``, for one data range or one an image, ``(batch,)``, > 0."""
        return 10 * torch.log10(torch.as_tensor(data_range).to(self.mean_square).square() / self.mean_square)


def bootstrap(
    reconstruct: Reconstruct,
    y: Measurement,
    physics: Physics,
    group: Family,
    noise: Noise,
    draws: Draws,
    *,
    copies: int = 50,
) -> Bootstrap:
    """Reconstruct virtual measurements of turned reconstructions and compare them with what they were made from.

    ``x_i = T_g^-1 f(A T_g f(y) + noise)`` with g and noise drawn anew for each copy i; the mean of ``|x_i - f(y)|^2``
    predicts ``|x - f(y)|^2``. Tachella and Pereyra, "Equivariant bootstrapping for uncertainty quantification in
    imaging inverse problems", arXiv 2310.11838, 2023. Without the transformations (``Trivial``) it is the parametric
    bootstrap, which cannot see errors in the null space of ``A``.

    Deviations are ``T_g^-1 x3 - T_g^-1 x2`` with ``x2 = T_g f(y)`` and ``x3 = f(A x2 + noise)``: the same where
    ``T_g^-1 T_g`` is the identity; where it interpolates, its round trip, which is no error of f, cancels. Pixels that
    a copy turns out of the image are left out in that copy. Sums are kept, not copies: memory is that of a few images.

    Args:
        reconstruct: f, as ``(y, physics) -> x``; a ``Run``'s ``reconstruct`` or a reconstructor in evaluation mode.
        y: measurements, ``(batch, *physics.measurement_shape)``.
        physics: the operator that made them.
        group: transformations that have an inverse and leave the set of images as it is.
        noise: of the measurements.
        draws: one row a measurement.
        copies: of each image, >= 2; 50 give spreads to 10 %.

    Raises:
        InputError: fewer than 2 copies, transformations without inverse, another number of draws than measurements.

    Example:
        >>> from nullsight.groups import Shifts
        >>> from nullsight.noise import Gaussian
        >>> from nullsight.physics import Inpainting
        >>> physics = Inpainting((1, 8), torch.ones(8))
        >>> y = torch.zeros(1, 1, 8)
        >>> found = bootstrap(lambda y, A: A.A_dagger(y), y, physics, Shifts((8,)), Gaussian(0.1), Draws(0, 0, (0,)))
        >>> 0.005 < float(found.mean_square) < 0.02  # sigma^2 is 0.01
        True
    """
    inverse = _inverse(group)
    if copies < 2 or len(draws.ids) != len(y):
        raise InputError(
            f"expected at least 2 copies and one row of draws a measurement, but {copies} copies and "
            f"{len(draws.ids)} rows came for {len(y)} measurements"
        )
    with torch.no_grad():
        x1 = reconstruct(y, physics)
        again = physics.A(x1)
        seen = physics.A_dagger(again)
        counts = torch.zeros_like(x1)
        squares, seen_squares = torch.zeros_like(x1), torch.zeros_like(x1)
        every = draws.repeat(copies)
        for copy in range(copies):
            own = every.take(range(copy * len(y), (copy + 1) * len(y)))
            g = group.sample(own.of("bootstrap transform"))
            back = inverse(g)
            x2 = group.act(g, x1)
            y2 = noise.observe(physics.A(x2), physics.measured, own.of("bootstrap noise"))
            x3 = reconstruct(y2, physics)
            deviation = group.act(back, x3) - group.act(back, x2)
            kept = _kept(group, g, back, x1)
            counts += kept
            squares += kept * deviation.square()
            # x1 + deviation lies where the image does, so A sees it as it sees the image
            seen_squares += kept * misfit_seen(physics, x1 + kept * deviation, again).square()
    told = counts >= 2
    spread, seen_spread = (_spread(sums, counts, told) for sums in (squares, seen_squares))
    mean_square = spread.double().square().flatten(1).mean(1).to(x1.dtype)
    return Bootstrap(x1, mean_square, spread, seen, seen_spread, copies, float(told.double().mean()))


def predict_errors(
    reconstruct: Reconstruct,
    data: MeasurementSet,
    group: Family,
    noise: Noise,
    *,
    copies: int = 50,
    seed: int = 0,
    batch_size: int = 8,
) -> Bootstrap:
    """Return the :func:`bootstrap` of all measurements of a set, a few at a time; the batch size changes no draw.

    Args:
        reconstruct: f, as ``(y, physics) -> x``, such as ``run.reconstruct``.
        data: the measurements and their operators.
        group: transformations that have an inverse and leave the set of images as it is.
        noise: of the measurements.
        copies: of each image, >= 2.
        seed: of transformations and noise.
        batch_size: measurements at a time, >= 1.

    Raises:
        InputError: as :func:`bootstrap`.
    """
    parts = []
    for first in range(0, len(data), batch_size):
        batch = data.batch(range(first, min(first + batch_size, len(data))))
        draws = Draws(seed, 0, tuple(batch.ids.tolist()))
        parts.append(bootstrap(reconstruct, batch.y, batch.physics, group, noise, draws, copies=copies))
    return join(parts)


def join(parts: list[Bootstrap]) -> Bootstrap:
    """Return the bootstraps of several batches as one; InputError where there is none or copies differ."""
    if len({one.copies for one in parts}) != 1:
        raise InputError(f"expected bootstraps with one number of copies, but {[one.copies for one in parts]} came")
    names = ("x1", "mean_square", "spread", "seen", "seen_spread")
    x1, mean_square, spread, seen, seen_spread = (torch.cat([getattr(one, name) for one in parts]) for name in names)
    covered = sum(one.covered * len(one.x1) for one in parts) / len(x1)
    return Bootstrap(x1, mean_square, spread, seen, seen_spread, parts[0].copies, covered)


def _inverse(group: Family) -> Callable[[Element], Element]:
    inverse: Callable[[Element], Element] | None = getattr(group, "inverse", None)
    if inverse is None:
        raise InputError(
            f"expected transformations that have an inverse, but {type(group).__name__} has none: take a group, such "
            f"as Rotations or Shifts, to compare reconstructions in one frame"
        )
    return inverse


def _kept(group: Family, g: Element, back: Element, x: Image) -> Tensor:
    """Return 1 where a turn there and back leaves a pixel within the image, 0 where it was cut off; shaped as ``x``."""
    ones = torch.ones_like(x)
    if group.action_error == 0:
        return ones
    trip = group.act(back, group.act(g, ones))
    kept = (trip - 1).abs() < _LOST
    if group.region < 1:  # what comes in from outside is a continuation, which constant images do not tell
        kept &= inscribed_disk(tuple(x.shape[2:]), group.region).to(x.device)
    return kept.to(x.dtype)


def _spread(sums: Tensor, counts: Tensor, told: Tensor) -> Tensor:
    """Return the root of the mean over copies; where too few tell, that of the image's other pixels."""
    mean = sums / counts.clamp_min(1)
    axes = tuple(range(1, sums.ndim))
    rest = (mean * told).sum(axes, keepdim=True) / told.sum(axes, keepdim=True).clamp_min(1)
    return torch.where(told, mean, rest).sqrt()
