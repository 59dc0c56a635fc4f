"""What is known without truth as a part of a page: its words, correlations of residuals, pictures of the parts."""

from collections.abc import Sequence

from torch import Tensor

from nullsight.report.axes import LinearAxis
from nullsight.report.content import Chart, Curve, Diagnosed, Example, Panel
from nullsight.trust import Trust


def trusted(found: Trust) -> Diagnosed:
    """Return what a page says of reconstructions that were examined without truth, with the parts of the first.

    Example:
        >>> import torch
        >>> from nullsight.noise import Gaussian
        >>> from nullsight.physics import Inpainting
        >>> from nullsight.trust import examine
        >>> physics, y = Inpainting((1, 8, 8), torch.ones(8, 8)), torch.ones(1, 1, 8, 8)
        >>> trusted(examine(lambda y, A: y, y, physics, Gaussian(0.1))).verdict
        'Known without truth'
    """
    residuals = found.checks.residuals
    along: dict[int, list[tuple[float, float]]] = {}
    for one in residuals.correlations:
        along.setdefault(one.axis, []).append((float(one.lag), one.score))
    curves = tuple(Curve(f"axis {axis}", tuple(points)) for axis, points in along.items())
    chart = Chart(
        f"Neighbouring residuals: within +-{residuals.bound:.1f} if they are noise",
        "entries apart",
        "correlation in its standard deviations",
        curves,
        LinearAxis(),
    )
    return Diagnosed("Known without truth", tuple(found.lines()), (chart,) * bool(curves), _panels(found, 0))


def part_pictures(found: Trust, names: Sequence[str]) -> tuple[Example, ...]:
    """Return an example for every image: the reconstruction and its three parts."""
    return tuple(Example(name, _panels(found, number)) for number, name in enumerate(names))


def _panels(found: Trust, number: int) -> tuple[Panel, ...]:
    parts = found.parts
    images = {
        "reconstruction": found.checks.x,
        "measured": parts.measured,
        "learnable": parts.learnable,
        "unlearnable": parts.unlearnable,
    }
    shares = ("", *(f"{100 * share:.2f} % of its energy" for share in parts.shares[number].tolist()))
    pairs = zip(images.items(), shares, strict=True)
    return tuple(Panel(label, _shown(image[number]), None, share) for (label, image), share in pairs)


def _shown(image: Tensor) -> Tensor:
    return image if image.ndim < 3 or image.shape[0] <= 3 else image[:1]
