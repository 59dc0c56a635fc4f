"""From run folders to a page: ``nullsight report``."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nullsight.app.diagnose_recipe import diagnose_measured
from nullsight.app.diagnose_run import examine_run
from nullsight.app.equivariance import equivariance_table
from nullsight.app.opened import Opened, families
from nullsight.app.results_file import minutes_of
from nullsight.app.runs import read_about, rebuild, reconstruct_with
from nullsight.app.score_runs import Scored, named, score
from nullsight.data import MeasurementSet
from nullsight.diagnosis import Budget
from nullsight.groups.base import Family
from nullsight.outcome import Outcome
from nullsight.physics.base import LinearPhysics, Physics
from nullsight.recipe import Experiment, recipe_text
from nullsight.report import (
    Chart,
    Diagnosed,
    Example,
    Headline,
    LogAxis,
    Panel,
    ReportContent,
    curves,
    diagnosed,
    error_map,
    image_table,
    log_magnitude,
    plain,
    score_table,
    write_report,
)
from nullsight.training import Run

EXAMPLES = 4
_COPIES, _TESTED = 20, 0  # a report predicts errors; the test of invariance, 15 reconstructions an image, is left to
_EXAMINED = 2  # nullsight diagnose RUN, which also says of more images what can be known without truth


def report_runs(
    runs: Sequence[Path], *, measurements: Path | None = None, truth: Path | None = None, out: Path | None = None
) -> Outcome:
    """Write the report of the first run, the others beside it.

    Args:
        runs: folders, at least one.
        measurements: in place of the test measurements that the first run's recipe names.
        truth: their references.
        out: the page; None: ``report.html`` in the first run's folder.

    Raises:
        InputError: no run, or no measurements to show.
    """
    scored = score(named(runs), measurements=measurements, truth=truth)
    path = out or runs[0] / "report.html"
    write_report(path, content(scored, runs))
    return Outcome((f"wrote {path}",))


def content(scored: Scored, folders: Sequence[Path]) -> ReportContent:
    """Return what the report of some runs shows."""
    run = next(iter(scored.runs.values()))
    experiment, recipe, _ = rebuild(folders[0])
    tables = [score_table(scored.evaluation)]
    if scored.truth is not None:
        tables.append(image_table(scored.evaluation, "psnr", "PSNR of every image, dB"))
    if run.plan.steps:  # what learns nothing may take minutes an image
        tables += [equivariance_table(scored, group) for group in families(experiment)[:1]]
    supervised = bool(experiment.loss.needs_truth)
    learned = "measurements and their ground truth" if supervised else "measurements alone; no ground truth was used"
    terms = " + ".join(f"{_weight(w)}{type(loss).__name__}" for w, loss in experiment.loss.terms())
    summary = f"{type(experiment.reconstructor).__name__} for {type(experiment.physics).__name__}, " + (
        "which learns nothing." if run.plan.steps == 0 else f"trained from {learned}. Loss: {terms}."
    )
    summary += f" {scored.statement.capitalize()}." if scored.seen and run.plan.steps else ""
    return ReportContent(
        title=recipe.title or folders[0].resolve().name,
        summary=summary,
        headlines=headlines(scored, run),
        examples=tuple(example(scored, i) for i in range(min(EXAMPLES, len(scored.data)))),
        tables=tuple(tables),
        charts=charts(scored.runs),
        facts=facts(run, families(experiment), experiment.physics, folders[0]),
        recipe=recipe_text(recipe),
        diagnosis=lessons(experiment, scored.data),
        trust=_known(Opened(run, experiment, recipe, scored.data, scored.source)),
    )


def _known(opened: Opened) -> Diagnosed:
    """Return what is known without truth; of what learns nothing, and may take minutes an image, the least of it."""
    learned = opened.run.plan.steps > 0
    copies, tested = (_COPIES, _TESTED) if learned else (0, 0)
    return examine_run(opened, images=_EXAMINED, copies=copies, tested=tested)


def lessons(experiment: Experiment, data: MeasurementSet) -> Diagnosed | None:
    """Return what measurements and the first transformations that were learned from can teach; None without any."""
    known = [one for one in families(experiment) if one.linear]
    if not known:
        return None
    budget = Budget(steps=40, suggestions=0)
    return diagnosed(diagnose_measured(data, known[0], noise=experiment.noise, budget=budget))


def headlines(scored: Scored, run: Run) -> tuple[Headline, ...]:
    """Return the numbers at the top: scores of the run and its gain over the first baseline."""
    found = scored.evaluation
    first, last = found.methods[0].name, found.methods[-1].name
    lines = []
    if "psnr" in found.metrics:
        mean = found.mean(first, "psnr")
        lines.append(Headline("PSNR", f"{mean.mean:.2f} dB", f"95 % interval {mean.low:.2f} .. {mean.high:.2f}"))
        gain = found.difference(first, last, "psnr")
        lines.append(Headline(f"gained over {last}", f"{gain.mean:+.2f} dB", f"{gain.low:+.2f} .. {gain.high:+.2f}"))
    if "ssim" in found.metrics:
        lines.append(Headline("SSIM", f"{found.mean(first, 'ssim').mean:.3f}"))
    residual = found.mean(first, "residual")
    lines.append(Headline("residual", f"{100 * residual.mean:.2f} %", "|A f(y) - y| / |y|"))
    if run.plan.steps:
        lines.append(Headline("trained", f"{minutes_of(run):.1f} min", f"{run.step} steps"))
    return tuple(lines)


@torch.no_grad()
def example(scored: Scored, number: int) -> Example:
    """Return the pictures of one sample: measured, A_dagger y, every run's reconstruction, reference and error."""
    one = scored.data.take([number])
    start = one.physics.A_dagger(one.y)[0]
    images = {name: reconstruct_with(run, one.y, one.physics)[0] for name, run in scored.runs.items()}
    reference = None if scored.truth is None else scored.truth.x[number]
    window = _window(start if reference is None else reference)
    kspace = one.y.ndim == 5
    panels = []
    if one.y.ndim >= 4:
        measured = one.y[0]
        panels.append(Panel("measured", measured, None, _shape(measured), log_magnitude if kspace else plain))
    panels.append(Panel("A_dagger y", start, window, _db(scored, "A_dagger y", number)))
    panels += [Panel(name, image, window, _db(scored, name, number)) for name, image in images.items()]
    if reference is not None:
        panels.append(Panel("reference", reference, window))
        top = float(torch.quantile((start - reference).abs().flatten().float(), 0.995)) or window[1] - window[0]
        panels += [
            error_map(image, reference, top=top, label=f"error of {name}")
            for name, image in {"A_dagger y": start, **images}.items()  # each under its picture
        ]
    first = next(iter(images))
    slider = ("A_dagger y", first) if start.ndim >= 3 else None
    return Example((one.names or (str(number),))[0], tuple(panels), slider)


def charts(runs: dict[str, Run]) -> tuple[Chart, ...]:
    """Return the curves of the first run's loss terms and, of all runs, the scores observers gave."""
    first = next(iter(runs.values()))
    known = dict.fromkeys(key for line in first.history for key in line)
    terms = [
        k for k in known if k not in ("step", "epoch", "minutes", "learning_rate", "stopped_early") and "/" not in k
    ]
    held = [k for k in known if k.startswith("held_out/")]
    observed = dict.fromkeys(
        k for run in runs.values() for line in run.history for k in line if k.startswith("observed/")
    )
    found = []
    names = {**{k: k for k in terms}, **{k: k.replace("/", ": ") for k in held}}
    of_terms = curves(first.history, names)
    if of_terms:
        found.append(Chart("Loss terms, unweighted, and their weighted total", "step", "loss", of_terms, LogAxis()))
    predicted = {k: k.partition("/")[2] for k in known if k.startswith("chooser/")}
    of_choice = curves(first.history, predicted)
    if of_choice:
        title = "By what weights were chosen, without truth"
        found.append(Chart(title, "step", "smaller is better", of_choice, LogAxis()))
    for key in observed:
        lines = tuple(c for name, run in runs.items() for c in curves(run.history, {key: name}, "minutes"))
        found.append(Chart(key.partition("/")[2], "minutes", "dB", lines))
    return tuple(found)


def facts(
    run: Run, groups: Sequence[Family], physics: Physics, folder: Path
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return stated errors, the course of the training, and versions."""
    stated = [("dagger_error", f"{physics.dagger_error:.3g} = |A A_dagger A x - A x| / |A x|")]
    if isinstance(physics, LinearPhysics):
        stated.append(("norm of A", f"{physics.norm():.4g}"))
    stated += [("action_error", f"{group.action_error:.3g} ({type(group).__name__})") for group in groups]
    about = read_about(folder)
    course = [
        ("steps", str(run.step)),
        ("minutes", f"{minutes_of(run):.2f}"),
        ("batch size", str(run.settings.batch_size)),
        ("seed", str(run.settings.seed)),
        *([("weights kept", run.kept)] if run.plan.steps else []),
        ("weights", str(sum(p.numel() for p in run.reconstructor.parameters()))),
        ("intensity scale", f"{float(run.reconstructor.scale):.4g}"),
        ("finished", "yes" if run.finished else f"no; go on with {run.resume_line}"),
    ]
    versions = [(key, str(about[key])) for key in ("nullsight", "torch", "python", "machine", "threads", "date")]
    sources = [(Path(path).name, f"BLAKE2b {digest[:16]}") for path, digest in about["sources"].items()]
    written = [("report written", time.strftime("%Y-%m-%d %H:%M"))]
    return [("Stated errors", stated), ("Training", course), ("Made with", versions + sources + written)]


def _db(scored: Scored, name: str, number: int) -> str:
    values = scored.evaluation.scores(name).values
    return f"{values['psnr'][number]:.2f} dB" if "psnr" in values else ""


def _window(image: Tensor) -> tuple[float, float]:
    seen = image.norm(dim=0) if image.ndim == 3 and image.shape[0] == 2 else image  # complex: shown as magnitude
    low, high = float(seen.min()), float(seen.max())
    return (low, high) if high > low else (low, low + 1)


def _shape(measured: Tensor) -> str:
    return " x ".join(str(n) for n in measured.shape)


def _weight(weight: Any) -> str:
    if isinstance(weight, int | float):
        return "" if weight == 1 else f"{weight:g} "
    return "ramp "
