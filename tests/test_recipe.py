"""From a recipe to an experiment and back to the recipe that rebuilds it."""

import tomllib
from pathlib import Path

import pytest
import torch

from nullsight.assemble import Context
from nullsight.losses import Ramp
from nullsight.recipe import (
    build_experiment,
    build_physics,
    build_settings,
    load_recipe,
    recipe_text,
    save_recipe,
    write_down,
)
from nullsight.schema import parse_recipe
from nullsight.types import InputError
from tests.toy_recipes import CT, INPAINTING, LOSS, NETWORK, TRAINING

RAMP = '[[loss]]\nname = "measurement_consistency"\n[[loss]]\nname = "equivariance"\nweight = { start = 0, stop = 2 }\n'


def experiment(text: str):  # type: ignore[no-untyped-def]
    recipe = parse_recipe(tomllib.loads(text), "recipe")
    physics = build_physics(recipe.physics.model_dump(), Path(), {})
    return build_experiment(recipe, physics, None, Path(), {}), recipe


@pytest.mark.parametrize("physics", [INPAINTING, CT])
@pytest.mark.parametrize("loss", [LOSS, RAMP])
def test_effective_recipe_is_a_fixed_point(tmp_path: Path, physics: str, loss: str) -> None:
    first, recipe = experiment(physics + NETWORK + loss + TRAINING)
    effective, arrays = write_down(first, recipe)
    save_recipe(tmp_path, effective, arrays)
    read, kept = load_recipe(tmp_path)
    assert read == effective and kept.keys() == arrays.keys()
    operator = build_physics(read.physics.model_dump(), tmp_path, kept)  # type: ignore[union-attr]
    again, _ = write_down(build_experiment(read, operator, None, tmp_path, kept), read)
    assert again == effective
    assert tomllib.loads(recipe_text(effective)) == tomllib.loads((tmp_path / "recipe.toml").read_text())


def test_parts_share_what_the_sections_say() -> None:
    found, _ = experiment(INPAINTING + '[noise]\nname = "gaussian"\nsigma = 0.1\n' + NETWORK + RAMP + TRAINING)
    [(one, _), (weight, term)] = found.loss.terms()
    assert one == 1 and weight == Ramp(0, 2)
    assert term.group is found.group and term.noise == found.noise
    assert found.reconstructor.network.channels == 1


def test_seed_reaches_order_draws_and_first_weights() -> None:
    text = INPAINTING + NETWORK + LOSS + TRAINING
    zero, one = (experiment(f"seed = {n}\n" + text)[0] for n in (0, 1))
    assert (zero.settings.seed, one.settings.seed) == (0, 1)
    assert torch.equal(zero.physics.mask, one.physics.mask), "the measurements are what they are"
    pairs = zip(zero.reconstructor.parameters(), one.reconstructor.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_no_loss_and_no_budget_are_refused() -> None:
    with pytest.raises(InputError, match=r"\[\[loss\]\]"):
        experiment(INPAINTING + NETWORK + TRAINING)
    with pytest.raises(InputError, match="minutes, epochs and steps"):
        build_settings(parse_recipe({}, "recipe"), Context())


def test_damaged_tensors_are_one_sentence(tmp_path: Path) -> None:
    first, recipe = experiment(INPAINTING + NETWORK + LOSS + TRAINING)
    save_recipe(tmp_path, *write_down(first, recipe))
    kept = tmp_path / "arrays.safetensors"
    kept.write_bytes(kept.read_bytes()[:20])
    with pytest.raises(InputError, match=r"arrays\.safetensors"):
        load_recipe(tmp_path)
