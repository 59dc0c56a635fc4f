"""Rows of a table that are fitted to one image each, and plug and play with a denoiser of another run."""

import json
from pathlib import Path

import pytest
import torch

import nullsight as ns
from nullsight.app import fit_single
from nullsight.app.fitted_to_each import FittedToEach
from nullsight.app.fitting import fitted
from nullsight.app.trained_denoiser import TrainedDenoiser
from nullsight.draws import Draws
from nullsight.groups import Dihedral, Shifts
from nullsight.losses import Equivariance, MeasurementConsistency, Supervised
from nullsight.networks import BiasFreeDnCNN, UNet
from nullsight.physics import Inpainting, RandomEntries, bernoulli_mask
from nullsight.reconstructors import ArtifactRemoval, Direct, HalfQuadratic, Turned
from nullsight.training import Adam, Run, Settings, Silent
from nullsight.types import InputError
from tests.toy_recipes import Shell, images, write_recipe

LOSSES = (MeasurementConsistency(), Equivariance(Shifts((12, 12))))
FITTED = """
[reconstructor]
name = "nullsight.app.fitted_to_each:FittedToEach"
losses = [{ name = "measurement_consistency" }, { name = "equivariance" }]
weights = [1.0, 0.5]
steps = 2
f = { name = "artifact_removal", network = { name = "unet", width = 4, depth = 2 } }
"""
PLUGGED = """
[reconstructor]
name = "half_quadratic"
iterations = 2
[reconstructor.prior]
name = "turned"
prior = { name = "nullsight.app.trained_denoiser:TrainedDenoiser", run = "denoiser" }
group = { name = "dihedral", n = 4 }
"""


def mask() -> Inpainting:
    return Inpainting((1, 12, 12), bernoulli_mask((12, 12), 0.7, seed=1))


def small() -> ArtifactRemoval:
    return ArtifactRemoval(UNet(1, 4, 2, seed=0))


def test_each_image_is_that_of_a_fit_of_its_own() -> None:
    physics, f = mask(), small()
    y = physics.A(images(2))
    before = {name: value.clone() for name, value in f.state_dict().items()}
    each = FittedToEach(f, LOSSES, (1.0, 0.5), steps=3, hide=RandomEntries(0.8), optimiser=Adam(0.01), seed=4)
    with torch.no_grad():
        found = each.eval()(y, physics)
    settings = Settings(seed=4, steps=3, batch_size=1, optimiser=Adam(0.01))
    for i in range(2):
        loss = 1.0 * MeasurementConsistency() + 0.5 * Equivariance(Shifts((12, 12)))
        alone = fit_single(
            small(), y[i : i + 1], physics, loss, steps=3, hide=RandomEntries(0.8), settings=settings, display=Silent()
        )
        assert torch.equal(found[i : i + 1], alone.x)
    assert not torch.allclose(found, physics.A_dagger(y))
    assert all(torch.equal(value, before[name]) for name, value in f.state_dict().items()), "the next image begins anew"
    assert not any(True for _ in each.parameters()) and list(each.state_dict()) == ["scale"]


def test_what_makes_no_fit_is_refused() -> None:
    for losses, weights, steps, said in (
        ((), None, 1, "at least one term"),
        (LOSSES, (1.0,), 1, "one weight a term"),
        (LOSSES, None, 0, "at least 1 step"),
        ((Supervised(),), None, 1, "need no truth"),
    ):
        with pytest.raises(InputError, match=said):
            FittedToEach(small(), losses, weights, steps)


def denoiser(folder: Path, loss: ns.losses.Loss) -> Run:
    x = images(4)
    physics = Inpainting((1, 12, 12), torch.ones(12, 12))
    truth = x if loss.needs_truth else None
    settings = Settings(steps=2, optimiser=Adam(0.01))

    def begin(resume: bool) -> Run:
        f = Direct(BiasFreeDnCNN(1, 4, 3, slope=0.1, seed=0))
        noisy = 3 * x + 0.1
        return ns.fit(
            f, noisy, physics, loss, settings=settings, truth=truth, out=folder, resume=resume, display=Silent()
        )

    return fitted(folder, begin)


def test_a_trained_denoiser_is_the_network_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = denoiser(Path("denoiser"), Supervised())
    prior, stream = TrainedDenoiser("denoiser"), Draws(0, 0, (0, 1)).of("prior")
    colour = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    found = prior.prox(colour, torch.ones(2, 1, 1, 1), stream)
    scale = run.reconstructor.scale
    for channel in range(3):
        single = colour[:, channel : channel + 1]
        wanted = run.reconstructor.network(single / scale).detach() * scale
        torch.testing.assert_close(found[:, channel : channel + 1], wanted)
    assert float(scale) != 1 and not torch.allclose(found, colour, atol=1e-4)
    assert prior.learned_from_truth and not any(True for _ in prior.parameters())
    assert not found.requires_grad
    f = HalfQuadratic(Turned(prior, Dihedral(4)), iterations=2)
    assert any(getattr(part, "learned_from_truth", False) for part in f.modules())
    denoiser(Path("other"), MeasurementConsistency())
    assert not TrainedDenoiser("other").learned_from_truth


def test_a_run_that_denoises_in_another_way_is_refused(tmp_path: Path) -> None:
    physics = mask()
    ns.fit(small(), physics.A(images(2)), physics, LOSSES[0], steps=1, out=tmp_path / "run", display=Silent())
    stream = Draws(0, 0, (0,)).of("prior")
    with pytest.raises(InputError, match="reconstructor is ArtifactRemoval"):
        TrainedDenoiser(str(tmp_path / "run")).prox(images(1), torch.ones(1, 1, 1, 1), stream)
    with pytest.raises(InputError, match="train it first"):
        TrainedDenoiser(str(tmp_path / "none")).prox(images(1), torch.ones(1, 1, 1, 1), stream)


def test_finished_runs_are_opened_and_others_go_on(tmp_path: Path) -> None:
    asked: list[bool] = []
    physics = mask()
    y = physics.A(images(2))

    def begin(steps: int):
        def call(resume: bool) -> Run:
            asked.append(resume)
            return ns.fit(
                small(), y, physics, LOSSES[0], steps=steps, out=tmp_path / "run", resume=resume, display=Silent()
            )

        return call

    first = fitted(tmp_path / "run", begin(2))
    again = fitted(tmp_path / "run", begin(2))
    assert asked == [False] and again.step == first.step == 2
    assert torch.equal(again.reconstruct(y), first.reconstruct(y))


def test_both_are_rows_of_a_table_and_say_whether_truth_was_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    denoiser(Path("denoiser"), Supervised())
    (tmp_path / "rows").mkdir()
    first = write_recipe(tmp_path / "rows", loss="", name="fitted.toml")
    plain = first.read_text()
    first.write_text(plain + FITTED)
    (tmp_path / "rows" / "plugged.toml").write_text(plain + PLUGGED)
    shell = Shell(capsys)
    assert shell("table", "rows", "--results", "found.json") == 0, shell.err
    rows = {row["name"]: row for row in json.loads(Path("found.json").read_text())["methods"]}
    assert rows["plugged"]["uses_truth"] and not rows["fitted"]["uses_truth"]
    assert rows["fitted"]["minutes"] >= 0 and rows["fitted"]["seeds"] == []
    assert rows["fitted"]["psnr"] != rows["A_dagger y"]["psnr"] != rows["plugged"]["psnr"]
