"""Our side of the race: a recipe's training, with a look at the test images now and then, one JSON line a look.

``python benchmarks/slow/our_side.py RECIPE --minutes 20`` with NULLSIGHT_DATA set. The clock starts after the imports
and with the measurements given; reading, preparation, looking and everything else counts.
"""

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from nullsight.app import simulate_recipe
from nullsight.app.prepare import prepare
from nullsight.schema import read_recipe
from nullsight.training import train
from nullsight.training.held_out import Observer, See
from nullsight.training.progress import Silent


class Clock:
    """An observer that prints what another sees, with the minutes since the race began."""

    def __init__(self, observer: Observer, begun: float) -> None:
        self.observer, self.begun = observer, begun

    def __call__(self, step: int, reconstruct: See) -> dict[str, float]:
        """Return the scores."""
        scores = self.observer(step, reconstruct)
        (psnr,) = scores.values()
        print(json.dumps({"minutes": (time.monotonic() - self.begun) / 60, "steps": step, "psnr": psnr}), flush=True)
        return scores


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("recipe", type=Path)
    options.add_argument("--minutes", type=float, default=20)
    options.add_argument("--every", type=int, default=50, help="steps between looks")
    options.add_argument("--set", nargs="*", default=[], help="section.key=value of the recipe")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    sets = (f"training.minutes={chosen.minutes}", f"training.evaluate_every={chosen.every}", "training.threads=1")
    recipe, root = read_recipe(chosen.recipe, (*sets, *chosen.set)), chosen.recipe.parent
    simulate_recipe(recipe, root, only_missing=True)  # the measurements are given
    begun = time.monotonic()
    ready = prepare(recipe, root, {})
    experiment = ready.experiment
    about = f"{chosen.recipe.stem}, {experiment.settings.precision}, torch {torch.__version__}"
    print(json.dumps({"about": about}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        train(
            experiment.reconstructor,
            ready.data,
            experiment.loss,
            replace(experiment.settings, processes=1),
            out=Path(folder) / "run",
            held_out=ready.held_out,
            observers=[Clock(one, begun) for one in ready.observers],
            display=Silent(),
        )


if __name__ == "__main__":
    main()
