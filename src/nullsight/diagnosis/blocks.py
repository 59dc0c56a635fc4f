"""Cyclic shifts: N falls into one small block for every frequency, whatever the operator is."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from nullsight.diagnosis.average import Average, operators
from nullsight.diagnosis.spectrum import Spectrum, of_values
from nullsight.draws import Draws
from nullsight.groups.shifts import Shifts
from nullsight.physics.base import LinearPhysics, like

LARGEST = 64  # block side; larger ones come from few, large shifts, over which one can average one by one
_CHUNK = 64  # rows computed together
_PROBES = 192  # of coloured noise at least: a frequency's eigenvalue is then known to 7 %


def block_side(physics: LinearPhysics, group: Shifts) -> int:
    """Return how many pixels and channels a frequency's block has: channels times the samples of one step."""
    return physics.image_shape[0] * math.prod(group.steps)


def by_frequencies(physics: LinearPhysics, group: Shifts, *, rows: int) -> Average:
    """Return N from its blocks, one a frequency: those of ``U A^T A U^H`` with U the Fourier transform over shifts.

    N commutes with all shifts, so it keeps those blocks and loses everything between them. They are summed over the
    rows of A where there are not too many, and are else ``E (U A^T u)(U A^T u)^H`` over white noise u: one block for
    each irreducible representation of the group.

    Args:
        physics: the operator.
        group: of shifts.
        rows: numbers of all rows of A together up to which they are all computed.
    """
    side = block_side(physics, group)
    parts = operators(physics)
    blocks: Tensor = torch.zeros(group.order, side, side, dtype=torch.complex128)
    whole = math.prod(physics.measurement_shape) * math.prod(physics.image_shape) <= rows
    count = _PROBES + 8 * side
    weight = 1.0 if whole else 1 / count
    for number, part in enumerate(parts):
        for probes in _unit(part) if whole else _white(part, count, number):
            z = _spread(part.A_adjoint(probes).double().cpu(), group)
            blocks += weight / len(parts) * torch.einsum("kpb,kpc->kbc", z, z.conj())
    spectrum = of_values(torch.linalg.eigvalsh(blocks))
    kind = like(physics)

    def apply(x: Tensor) -> Tensor:
        z = _spread(x.double().cpu(), group)
        return _gather(torch.einsum("kbc,kpc->kpb", blocks, z), group, physics.image_shape).to(x)

    known = "all rows of A" if whole else f"{count} rows of white noise"
    return Average(
        physics.image_shape,
        apply,
        kind,
        f"blocks of {side} x {side}, one a frequency, from {known}",
        spectrum if whole else _estimated(spectrum, count),
    )


def _estimated(found: Spectrum, count: int) -> Spectrum:
    """Return a spectrum with its error: each eigenvalue is known to ``1 / sqrt(count)``, relative to itself.

    So those within twice that of a threshold may be on its wrong side; half of them are at most, at the worst of the
    thresholds from 1e-1 to 1e-4.
    """
    off = 2 * count**-0.5
    worst = max(found.share(t / (1 + off)) - found.share(t * (1 + off)) for t in (1e-1, 1e-2, 1e-3, 1e-4))
    return Spectrum(found.values, found.counts, error=max(worst / 2, 1e-4))


def _spread(x: Tensor, group: Shifts) -> Tensor:
    """Return ``(frequencies, batch, channels times samples of a step)`` of images ``(batch, channels, *space)``."""
    pairs = [n for size, step in zip(group.shape, group.steps, strict=True) for n in (size // step, step)]
    split = x.reshape(*x.shape[:2], *pairs)
    counts = tuple(2 + 2 * axis for axis in range(len(group.shape)))
    z: Tensor = torch.fft.fftn(split, dim=counts, norm="ortho")
    rest = tuple(3 + 2 * axis for axis in range(len(group.shape)))
    return z.permute(*counts, 0, 1, *rest).reshape(group.order, x.shape[0], -1)


def _gather(z: Tensor, group: Shifts, image_shape: tuple[int, ...]) -> Tensor:
    """Return real images, the inverse of :func:`_spread`."""
    steps = group.steps
    counts = [size // step for size, step in zip(group.shape, steps, strict=True)]
    axes = len(steps)
    split = z.reshape(*counts, z.shape[1], image_shape[0], *steps)
    order = [axes, axes + 1] + [place for axis in range(axes) for place in (axis, axes + 2 + axis)]
    moved = split.permute(*order)
    x: Tensor = torch.fft.ifftn(moved, dim=tuple(2 + 2 * axis for axis in range(axes)), norm="ortho").real
    return x.reshape(z.shape[1], *image_shape)


def _unit(physics: LinearPhysics) -> Iterator[Tensor]:
    count = math.prod(physics.measurement_shape)
    for numbers in torch.split(torch.arange(count), _CHUNK):
        rows = torch.zeros(len(numbers), count)
        rows[torch.arange(len(numbers)), numbers] = 1
        yield rows.reshape(-1, *physics.measurement_shape).to(like(physics))


def _white(physics: LinearPhysics, count: int, number: int) -> Iterator[Tensor]:
    for numbers in torch.split(torch.arange(count), _CHUNK):
        ids = tuple(numbers.tolist())
        yield Draws(number, 0, ids).of("coloured noise").normal(physics.measurement_shape).to(like(physics))
