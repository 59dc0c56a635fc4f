"""What is known in closed form, by the operator's class and the group's: ``CLOSED[type(physics), type(group)]``."""

from collections.abc import Iterable

import torch
from torch import Tensor

from nullsight.diagnosis.average import Average, Closed
from nullsight.diagnosis.closed_blur import filter_and_shifts, filter_and_turns, samples_and_shifts
from nullsight.diagnosis.closed_tomography import views_alone, views_and_shifts, views_and_turns
from nullsight.diagnosis.diagonals import (
    different,
    moved_mean,
    names,
    shifted_keys,
    shifted_mean,
    stabiliser,
    turned_keys,
    turned_mean,
)
from nullsight.diagnosis.spectrum import of_values
from nullsight.groups.base import Family, FiniteGroup, PointGroup, Trivial
from nullsight.groups.reflections import Reflections
from nullsight.groups.rotations import Dihedral, QuarterTurns, Rotations
from nullsight.groups.shifts import Shifts
from nullsight.physics.base import LinearPhysics, like
from nullsight.physics.blur import Blur, Downsampling
from nullsight.physics.inpainting import Inpainting
from nullsight.physics.mri import CartesianMRI
from nullsight.physics.tomography import ParallelBeamCT


def mask_alone(physics: LinearPhysics, group: Family) -> Average | None:
    """Return ``A^T A`` of a mask: each pixel is seen or not."""
    return _of_pixels(physics, _seen(physics), distinct=different(_keys(_masks(physics), group)), notes=())


def mask_and_shifts(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of a mask and shifts: each pixel is seen as often as the mask has pixels, ``N = (m/n) I``."""
    assert isinstance(group, Shifts)
    masks = _masks(physics)
    known = stabiliser(masks[0], group)
    notes: tuple[str, ...] = ()
    if known.order > 1:
        names = ("rows", "columns")[-len(group.shape) :]
        along = " and ".join(f"every {period} {name}" for period, name in zip(known.periods, names, strict=True))
        notes = (
            f"the mask repeats itself ({along}), so {known.order} of the {group.order} shifts leave it as it is and "
            f"only {group.order // known.order} different masks remain",
        )
    distinct = different(shifted_keys(masks, group))
    return _of_pixels(physics, shifted_mean(_seen(physics), group), distinct=distinct, notes=notes)


def mask_and_turns(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of a mask and a group that moves pixels: a pixel is seen as often as its orbit meets the mask."""
    assert isinstance(group, FiniteGroup)
    if group.action_error > 0:
        return None  # interpolated: no pixel moves to a pixel
    distinct = different(_keys(_masks(physics), group))
    return _of_pixels(physics, moved_mean(_seen(physics), group), distinct=distinct, notes=())


def frequencies_and_shifts(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of a Fourier mask and shifts, which is ``A^T A``: a shift multiplies frequencies by phases only."""
    weights = _frequencies(physics)
    note = (
        "a shift multiplies each spatial frequency by a phase and moves none of them: what the mask leaves out stays "
        "out"
    )
    notes = () if isinstance(group, Trivial) else (note,)
    return _of_frequencies(
        physics,
        weights.sum(0, dtype=torch.float64) / len(weights),
        distinct=different(turned_keys(weights[:, None], None)),
        notes=notes,
    )


def frequencies_and_turns(physics: LinearPhysics, group: Family) -> Average | None:
    """Return N of a Fourier mask and turns or reflections: turning an image turns its frequencies."""
    assert isinstance(group, PointGroup)
    if group.action_error > 0:
        return None
    weights = _frequencies(physics)
    distinct = different(turned_keys(weights[:, None], group))
    mean = turned_mean((weights.sum(0, dtype=torch.float64) / len(weights))[None], group)[0]
    return _of_frequencies(physics, mean, distinct=distinct, notes=())


def _masks(physics: LinearPhysics) -> Tensor:
    assert isinstance(physics, Inpainting)
    return physics.mask.expand(-1, *physics.image_shape).cpu()


def _keys(masks: Tensor, group: Family) -> Iterable[Tensor]:
    """Return the keys of masks ``(samples, channels, *space)`` under a group that only moves pixels."""
    assert isinstance(group, FiniteGroup)
    each = torch.cat(list(group.each(names(masks.shape[1:])[None])))
    keys: Iterable[Tensor] = iter(masks.double().flatten(1) @ each.flatten(1).T)
    return keys


def _seen(physics: LinearPhysics) -> Tensor:
    masks = _masks(physics)
    return masks.sum(0, dtype=torch.float64) / len(masks)


def _frequencies(physics: LinearPhysics) -> Tensor:
    """Return the masks with the zero frequency first, ``(samples, height, width)``."""
    assert isinstance(physics, CartesianMRI)
    moved: Tensor = torch.fft.ifftshift(physics.mask[:, 0, 0].cpu(), dim=(-2, -1))
    return moved


def _of_pixels(physics: LinearPhysics, weights: Tensor, *, distinct: int, notes: tuple[str, ...]) -> Average:
    return Average(
        physics.image_shape,
        lambda x: x * weights.to(x),
        like(physics),
        "closed form, pixel by pixel",
        of_values(weights),
        distinct,
        notes,
    )


def _of_frequencies(physics: LinearPhysics, weights: Tensor, *, distinct: int, notes: tuple[str, ...]) -> Average:
    def apply(x: Tensor) -> Tensor:
        z = torch.fft.fft2(torch.complex(x[:, 0], x[:, 1])) * weights.to(x)
        return torch.view_as_real(torch.fft.ifft2(z)).movedim(-1, 1)

    how = "closed form, frequency by frequency"
    spectrum = of_values(weights, repeated=2)  # re and im
    return Average(physics.image_shape, apply, like(physics), how, spectrum, distinct, notes)


_POINTS: tuple[type[PointGroup], ...] = (Reflections, QuarterTurns, Rotations, Dihedral)

CLOSED: dict[tuple[type, type], Closed] = {
    (Inpainting, Trivial): mask_alone,
    (Inpainting, Shifts): mask_and_shifts,
    **{(Inpainting, group): mask_and_turns for group in _POINTS},
    (CartesianMRI, Trivial): frequencies_and_shifts,
    (CartesianMRI, Shifts): frequencies_and_shifts,
    **{(CartesianMRI, group): frequencies_and_turns for group in _POINTS},
    (Blur, Trivial): filter_and_shifts,
    (Blur, Shifts): filter_and_shifts,
    **{(Blur, group): filter_and_turns for group in _POINTS},
    (Downsampling, Trivial): samples_and_shifts,
    (Downsampling, Shifts): samples_and_shifts,
    (ParallelBeamCT, Trivial): views_alone,
    (ParallelBeamCT, Shifts): views_and_shifts,
    **{(ParallelBeamCT, group): views_and_turns for group in _POINTS},
}
"""What is known, each entry a small function of its own that returns None where it does not apply after all."""
