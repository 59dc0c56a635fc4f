"""From what a run leaves behind to what a report shows: scores and metrics rows."""

from collections.abc import Mapping, Sequence

from nullsight.evaluation import Evaluation, Interval
from nullsight.report.content import Curve, Table

_COLUMNS = {"psnr": ("PSNR, dB", 2), "ssim": ("SSIM", 3), "nmse": ("NMSE", 4), "residual": ("residual", 4)}


def score_table(evaluation: Evaluation, title: str = "Mean over images, 95 % interval") -> Table:
    """Return the table of an evaluation: means with intervals, and PSNR gained over each baseline, image by image."""
    known = [metric for metric in _COLUMNS if metric in evaluation.metrics]
    first = evaluation.methods[0].name
    gain = ["PSNR gained over it, dB"] if "psnr" in known else []
    rows = []
    for method in evaluation.methods:
        cells = [interval_text(evaluation.mean(method.name, metric), _COLUMNS[metric][1]) for metric in known]
        gains = [
            interval_text(evaluation.difference(first, method.name, metric), 2, "+") for metric in known[: len(gain)]
        ]
        rows.append((method.name, *cells, *(gains if method.name != first else [""] * len(gain))))
    note = (
        f"{sum(evaluation.counted)} of {len(evaluation.counted)} images counted; {evaluation.range_statement}; "
        f"residual = |A f(y) - y| / |y|; t intervals, paired for the gain."
    )
    return Table(title, ("method", *(_COLUMNS[metric][0] for metric in known), *gain), tuple(rows), note, 0)


def image_table(evaluation: Evaluation, metric: str, title: str, digits: int = 2) -> Table:
    """Return one metric of every image and method; an image that is not counted is marked by a star.

    Args:
        evaluation: whose values are shown.
        metric: one of ``evaluation.metrics``.
        title: of the table.
        digits: behind the point.
    """
    columns = [one.values[metric] for one in evaluation.methods]
    names = [name + " *" * (not counts) for name, counts in zip(evaluation.names, evaluation.counted, strict=True)]
    rows = [(name, *(f"{column[i]:.{digits}f}" for column in columns)) for i, name in enumerate(names)]
    note = "* not counted: an exact duplicate, or without truth" * (not all(evaluation.counted))
    return Table(title, ("image", *(one.name for one in evaluation.methods)), tuple(rows), note)


def curves(rows: Sequence[Mapping[str, object]], names: Mapping[str, str], x: str = "step") -> tuple[Curve, ...]:
    """Return one curve for each key that occurs in rows of metrics.

    Args:
        rows: as ``metrics.jsonl`` holds them, one mapping a line; a row may lack any key.
        names: what to call the curve of a key, ``{"psnr": "held out"}``; keys that occur nowhere are left out.
        x: the key of the horizontal axis.

    Example:
        >>> curves([{"step": 1, "loss": 2.0}, {"step": 2}], {"loss": "total", "psnr": "PSNR"})
        (Curve(name='total', points=((1.0, 2.0),)),)
    """
    found = []
    for key, name in names.items():
        pairs = [(row.get(x), row.get(key)) for row in rows]
        points = tuple(
            (float(a), float(b)) for a, b in pairs if isinstance(a, int | float) and isinstance(b, int | float)
        )
        if points:
            found.append(Curve(name, points))
    return tuple(found)


def interval_text(interval: Interval, digits: int, sign: str = "") -> str:
    """Return ``mean (low .. high)``, or the mean alone where there is no interval.

    Args:
        interval: in the unit that is written.
        digits: behind the point.
        sign: ``"+"`` writes it before positive numbers too.
    """
    if interval.low != interval.low:
        return f"{interval.mean:{sign}.{digits}f}"
    ends = f"{interval.low:{sign}.{digits}f} .. {interval.high:{sign}.{digits}f}"
    return f"{interval.mean:{sign}.{digits}f} ({ends})"
