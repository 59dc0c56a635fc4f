"""What to do: other groups and what each would add, extra views, lines or pixels that complete the picture."""

import math
from collections.abc import Callable, Mapping

import torch

from nullsight.diagnosis.average import Average, Closed
from nullsight.diagnosis.closed_tomography import view_count
from nullsight.diagnosis.verdict import Sight, Verdict
from nullsight.groups.base import Family, FiniteGroup
from nullsight.groups.reflections import Reflections
from nullsight.groups.rotations import Dihedral, QuarterTurns, Rotations
from nullsight.groups.shifts import Shifts
from nullsight.physics.base import LinearPhysics
from nullsight.physics.blur import Blur, Downsampling
from nullsight.physics.inpainting import Inpainting
from nullsight.physics.mri import CartesianMRI
from nullsight.physics.tomography import ParallelBeamCT, equispaced

_SMALL, _FEW = 400, 64  # pixels and elements up to which any pair is tried

Advice = Callable[[LinearPhysics, FiniteGroup, Sight, Average], tuple[str, ...]]


def advice(physics: LinearPhysics, group: Family, verdict: Verdict, sight: Sight, average: Average) -> tuple[str, ...]:
    """Return sentences about what would bring more into view; none where everything is."""
    if verdict is Verdict.HOLDS:
        return ()
    own = _ADVICE.get(type(physics))
    if own is None or not isinstance(group, FiniteGroup):
        return _ANY
    return own(physics, group, sight, average)


def candidates(physics: LinearPhysics, group: Family, limit: int) -> list[FiniteGroup]:
    """Return other groups that act on the operator's images, no more than ``limit``."""
    space = physics.image_shape[1:]
    found: list[FiniteGroup] = [Shifts(space)]
    if len(space) == 1:
        found.append(Reflections(("horizontal",)))
    else:
        found.append(Reflections())
    if len(space) == 2 and space[0] == space[1]:
        found += [QuarterTurns(), Dihedral(4), Rotations(360)]
    others = [one for one in found if repr(one) != repr(group)]
    return others[:limit]


def quickly_known(physics: LinearPhysics, group: FiniteGroup, forms: Mapping[tuple[type, type], Closed]) -> bool:
    """Say whether the pair has one of the closed forms, or is so small that its matrix is as quick."""
    small = math.prod(physics.image_shape) <= _SMALL and group.order <= _FEW
    turns_views = isinstance(physics, ParallelBeamCT) or group.action_error == 0
    return small or ((type(physics), type(group)) in forms and turns_views)


def _views(physics: LinearPhysics, group: FiniteGroup, sight: Sight, average: Average) -> tuple[str, ...]:
    assert isinstance(physics, ParallelBeamCT)
    views = len(physics.angles)
    given, even = torch.tensor(sorted(a % 180 for a in physics.angles)), torch.tensor(equispaced(views))
    if not torch.allclose(given, even, atol=1e-3):
        return ("add views at angles far from those that the transformations make of the present ones",)
    for more in range(views + 1, views + 4):
        found = view_count(ParallelBeamCT((1, 2, 2), more), group)
        if found > 1.5 * more:
            return (
                f"measure {more} equispaced views in place of {views}: with this group they see as {found} views do",
            )
    return ("turn by angles that are no multiple of the views' step, such as Rotations(360), if the images allow it",)


def _pixels(physics: LinearPhysics, group: FiniteGroup, sight: Sight, average: Average) -> tuple[str, ...]:
    seen = average.apply(torch.ones(1, *average.image_shape).to(average.like))
    never = int((seen == 0).sum())
    said = []
    if never:
        said.append(f"measure the {never} pixels that no transformation brings into view, or use shifts")
    if sight.overlap <= sight.slack:
        said.append("break the period: move some pixels of the mask at random, or use another mask for each sample")
    return tuple(said)


def _lines(physics: LinearPhysics, group: FiniteGroup, sight: Sight, average: Average) -> tuple[str, ...]:
    assert isinstance(physics, CartesianMRI)
    if average.spectrum is None:  # interpolated turns mix frequencies
        return ("measure other lines in some of the scans (another mask for each sample)",)
    impulse = torch.zeros(1, *average.image_shape).to(average.like)
    impulse[0, 0, 0, 0] = 1
    z = torch.fft.fft2(torch.complex(*average.apply(impulse)[0].unbind(0))).abs()
    hidden = torch.fft.fftshift(z < 1e-6 * float(z.max()), dim=(-2, -1))
    columns = int(hidden.all(0).sum())
    never = int(hidden.sum())
    lines = f", {columns} whole lines among them" if columns else ""
    return (
        f"{never} of {hidden.numel()} spatial frequencies are never seen{lines}: measure some of them in some of the "
        f"scans (another mask for each sample), which no shift of the image can replace",
    )


def _filtered(physics: LinearPhysics, group: FiniteGroup, sight: Sight, average: Average) -> tuple[str, ...]:
    return ("vary the blur or the sampling from sample to sample, or use images at several scales",)


_ANY = ("measure with another operator for each sample (masks, views, kernels): what one leaves out another may see",)
_ADVICE: dict[type, Advice] = {
    ParallelBeamCT: _views,
    Inpainting: _pixels,
    CartesianMRI: _lines,
    Blur: _filtered,
    Downsampling: _filtered,
}
