"""What a report shows, as plain values; whoever makes a report fills these in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from nullsight.errors import InputError
from nullsight.report.axes import Axis, LinearAxis
from nullsight.report.pictures import heat, plain

Window = tuple[float, float]
Style = Callable[[Tensor, Window | None], np.ndarray]


@dataclass(frozen=True)
class Headline:
    """One large number at the top of the page.

    Attributes:
        label: what it is.
        value: the number with its unit, as text.
        note: one line below it, such as its interval.
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture of an example.

    Attributes:
        label: what it shows.
        image: ``(channels, height, width)`` with 1 (grey), 2 (complex, shown as magnitude) or 3 channels (colour);
            k-space ``(coils, 2, height, width)``; a signal ``(channels, length)`` or ``(length,)`` is drawn as a line.
        window: the values shown as black and white; None: the smallest and the largest.
        caption: one line below, such as its PSNR.
        style: how values become pixels: ``plain``, ``log_magnitude`` (k-space) or ``heat`` (error maps).

    Raises:
        InputError: an empty image.
    """

    label: str
    image: Tensor
    window: Window | None = None
    caption: str = ""
    style: Style = plain

    def __post_init__(self) -> None:
        if self.image.numel() == 0:
            raise InputError(f"expected an image in the panel {self.label!r}, but an empty tensor came")


@dataclass(frozen=True)
class Example:
    """Pictures of one sample, side by side, and two of them under a slider.

    Attributes:
        name: what the sample is called.
        panels: from left to right.
        compare: the labels of the panels before and after the slider; None: no slider.

    Raises:
        InputError: a label to compare that no panel has, or two pictures of different size.
    """

    name: str
    panels: tuple[Panel, ...]
    compare: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.compare is not None:
            before, after = (self.panel(label) for label in self.compare)
            if before.image.shape[-2:] != after.image.shape[-2:] or before.image.ndim < 3:
                raise InputError(
                    f"expected two images of one size under the slider of {self.name!r}, but "
                    f"{tuple(before.image.shape)} and {tuple(after.image.shape)} came"
                )

    def panel(self, label: str) -> Panel:
        """Return the panel of that label; InputError where there is none."""
        for one in self.panels:
            if one.label == label:
                return one
        raise InputError(f"expected a panel among {', '.join(p.label for p in self.panels)}, but {label!r} came")


def error_map(image: Tensor, reference: Tensor, *, top: float, label: str = "error", caption: str = "") -> Panel:
    """Return the panel of ``|image - reference|``, over channels the root of the sum of squares, on the scale 0 .. top.

    Args:
        image: ``(channels, height, width)``.
        reference: of the same shape.
        top: the error shown brightest, > 0, in the images' unit.
        label: of the panel.
        caption: one line below; empty: the scale.

    Raises:
        InputError: different shapes, or a top that is not above 0.
    """
    if image.shape != reference.shape:
        raise InputError(
            f"expected images of one shape for an error map, but {tuple(image.shape)}, {tuple(reference.shape)} came"
        )
    if not top > 0:
        raise InputError(f"expected an error scale above 0, but {top} came")
    size = (image.detach() - reference.detach()).square().sum(0, keepdim=True).sqrt()
    return Panel(label, size, (0.0, top), caption or f"scale 0 .. {top:.3g}", heat)


@dataclass(frozen=True)
class Curve:
    """One line of a chart: points ``(x, y)`` in the order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Chart:
    """Curves over one horizontal axis.

    Attributes:
        title: what is shown.
        x_label: of the horizontal axis, with unit.
        y_label: of the vertical axis, with unit.
        curves: at least one point among them to be drawn.
        y_axis: ``LinearAxis()`` or ``LogAxis()`` (which leaves out values of zero and below).
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    y_axis: Axis = field(default_factory=LinearAxis)


@dataclass(frozen=True)
class Table:
    """A table; the first column is text, the others are numbers as text.

    Attributes:
        title: what it shows.
        head: names of the columns.
        rows: as many cells each.
        note: one line below: units, what an interval is.
        strong: which row is this run's.

    Raises:
        InputError: a row with another number of cells than the head.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    strong: int | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise InputError(f"expected {len(self.head)} cells a row in {self.title!r}, but {len(row)} came")


@dataclass(frozen=True)
class Diagnosed:
    """What an operator and a group can teach, or what is known of a run without truth, as a part of the page.

    Attributes:
        verdict: in a few words.
        lines: the diagnosis as text.
        charts: what is visible.
        panels: pictures of what is not.
    """

    verdict: str
    lines: tuple[str, ...]
    charts: tuple[Chart, ...] = ()
    panels: tuple[Panel, ...] = ()


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page, in its order.

    Attributes:
        title: of the run.
        summary: one or two sentences: what was learned from what.
        headlines: a few large numbers.
        examples: pictures.
        tables: scores and baselines.
        charts: of the training.
        facts: groups of name and value: stated errors, seeds, versions, machine, minutes.
        recipe: the effective recipe as TOML.
        diagnosis: what the measurements can teach, as far as it is known before training; None: not asked.
        trust: what is known after training without ground truth; None: not asked.
    """

    title: str
    summary: str
    headlines: tuple[Headline, ...] = ()
    examples: tuple[Example, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    facts: Sequence[tuple[str, Sequence[tuple[str, str]]]] = ()
    recipe: str = ""
    diagnosis: Diagnosed | None = None
    trust: Diagnosed | None = None
