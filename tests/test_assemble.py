"""Parts, written down and built again: every case of every room, and what cannot be."""

import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from torch import Tensor, nn

from nullsight import groups, losses, reconstructors, training
from nullsight.assemble import Context, build, describe, own_files, place
from nullsight.catalogue import TABLES
from nullsight.draws import Draws
from nullsight.groups.base import Family
from nullsight.losses.base import Loss
from nullsight.noise import Gaussian, Noise
from nullsight.physics.base import Physics, like
from nullsight.reconstructors.base import Reconstructor
from nullsight.training.optimisers import Optimiser
from nullsight.training.schedules import Schedule
from nullsight.types import InputError
from tests.cases.groups import GROUPS
from tests.cases.losses import LOSSES
from tests.cases.networks import NETWORKS
from tests.cases.noise import NOISE
from tests.cases.physics import PHYSICS
from tests.cases.reconstructors import RECONSTRUCTORS


def again(part: object, kind: type) -> Any:
    """Return the part built again from TOML text; it must have the same written form and the same arrays."""
    arrays: dict[str, Tensor] = {}
    written = describe(part, arrays, "part")
    rebuilt = build(tomllib.loads(tomli_w.dumps(written)), kind, "[part]", Context(arrays=arrays))
    found: dict[str, Tensor] = {}
    assert type(rebuilt) is type(part)
    assert describe(rebuilt, found, "part") == written
    assert {k: v.dtype for k, v in found.items()} == {k: v.dtype for k, v in arrays.items()}
    assert all(torch.equal(value, arrays[key]) for key, value in found.items())
    return rebuilt


def ones(*shape: int) -> Tensor:
    return torch.linspace(0.1, 1, torch.Size(shape).numel()).reshape(shape)


@pytest.mark.parametrize("case", PHYSICS, ids=lambda case: case.name)
def test_physics_come_back(case: Any) -> None:
    first = case.build()
    second = again(first, Physics)
    x = ones(first.samples or 2, *first.image_shape).to(like(first))
    y = first.A(x)
    torch.testing.assert_close(second.A(x), y, rtol=0, atol=0)
    torch.testing.assert_close(second.A_dagger(y), first.A_dagger(y), rtol=0, atol=0)


@pytest.mark.parametrize("case", GROUPS, ids=lambda case: case.name)
def test_groups_come_back(case: Any) -> None:
    first = case.build()
    second = again(first, Family)
    draws = Draws(0, 0, (0, 1)).of("g")
    x = ones(2, *case.shape)
    g = first.sample(draws)
    torch.testing.assert_close(second.act(g, x), first.act(g, x), rtol=0, atol=0)


@pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.name)
def test_networks_come_back_with_their_first_weights(case: Any) -> None:
    first = case.build(3)
    second = again(first, nn.Module)
    x = ones(2, *case.image_shape)
    torch.testing.assert_close(second.eval()(x), first.eval()(x), rtol=0, atol=0)


@pytest.mark.parametrize("case", RECONSTRUCTORS, ids=lambda case: case.name)
def test_reconstructors_come_back_with_their_first_weights(case: Any) -> None:
    first, operator = case.build(3), case.physics()
    second = again(first, Reconstructor)
    y = operator.A(ones(operator.samples or 2, *operator.image_shape))
    torch.testing.assert_close(second.eval()(y, operator), first.eval()(y, operator), rtol=0, atol=0)


@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
def test_losses_come_back(case: Any) -> None:
    for _, term in case.build().terms():
        again(term, Loss)


def test_noises_optimisers_and_schedules_come_back() -> None:
    for noise in NOISE:
        again(noise, Noise)
    for optimiser in (training.Adam(1e-3), training.AdamW(2e-3, weight_decay=0.1)):
        assert again(optimiser, Optimiser) == optimiser
    for schedule in (training.Constant(), training.Cosine(warmup=0.1), training.Steps([0.5, 0.8])):
        again(schedule, Schedule)


def test_every_name_is_in_one_table_alone_for_its_kind() -> None:
    names = {(name, kind) for table in TABLES for name, kind in table.items()}  # wavelets are a prior and a regulariser
    assert len({kind for _, kind in names}) == len(names), "a class has two names"


def test_none_comes_back_where_it_is_not_the_default() -> None:
    class_ = type("Plain", (), {"__module__": __name__, "__qualname__": "KeepsNone"})
    assert class_.__qualname__ == "KeepsNone"
    assert again(KeepsNone(None, [1, None]), KeepsNone).values == [1, None]
    assert again(KeepsNone(2.0), KeepsNone).level == 2.0


class KeepsNone:
    """An argument whose default is not None."""

    def __init__(self, level: float | None = 1.0, values: Any = ()) -> None:
        self.level, self.values = level, list(values)


def absolute(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs()


def test_functions_are_written_by_name() -> None:
    loss = losses.MeasurementConsistency(absolute)
    arrays: dict[str, Tensor] = {}
    assert describe(loss, arrays, "loss")["error"] == f"{__name__}:absolute"
    assert again(loss, Loss).error is absolute


Nowhere = type("Local", (), {"__call__": lambda self, a, b: a - b})


@pytest.mark.parametrize("error", [lambda a, b: (a - b).abs(), partial(absolute), Nowhere()])
def test_what_cannot_be_imported_again_is_refused(error: Any) -> None:
    with pytest.raises(InputError, match="rebuilt from"):
        describe(losses.MeasurementConsistency(error), {}, "loss")


def test_class_of_a_script_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeepsNone, "__module__", "__main__")
    with pytest.raises(InputError, match="a module of its own"):
        describe(KeepsNone(), {}, "part")


def test_torch_modules_with_weights_are_refused() -> None:
    for network in (nn.Conv2d(1, 1, 3, padding=1), nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))):
        with pytest.raises(InputError, match="a class of your own"):
            describe(reconstructors.ArtifactRemoval(network), {}, "reconstructor")


OWN = """
from torch import nn

class Scale(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x

class Hidden:
    pass
"""


def test_parts_of_the_users_own_lie_beside_the_recipe(tmp_path: Path) -> None:
    for folder, factor in (("a", "factor"), ("b", "2 * factor")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "toy_parts_own.py").write_text(
            OWN.replace("self.factor * x", f"{factor.replace('factor', 'self.factor')} * x")
        )
    written = {"name": "toy_parts_own:Scale", "factor": 3.0}
    try:
        for folder, value in (("a", 3.0), ("b", 6.0), ("a", 3.0)):
            part = build(written, nn.Module, "[network]", Context(root=tmp_path / folder))
            assert float(part(torch.ones(()))) == value, "each recipe has its own file, though they are called the same"
            assert describe(part, {}, "network") == written
            assert own_files({"network": written}) == {"toy_parts_own": tmp_path / folder / "toy_parts_own.py"}
        with pytest.raises(InputError, match="Hidden"):
            build({"name": "toy_parts_own:Hidden"}, nn.Module, "[network]", Context(root=tmp_path / "a"))
    finally:
        sys.modules.pop("toy_parts_own", None)
        sys.path[:] = [one for one in sys.path if not one.startswith(str(tmp_path))]
    assert own_files({"name": "torch.nn:Tanh", "other": "numpy:abs"}) == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:Thing", "no_such_module"),
        ("torch.nn:NoSuchThing", "NoSuchThing"),
        ("math:pi", "class or a function"),
        ("torch.nn:", "module:Class"),
        ("builtins:dict", "dict"),
    ],
)
def test_own_parts_that_are_not_there(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        build({"name": name}, nn.Module, "[network]", Context())


def test_broken_file_of_the_user_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "toy_parts_broken.py").write_text("def f(:\n")
    with pytest.raises(InputError, match="SyntaxError"):
        build({"name": "toy_parts_broken:f"}, nn.Module, "[network]", Context(root=tmp_path))
    assert "toy_parts_broken" not in sys.modules


def test_what_the_recipe_has_need_not_be_said_again() -> None:
    shifts = groups.Shifts((4, 4))
    context = Context(group=shifts, noise=Gaussian(0.1), image_shape=(2, 4, 4), seed=7)
    loss = build({"name": "equivariance"}, Loss, "[[loss]] 1", context)
    assert loss.group is shifts and loss.noise == Gaussian(0.1)
    network = build({"name": "unet", "width": 4, "depth": 2}, nn.Module, "[network]", context)
    assert (network.channels, network.seed) == (2, 7)
    assert build({"name": "shifts"}, Family, "[group]", context).shape == (4, 4)
    written = {"name": "unet", "width": 4, "depth": 2, "seed": 3}
    assert build(written, nn.Module, "[network]", context).seed == 3


def test_a_group_is_filled_in_where_one_is_needed() -> None:
    context = Context(group=groups.Shifts((4, 4)))
    loss = build({"name": "equivariance"}, Loss, "[loss]", context)
    assert isinstance(loss, losses.Equivariance) and loss.group is context.group
    frames = build({"name": "operator_frames", "count": 2}, losses.OperatorFrames, "[loss.frames]", context)
    assert isinstance(frames, losses.OperatorFrames) and frames.group is context.group
    assert frames.images is None, "what may be left out is as it is where it is left out"


def test_seed_of_the_run_does_not_change_the_mask() -> None:
    written = {
        "name": "inpainting",
        "image_shape": [1, 4, 4],
        "mask": {"make": "bernoulli_mask", "shape": [4, 4], "keep": 0.5},
    }
    with pytest.raises(InputError, match="seed"):
        build(written, Physics, "[physics]", Context(seed=5))


def test_equal_groups_become_one() -> None:
    context = Context(image_shape=(1, 4, 4))
    parts = [build({"name": "equivariance", "group": {"name": "shifts"}}, Loss, "[[loss]]", context) for _ in range(2)]
    assert parts[0].group is parts[1].group
    other = build({"name": "equivariance", "group": {"name": "shifts", "step": 2}}, Loss, "[[loss]]", context)
    assert other.group is not parts[0].group


def test_copies_have_seeds_of_their_own() -> None:
    written: dict[str, Any] = {
        "name": "unrolled_untied",
        "networks": {"name": "dncnn", "channels": 1, "width": 4, "depth": 3, "copies": 3},
    }
    found = build(written, Reconstructor, "[reconstructor]", Context(seed=2))
    assert [one.seed for one in found.networks] == [2, 3, 4]
    for count in (0, "three", 1.5):
        network = {**written["networks"], "copies": count}
        with pytest.raises(InputError, match="copies"):
            build({**written, "networks": network}, Reconstructor, "[reconstructor]", Context(seed=2))


def test_tensors_come_from_files_makers_and_lists(tmp_path: Path) -> None:
    mask = np.eye(4)
    np.save(tmp_path / "mask.npy", mask)
    np.savez(tmp_path / "two.npz", a=mask, b=1 - mask)
    base = {"name": "inpainting", "image_shape": [1, 4, 4]}
    context = Context(root=tmp_path)
    for value, seen in (
        ("mask.npy", 4),
        ({"file": "mask.npy"}, 4),
        ({"file": "two.npz", "key": "b"}, 12),
        ({"make": "periodic_mask", "shape": [4, 4], "period": 2}, 4),
        (mask.astype(int).tolist(), 4),
    ):
        assert int(build({**base, "mask": value}, Physics, "[physics]", context).mask.sum()) == seen
    wrong = [{"file": "none.npy"}, {"file": 3}, {"array": "lost"}, {"make": "mask"}, [[1, 2], [3]], {"x": 1}, 5]
    wrong += [{"array": "lost", "more": 1}, {"sparse": "s", "shape": [1]}, "$NO_SUCH_VARIABLE/mask.npy"]
    for value in wrong:
        with pytest.raises(InputError):
            build({**base, "mask": value}, Physics, "[physics]", context)


def test_place_fills_in_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_DATA", "/somewhere")
    assert place("$TOY_DATA/x.npy", Path("r")) == Path("/somewhere/x.npy")
    assert place("~/x.npy", Path("r")).is_absolute()
    assert place("../data/x.npy", Path("r")) == place("data/x.npy", Path()) == Path.cwd() / "data" / "x.npy"
    monkeypatch.delenv("TOY_DATA")
    with pytest.raises(InputError, match="TOY_DATA"):
        place("${TOY_DATA}/x.npy", Path("r"))
