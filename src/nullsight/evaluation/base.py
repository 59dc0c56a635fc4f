"""Reconstruct a data set with several methods and score every image, with truth or without."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn

from nullsight.data.datasets import MeasurementSet, TruthSet
from nullsight.errors import InputError
from nullsight.evaluation.ranges import DataRange, PeakOfEach
from nullsight.evaluation.statistics import Interval, first_of_each, t_interval
from nullsight.metrics import has_windows, nmse, psnr, ssim
from nullsight.physics.base import Physics
from nullsight.types import Map

Reconstruct = Callable[[Tensor, Physics], Tensor]


@dataclass(frozen=True)
class Scores:
    """What one method reached on every sample.

    Attributes:
        name: of the method.
        values: for each of ``residual`` and, where there is truth, ``psnr`` (dB), ``ssim`` (of images of at least
            11 x 11 pixels) and ``nmse``: one value a sample, NaN where a sample has no truth.
        seconds: wall time of all reconstructions.
    """

    name: str
    values: Mapping[str, tuple[float, ...]]
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """Scores of all methods on one data set; the method that was evaluated comes first, then the baselines.

    Attributes:
        methods: one :class:`Scores` each.
        names: what each sample is called.
        counted: which samples enter means and intervals: those with truth (where there is any) that are not exact
            duplicates of a sample before them.
        range_statement: what the data range of PSNR and SSIM is.
    """

    methods: tuple[Scores, ...]
    names: tuple[str, ...]
    counted: tuple[bool, ...]
    range_statement: str

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the names of what was scored."""
        return tuple(self.methods[0].values)

    def scores(self, method: str) -> Scores:
        """Return the scores of a method; InputError where there is none of that name."""
        for one in self.methods:
            if one.name == method:
                return one
        known = ", ".join(one.name for one in self.methods)
        raise InputError(f"expected a method among {known}, but {method!r} came")

    def values(self, method: str, metric: str) -> tuple[float, ...]:
        """Return the counted samples' values; InputError for a method or metric that is not there."""
        of_method = self.scores(method).values
        if metric not in of_method:
            raise InputError(f"expected a metric among {', '.join(of_method)}, but {metric!r} came")
        return tuple(v for v, counts in zip(of_method[metric], self.counted, strict=True) if counts)

    def mean(self, method: str, metric: str) -> Interval:
        """Return the mean over counted samples and its 95 % t interval."""
        return t_interval(self.values(method, metric))

    def difference(self, method: str, other: str, metric: str) -> Interval:
        """Return the mean of ``method - other``, image by image, and its 95 % t interval."""
        pairs = zip(self.values(method, metric), self.values(other, metric), strict=True)
        return t_interval([a - b for a, b in pairs])


def dagger(y: Tensor, physics: Physics) -> Tensor:
    """Return ``A_dagger y``, the baseline that every reconstruction should beat."""
    return physics.A_dagger(y)


def evaluate(
    reconstruct: Reconstruct,
    data: MeasurementSet,
    truth: TruthSet | None = None,
    *,
    name: str = "f(y)",
    baselines: Mapping[str, Reconstruct] | None = None,
    batch_size: int = 8,
    data_range: DataRange | None = None,
    view: Map | None = None,
) -> Evaluation:
    """Score a reconstructor on every measurement of a data set, beside baselines. Nothing is changed by it.

    The residual ``|A f(y) - y| / |y|`` needs no truth. PSNR, SSIM and NMSE are against ``truth``, in float64.

    Args:
        reconstruct: ``f(y, physics) -> x``; a module runs in eval mode and comes back as it was.
        data: the measurements.
        truth: references in the same order, for scoring only.
        name: what the method is called.
        baselines: other methods by name; None: ``A_dagger y`` alone.
        batch_size: samples at a time, >= 1.
        data_range: of PSNR and SSIM; None: :class:`PeakOfEach`.
        view: applied to reconstruction and reference before they are compared, such as :func:`magnitude`.

    Raises:
        InputError: truth for another number of samples or of another shape, two methods of one name, a batch size
            below 1, or a method that returns images of another shape.

    Example:
        >>> from nullsight.physics import Inpainting
        >>> x = torch.linspace(0.1, 1, 288).reshape(2, 1, 12, 12)
        >>> physics = Inpainting((1, 12, 12), torch.arange(144).reshape(1, 12, 12) % 3 > 0)
        >>> found = evaluate(lambda y, A: A.A_dagger(y) + 0.1, MeasurementSet(physics.A(x), physics), TruthSet(x))
        >>> found.difference("f(y)", "A_dagger y", "residual").mean > 0
        True
    """
    if batch_size < 1:
        raise InputError(f"expected a batch size of at least 1, but {batch_size} came")
    if truth is not None and tuple(truth.x.shape) != (len(data), *data.physics.image_shape):
        wanted = (len(data), *data.physics.image_shape)
        raise InputError(f"expected truth of shape {wanted}, one image a measurement, but {tuple(truth.x.shape)} came")
    others = {"A_dagger y": dagger} if baselines is None else baselines
    if name in others:
        raise InputError(f"expected the method and its baselines to have different names, but {name!r} came twice")
    judge = _Judge(data, truth, data_range or PeakOfEach(), view, batch_size)
    scored = tuple(judge.score(label, method) for label, method in {name: reconstruct, **others}.items())
    names = data.names or tuple(str(i) for i in range(len(data)))
    return Evaluation(scored, names, judge.counted(), judge.data_range.statement)


@dataclass(frozen=True)
class _Judge:
    data: MeasurementSet
    truth: TruthSet | None
    data_range: DataRange
    view: Map | None
    batch_size: int

    def counted(self) -> tuple[bool, ...]:
        if self.truth is None:
            return first_of_each(self.data.y)
        has = [True] * len(self.truth) if self.truth.has_x is None else self.truth.has_x.tolist()
        known = [i for i, there in enumerate(has) if there]
        fresh = dict(zip(known, first_of_each(self.truth.x[known]), strict=True))
        return tuple(fresh.get(i, False) for i in range(len(has)))

    def score(self, name: str, method: Reconstruct) -> Scores:
        columns: dict[str, list[float]] = {}
        seconds = 0.0
        for begin in range(0, len(self.data), self.batch_size):
            ids = list(range(begin, min(begin + self.batch_size, len(self.data))))
            batch = self.data.batch(ids)
            begun = perf_counter()
            with torch.no_grad(), _at_rest(method):
                x = method(batch.y, batch.physics)
            seconds += perf_counter() - begun
            wanted = (len(ids), *batch.physics.image_shape)
            if tuple(x.shape) != wanted:
                raise InputError(f"expected {name} to return images of shape {wanted}, but {tuple(x.shape)} came")
            with torch.no_grad():
                error = (batch.physics.A(x) - batch.y).flatten(1).double().norm(dim=1)
            found = {"residual": error / batch.y.flatten(1).double().norm(dim=1)}
            for key, column in {**found, **self._compared(x, ids)}.items():
                columns.setdefault(key, []).extend(column.tolist())
        return Scores(name, {key: tuple(column) for key, column in columns.items()}, seconds)

    def _compared(self, x: Tensor, ids: list[int]) -> dict[str, Tensor]:
        if self.truth is None:
            return {}
        table = {name: torch.full((len(ids),), torch.nan, dtype=torch.float64) for name in ("psnr", "ssim", "nmse")}
        if not has_windows(self.truth.x):
            table.pop("ssim")
        has = torch.ones(len(ids), dtype=torch.bool) if self.truth.has_x is None else self.truth.has_x[ids].cpu()
        for row in has.nonzero().flatten().tolist():
            got, wanted = x[row : row + 1].double(), self.truth.x[ids[row]][None].to(x.device).double()
            if self.view is not None:
                got, wanted = self.view(got), self.view(wanted)
            peak = float(self.data_range.of(wanted))
            table["psnr"][row] = psnr(got, wanted, data_range=peak)[0]
            table["nmse"][row] = nmse(got, wanted)[0]
            if "ssim" in table:
                table["ssim"][row] = ssim(got, wanted, data_range=peak)[0]
        return table


@contextmanager
def _at_rest(method: Reconstruct) -> Iterator[None]:
    """Put a module into eval mode and every part of it back into the mode it had."""
    parts = list(method.modules()) if isinstance(method, nn.Module) else []
    modes = [part.training for part in parts]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
