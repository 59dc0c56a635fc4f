"""The demonstration: sparse-view CT of made-up anatomy, learned from sinograms alone, beside what else one could do."""

import time
from pathlib import Path

import numpy as np

from nullsight.app import report_runs, table
from nullsight.app.runs import processor
from nullsight.data.phantoms import anatomy_phantoms
from nullsight.outcome import Outcome, Say
from nullsight.storage import whole_file, write_atomically

SIZE = 64  # pixels
VIEWS = 24  # over 180 degrees
PHANTOMS = 330
TRAIN = 300  # the others test

COMMON = f"""title = "Sparse-view CT of made-up anatomy, learned from sinograms alone"
seed = 0

[simulate]
images = "phantoms.npy"
axes = "NCHW"
train = [0, {TRAIN}]
test = [{TRAIN}, {PHANTOMS}]

[data]
measurements = "train.h5"
truth = "train_truth.h5"
test_measurements = "test.h5"
test_truth = "test_truth.h5"

[physics]
name = "parallel_beam_ct"
image_shape = [1, {SIZE}, {SIZE}]
angles = {VIEWS}

[group]
name = "rotations"
n = 360

[reconstructor]
name = "unrolled_untied"
data = {{ name = "preconditioned" }}
networks = {{ name = "shuffled", width = 24, depth = 3, copies = 5 }}
closing = 3

[training]
minutes = 1.05
batch_size = 4
channels_last = true
optimiser = {{ name = "adam", learning_rate = 5e-3 }}
schedule = {{ name = "cosine", warmup = 0.02 }}
averaging = 0.99
"""
ROWS = {
    "equivariant_imaging": """base = "common.toml"

[[loss]]
name = "preconditioned_consistency"

[[loss]]
name = "equivariance"
weight = 1.0
""",
    "measurement_consistency": """base = "common.toml"

[[loss]]
name = "preconditioned_consistency"
""",
    "supervised": """base = "common.toml"

[[loss]]
name = "supervised"
""",
}


def demo(out: Path, *, say: Say = print) -> Outcome:
    """Make phantoms, their sinograms and recipes, train each recipe, score them, and write a report; all into ``out``.

    What is in the folder already is not made again, so an interrupted demonstration goes on.

    Args:
        out: a folder, new or of an earlier demonstration.
        say: told what is being done.

    Raises:
        InputError: the folder cannot be written, or holds something else.
    """
    begun = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "phantoms.npy").exists():
        with whole_file(out / "phantoms.npy") as file:
            np.save(file, anatomy_phantoms(PHANTOMS, SIZE, seed=0).numpy())
    for name, text in {"common": COMMON, **ROWS}.items():
        write_atomically(out / f"{name}.toml", text)
    say(f"{PHANTOMS} phantoms of {SIZE} x {SIZE} pixels, {VIEWS} views each; three trainings of a minute each follow")
    scored = table(out, runs=out / "runs", results=out / "results.json", say=say)
    if scored.code:
        return scored
    runs = [out / "runs" / name for name in ROWS]
    page = out / "report.html"
    report_runs(runs, out=page)
    spent = (time.monotonic() - begun) / 60
    done = f"{spent:.1f} minutes on {processor()}; look at the report: {page.resolve()}"
    return Outcome((*scored.lines, done))
