"""What not knowing the noise level costs, expected and found: ``python experiments/unknown_level.py RECIPES [RUNS]``.

RECIPES is a folder of a table, such as ``experiments/mri_sigma_0.1``, RUNS its runs (``runs/`` and its name unless
given). Two of its rows, ``robust_equivariant_imaging`` and ``robust_equivariant_imaging_level_learned``, are compared
by r: the mean over measured entries of the test set of ``(A f(y) - A x)^2`` over the variance of the noise. Where the
best f that knows the level has r, the best one that does not has ``r / (1 - r)``, and its level ends at ``1 / (1 - r)``
times the true variance: Tachella, Davies, Jacques, "UNSURE", ICLR 2025, for Gaussian noise. For counts with electronic
noise, whose entries have variances of their own, it says about how much. A trained f is not the best one: r of the
known level stands for that of the best.
"""

import sys
from pathlib import Path

import torch

import nullsight as ns
from nullsight.app.inputs import read_inputs, read_references
from nullsight.assemble import Context, build
from nullsight.noise import Noise
from nullsight.physics.splits import measured_entries
from nullsight.schema import Recipe, read_recipe

KNOWN, LEARNED = "robust_equivariant_imaging", "robust_equivariant_imaging_level_learned"


def risk(run: Path, recipe: Recipe, root: Path) -> float:
    """Return r of a run on the test set that its recipe names; the noise is that of the recipe.

    Args:
        run: its folder.
        recipe: of the known level.
        root: that paths in the recipe are relative to.

    Raises:
        InputError: no run, no test set, or noise that the recipe does not know.
    """
    section = recipe.data
    if section.test_measurements is None or section.test_truth is None or recipe.noise is None:
        raise ns.InputError(f"expected a known noise, test_measurements and test_truth for {run}, but one is missing")
    test = read_inputs(section.test_measurements, section, recipe.physics, root, {}, container_first=True).data
    x = read_references(section.test_truth, section, root, test).x
    noise: Noise = build(recipe.noise.model_dump(), Noise, "[noise]", Context(root=root))
    with torch.no_grad():
        clean = test.physics.A(x)
        off = (test.physics.A(ns.load(run).reconstruct(test)) - clean).square() / noise.variance(clean)
        return float(off[measured_entries(test.physics, len(off))].double().mean())


def levels(run: Path) -> dict[str, float]:
    """Return the levels that a run learned, by the names in its metrics."""
    named = ("sigma", "gain")  # behind the name of their term, where there are several
    found = [
        {k.split()[-1]: float(v) for k, v in line.items() if k.split()[-1] in named} for line in ns.load(run).history
    ]
    return next((line for line in reversed(found) if line), {})


def main(recipes: Path, runs: Path) -> tuple[float, float]:
    """Print what is expected and found; return r of the known and of the learned level.

    Raises:
        InputError: recipes or runs that are missing.
    """
    recipe = read_recipe(recipes / f"{KNOWN}.toml")
    known, learned = (risk(runs / name, recipe, recipes) for name in (KNOWN, LEARNED))
    print(f"level known:   r = {known:.4f} of the noise's variance")
    factor = 1 / (1 - known) if known < 1 else float("inf")
    print(f"level learned: r = {learned:.4f}, expected {known * factor:.4f}")
    found = ", ".join(f"{name} {value:.4g}" for name, value in levels(runs / LEARNED).items())
    print(f"levels found: {found}; expected: the true sigma times {factor**0.5:.3f}, the true gain times {factor:.3f}")
    return known, learned


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    try:
        main(folder, Path(sys.argv[2]) if len(sys.argv) == 3 else Path("runs") / folder.resolve().name)
    except ns.InputError as error:
        sys.exit(str(error))
