"""Scores as lines of text."""

from nullsight.evaluation import Evaluation

_FORMATS = {"psnr": ("PSNR, dB", 2), "ssim": ("SSIM", 4), "nmse": ("NMSE", 5), "residual": ("residual", 5)}


def table_lines(evaluation: Evaluation) -> list[str]:
    """Return a line a method: means with 95 % intervals, and the paired gain of the first method over it."""
    first = evaluation.methods[0].name
    wide = max(len(one.name) for one in evaluation.methods) + 2
    lines = []
    for one in evaluation.methods:
        cells = []
        for metric in (m for m in _FORMATS if m in evaluation.metrics):
            label, digits = _FORMATS[metric]
            mean = evaluation.mean(one.name, metric)
            cells.append(f"{label} {mean.mean:.{digits}f} [{mean.low:.{digits}f}, {mean.high:.{digits}f}]")
        if one.name != first and "psnr" in evaluation.metrics:
            gain = evaluation.difference(first, one.name, "psnr")
            cells.append(f"{first} is {gain.mean:+.2f} dB [{gain.low:+.2f}, {gain.high:+.2f}] against it")
        lines.append(f"{one.name:{wide}}" + "   ".join(cells))
    counted = f"{sum(evaluation.counted)} of {len(evaluation.counted)} images counted"
    lines.append(f"{counted}; {evaluation.range_statement}; brackets: 95 % t intervals; residual = |A f(y) - y| / |y|")
    return lines


def image_lines(evaluation: Evaluation) -> list[str]:
    """Return a line an image and method with each of its scores; a star marks an image that means leave out."""
    metrics = [m for m in _FORMATS if m in evaluation.metrics]
    marked = [n if counts else f"{n} *" for n, counts in zip(evaluation.names, evaluation.counted, strict=True)]
    columns = (["image", *marked], ["method", *(one.name for one in evaluation.methods)])
    wide = [max(len(name) for name in names) + 2 for names in columns]
    lines = [f"{'image':{wide[0]}}{'method':{wide[1]}}" + "".join(f"{_FORMATS[m][0]:>10}" for m in metrics)]
    for row, name in enumerate(marked):
        for one in evaluation.methods:
            cells = "".join(f"{one.values[m][row]:>10.{_FORMATS[m][1]}f}" for m in metrics)
            lines.append(f"{name:{wide[0]}}{one.name:{wide[1]}}{cells}")
    return [*lines, ""]
