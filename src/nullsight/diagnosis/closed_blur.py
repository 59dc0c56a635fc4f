"""Blur and downsampling in closed form: products in the Fourier domain, folded where samples are left out."""

import math

import torch
from torch import Tensor

from nullsight.diagnosis.average import Average
from nullsight.diagnosis.diagonals import different, turned_keys, turned_mean
from nullsight.diagnosis.spectrum import Spectrum, of_values
from nullsight.groups.base import Family, PointGroup, Trivial
from nullsight.groups.shifts import Shifts
from nullsight.physics.base import LinearPhysics, like
from nullsight.physics.blur import Downsampling, transfer

_SAME = 1e-6  # relative: kernels closer to each other than that are one, as they are given in single precision


def filter_and_shifts(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of a blur and shifts, which is ``A^T A``: a shift multiplies frequencies by phases only."""
    transfers = _transfers(physics)
    note = "a shift of the image is the same shift of the blurred image: blur and shifts commute"
    notes = () if isinstance(group, Trivial) else (note,)
    return _of_power(physics, _power(transfers).mean(0), distinct=_different(_power(transfers), None), notes=notes)


def filter_and_turns(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of a blur and turns or reflections: turning an image turns its frequencies."""
    assert isinstance(group, PointGroup)
    if group.action_error > 0:
        return None
    power = _power(_transfers(physics))
    distinct = _different(power, group)
    note = "the kernel turned or mirrored is the same kernel: nothing changes"
    return _of_power(
        physics, turned_mean(power.mean(0), group), distinct=distinct, notes=(note,) if distinct == 1 else ()
    )


def samples_and_shifts(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of downsampling and shifts.

    The mean over shifts keeps every q-th sample, q the greatest common divisor of the factor and the step: an
    operator of factor q, weaker by ``(factor / q)^axes``. Where q = 1 it is a blur, ``|K|^2 / factor^axes``.
    """
    assert isinstance(physics, Downsampling)
    assert isinstance(group, Trivial | Shifts)
    space = physics.image_shape[1:]
    steps = space if isinstance(group, Trivial) else group.steps
    kept = [math.gcd(physics.factor, step) for step in steps]
    transfers = _transfers(physics)
    folded = _fold(transfers, kept)
    weaker = physics.factor ** len(space)
    distinct = _operators(transfers, physics.factor, kept)
    notes: tuple[str, ...] = ()
    moving = any(q < physics.factor for q in kept)
    if distinct == 1 and moving:
        notes = ("the kernel leaves no two frequencies that fall together: a shift of the image shifts its samples",)
    elif distinct is not None and distinct > 1:
        notes = (
            f"every {physics.factor}-th sample is kept, so shifts by multiples of {physics.factor} change nothing and "
            f"{distinct} different operators remain",
        )

    def apply(x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        z = torch.fft.fftn(x.double().cpu(), dim=axes)
        total = torch.zeros_like(z)
        for one in transfers:
            aliased = _fold(z * one, kept).sum(2, keepdim=True)
            total += _unfold(aliased.expand(-1, -1, math.prod(kept), -1), kept, space) * one.conj()
        out: Tensor = torch.fft.ifftn(total / (weaker * len(transfers)), dim=axes).real
        return out.to(x)

    spectrum = _of_blocks(folded, weaker, physics.image_shape[0])
    return Average(
        physics.image_shape,
        apply,
        like(physics),
        "closed form, aliased frequencies together",
        spectrum,
        distinct,
        notes,
    )


def _of_blocks(folded: Tensor, weaker: int, channels: int) -> Spectrum:
    """Return the eigenvalues of ``v v^H / weaker``, averaged over operators, for each set of aliases v."""
    samples, own, aliases, sets = folded.shape
    if samples == 1:  # of rank one: one eigenvalue a set, the others zero
        ones = folded.abs().square().sum(2).flatten() / weaker
        values = torch.cat([ones, ones.new_zeros(own * sets * (aliases - 1))])
    else:
        v = folded.permute(1, 3, 0, 2)  # own, sets, samples, aliases
        values = torch.linalg.eigvalsh(torch.einsum("osba,osbc->osac", v.conj(), v)) / (weaker * samples)
    return of_values(values, repeated=channels // own)


def _transfers(physics: LinearPhysics) -> Tensor:
    """Return the kernels' Fourier transforms, ``(samples, 1 or channels, *space)``."""
    assert isinstance(physics, Downsampling)
    return transfer(physics.kernel.detach().cpu().double(), physics.image_shape)


def _power(transfers: Tensor) -> Tensor:
    return transfers.abs().square()


def _different(power: Tensor, group: PointGroup | None) -> int:
    return different(turned_keys(power, group), near=_SAME)


def _operators(transfers: Tensor, factor: int, kept: list[int]) -> int | None:
    """Return how many operators the shifts make; None for several kernels, whose phases count: to be tried."""
    if len(transfers) > 1:
        return None
    size = transfers.abs() / transfers.abs().max()
    together = (_fold(size, [factor] * len(kept)) > _SAME).sum(2)
    return 1 if int(together.max()) <= 1 else math.prod(factor // q for q in kept)


def _fold(z: Tensor, kept: list[int]) -> Tensor:
    """Return ``(batch, channels, aliases, sets)``: frequencies k, k + n/q, k + 2n/q, ... fall together."""
    space = z.shape[2:]
    pairs = [n for size, q in zip(space, kept, strict=True) for n in (q, size // q)]
    axes = len(space)
    split = z.reshape(*z.shape[:2], *pairs)
    order = [2 + 2 * a for a in range(axes)] + [3 + 2 * a for a in range(axes)]
    return split.permute(0, 1, *order).reshape(*z.shape[:2], math.prod(kept), -1)


def _unfold(z: Tensor, kept: list[int], space: tuple[int, ...]) -> Tensor:
    """Return ``(batch, channels, *space)``, the inverse of :func:`_fold`."""
    axes = len(space)
    split = z.reshape(*z.shape[:2], *kept, *[size // q for size, q in zip(space, kept, strict=True)])
    order = [place for a in range(axes) for place in (2 + a, 2 + axes + a)]
    return split.permute(0, 1, *order).reshape(*z.shape[:2], *space)


def _of_power(physics: LinearPhysics, power: Tensor, *, distinct: int, notes: tuple[str, ...]) -> Average:
    def apply(x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        out: Tensor = torch.fft.ifftn(torch.fft.fftn(x, dim=axes) * power.to(x), dim=axes).real
        return out

    repeated = physics.image_shape[0] // len(power)
    spectrum = of_values(power, repeated=repeated)
    how = "closed form, frequency by frequency"
    return Average(physics.image_shape, apply, like(physics), how, spectrum, distinct, notes)
