"""A diagnosis as a part of a page: its words, the curve of what is visible, pictures of what is not."""

import math

from torch import Tensor

from nullsight.diagnosis import Diagnosis
from nullsight.report.content import Chart, Curve, Diagnosed, Panel
from nullsight.report.pictures import plain


def diagnosed(found: Diagnosis) -> Diagnosed:
    """Return what a page shows of a diagnosis.

    Example:
        >>> from nullsight.diagnosis import diagnose
        >>> from nullsight.groups import Shifts
        >>> from nullsight.physics import Inpainting, periodic_mask
        >>> shown = diagnosed(diagnose(Inpainting((1, 8), periodic_mask((8,), 2)), Shifts((8,))))
        >>> shown.verdict
        'nothing gained'
    """
    curves = (
        Curve("A alone", tuple((_decades(one.threshold), 100 * one.alone) for one in found.curve)),
        Curve("with the group", tuple((_decades(one.threshold), 100 * one.visible) for one in found.curve)),
    )
    shares = Chart(
        "What is visible, by how strongly",
        "threshold: power of ten, relative to the most visible direction",
        "% of all directions",
        curves,
    )
    drawn = enumerate(zip(found.invisible, found.residuals, strict=True), 1)
    panels = tuple(_picture(number, image, residual) for number, (image, residual) in drawn)
    return Diagnosed(found.verdict.words, tuple(found.lines()[1:]), (shares,), panels)


def _decades(threshold: float) -> float:
    return round(math.log10(threshold), 3)


def _picture(number: int, image: Tensor, residual: float) -> Panel:
    shown = image if image.ndim < 3 or image.shape[0] <= 3 else image[:1]
    caption = f"|N v| / |v| = {residual:.0e} of the largest"
    return Panel(f"invisible direction {number}", shown.float(), caption=caption, style=plain)
