"""Intervals of a reconstruction as pictures: how wide they are, and what is claimed of them."""

from nullsight.errors import InputError
from nullsight.report.content import Panel
from nullsight.report.pictures import heat, plain
from nullsight.trust.uncertainty import Uncertainty


def uncertain(found: Uncertainty, row: int = 0) -> tuple[Panel, Panel]:
    """Return the panels of one image: what the intervals are about, and their half widths.

    Args:
        found: intervals of 2-D images.
        row: which of them.

    Raises:
        InputError: a row that is not there.

    Example:
        >>> import torch
        >>> image, far = torch.rand(1, 1, 8, 8), torch.tensor([torch.inf])
        >>> said = Uncertainty(image, image / 10, 0.9, torch.tensor([30.0]), -far, far, "", whole=False)
        >>> [panel.label for panel in uncertain(said)]
        ['measured part', '90 % half width, measured part only']
    """
    if not 0 <= row < len(found.centre):
        raise InputError(f"expected a row from 0 to {len(found.centre) - 1}, but {row} came")
    part = "" if found.whole else ", measured part only"
    width = found.half_width[row].detach().square().sum(0, keepdim=True).sqrt()  # over channels, as error maps are
    top = float(width.max())
    low, high = float(found.psnr_low[row]), float(found.psnr_high[row])
    ends = f" ({low:.1f} .. {high:.1f})" if low > -float("inf") and high < float("inf") else ""
    centre = Panel(
        "reconstruction" if found.whole else "measured part",
        found.centre[row],
        caption=f"predicted PSNR {float(found.psnr[row]):.1f} dB{ends}",
        style=plain,
    )
    window = (0.0, top) if top > 0 else None
    label = f"{100 * found.level:.0f} % half width{part}"
    return centre, Panel(label, width, window, f"scale 0 .. {top:.3g}", heat)
