"""The experiments on equivariance by design: equal numbers of weights, recipes that build, scripts at toy size."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import nullsight as ns
from experiments import polyphase_edges
from experiments.bias import denoising
from experiments.equivariant_prox import score_elsewhere
from experiments.papers import unseen_translations
from nullsight.app.table import read_rows
from nullsight.assemble import Context, build
from nullsight.contracts import equivariance_error, system_equivariance
from nullsight.evaluation import curve_names, read_curves, read_result
from nullsight.groups import Dihedral, Shifts
from nullsight.losses import Loss
from nullsight.networks import BiasFreeDnCNN, DnCNN
from nullsight.physics import Blur, ParallelBeamCT, gaussian_kernel
from nullsight.physics.base import Physics
from nullsight.reconstructors import Reconstructor, UnrolledUntied
from nullsight.schema import Recipe
from tests.toy_recipes import CT, DATA, SIMULATE, Shell, write_recipe

ROOT = Path(__file__).parents[1] / "experiments"
PROX = {path.stem: recipe for path, recipe in read_rows(ROOT / "equivariant_prox", []).items()}
POLYPHASE = [f"polyphase_{task}" for task in ("deblurring", "super_resolution", "mri")]


def reconstructor(recipe: Recipe, folder: Path, shape: tuple[int, ...]) -> Reconstructor:
    context = Context(root=folder, image_shape=shape, seed=0)
    if recipe.network is not None:
        context = replace(context, network=build(recipe.network.model_dump(), torch.nn.Module, "[network]", context))
    assert recipe.reconstructor is not None
    found = build(recipe.reconstructor.model_dump(), Reconstructor, "[reconstructor]", context)
    assert isinstance(found, Reconstructor)
    return found


def weights(f: Reconstructor) -> int:
    return sum(one.numel() for one in f.parameters())


# --- equivariant proximal networks


def test_both_kinds_of_proximal_networks_have_as_many_weights_to_the_last_one() -> None:
    built = {name: reconstructor(recipe, ROOT / "equivariant_prox", (1, 128, 128)) for name, recipe in PROX.items()}
    assert len(built) == 14
    for f in built.values():
        assert isinstance(f, UnrolledUntied)
        assert [sum(one.numel() for one in network.parameters()) for network in f.networks] == [2376] * 5
    assert len({weights(f) for f in built.values()}) == 1


def test_one_kind_turns_along_and_the_other_does_not() -> None:
    x = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for name, recipe in PROX.items():
        f = reconstructor(recipe, ROOT / "equivariant_prox", (1, 128, 128)).double()
        assert isinstance(f, UnrolledUntied)
        error = equivariance_error(lambda u, f=f: f.networks[0](u) - u, Dihedral(4), x)  # what it adds
        assert (error < 1e-12) if name.endswith("equivariant") else (error > 0.1), (name, error)


def test_rows_of_a_pair_differ_in_their_networks_alone() -> None:
    for name, recipe in PROX.items():
        other = PROX[name.removesuffix("equivariant") + "ordinary"] if name.endswith("equivariant") else recipe
        for part in ("seed", "data", "simulate", "physics", "noise", "group", "loss", "training"):
            assert getattr(recipe, part) == getattr(other, part), (name, part)
        count = int(name.split("_")[-2])
        assert recipe.simulate is not None and recipe.simulate.train == (0, count)
        assert recipe.simulate.test == (90, 100)
    trained_on = {(r.data.measurements, r.simulate.train) for r in PROX.values() if r.simulate is not None}
    assert len(trained_on) == len({name for name, _ in trained_on}) == 3, "one file for each number of images"


def test_unlike_images_are_turned_about_the_middle() -> None:
    x = torch.zeros(2, 1, 9, 9)
    x[:, :, 4, 8] = 1
    heads = torch.rand(3, 1, 9, 9)
    sets = score_elsewhere.other_images(x, heads)
    assert float(sets["turned_90"][0, 0, 0, 4]) == 1 and float(sets["turned_90"].sum()) == 2
    rows, columns = divmod(int(sets["turned_45"][1, 0].argmax()), 9)
    assert rows in (1, 2) and columns in (6, 7) and float(sets["turned_45"].min()) >= 0
    assert sets["mr"] is heads and sets.keys() == score_elsewhere.TITLES.keys()


def test_runs_are_scored_on_other_images_and_for_their_equivariance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shell, network = Shell(capsys), 'name = "group_residual"\nwidth = 2\nblocks = 1\ngroup = '
    for name, group in (("one_ordinary", '{ name = "trivial" }'), ("one_equivariant", '{ name = "dihedral", n = 4 }')):
        recipe = write_recipe(tmp_path, CT, name=f"{name}.toml")
        recipe.write_text(recipe.read_text().replace('name = "unet"\nwidth = 4\ndepth = 2', network + group))
        if name == "one_ordinary":
            assert shell("simulate", recipe) == 0, shell.err
        assert shell("fit", recipe, "-o", f"runs/{name}") == 0, shell.err
    known = score_elsewhere.finished(Path("runs"), ["one_ordinary", "one_equivariant", "not_there"])
    assert list(known) == ["one ordinary", "one equivariant"]
    physics = ParallelBeamCT((1, 12, 12), 6)
    x = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    (tmp_path / "results" / "curves").mkdir(parents=True)
    sets = score_elsewhere.other_images(x, x.flip(0))
    score_elsewhere.score(known, sets, physics, Path("results"), 1)
    for name, images in sets.items():
        found = read_result(Path("results") / f"equivariant_prox_{name}.json")
        assert [row["name"] for row in found["methods"]] == ["one ordinary", "one equivariant", "A_dagger y"]
        run = known["one equivariant"][1]
        wanted = ns.metrics.psnr(
            run.reconstruct(physics.A(images), physics), images, data_range=ns.metrics.reference_peak(images)
        )
        assert found["methods"][1]["psnr"] == pytest.approx(wanted.tolist(), rel=1e-5)
    score_elsewhere.equivariance(known, x, physics, Path("results"), 1)
    curves = read_curves(Path("results") / "curves" / "equivariant_prox_equivariance.json")
    assert [row["name"] for row in curves["rows"]] == list(known) and len(curves["x"]) == 4
    f, turns = known["one ordinary"][1].reconstruct, score_elsewhere.TURNS["quarter turns"]
    system = system_equivariance(f, x, physics, turns)
    assert curves["rows"][0]["values"][0] == pytest.approx((100 * system).tolist())


# --- unseen translations


def test_the_hole_hides_the_eyes_of_a_face_in_the_middle_and_no_others() -> None:
    x = unseen_translations.faces(8, 32, seed=0)
    assert len(x) == 8 and not torch.equal(x[0], x[1])
    physics = unseen_translations.hole(32)
    mouth, eyes = x[:, :, 16:].amax((1, 2, 3)), x[:, :, :16].amax((1, 2, 3))
    assert torch.allclose(mouth, eyes, rtol=0.1), "what is hidden can be told from what is seen"
    seen_above = physics.A(x)[:, :, :16].amax((1, 2, 3))
    assert bool((seen_above < eyes - 0.02).all())
    moved = physics.A(x.roll(8, 2))
    assert torch.allclose(moved.amax((1, 2, 3)), torch.maximum(mouth, eyes), rtol=0.1)


def test_shifts_are_compared_for_every_problem_and_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, settings = tmp_path / "curves.json", replace(unseen_translations.SETTINGS, steps=2, batch_size=2, threads=1)
    unseen_translations.compare(path, settings, size=16, train_on=4)
    rows = {row["name"]: row["values"] for row in read_curves(path)["rows"]}
    assert set(rows) == {f"{a}, {b}" for a in ("deconvolution", "inpainting") for b in ("convolutional", "dense")}
    assert {len(few) for values in rows.values() for few in values} == {unseen_translations.TEST}
    means = [sum(few) / len(few) for few in rows["deconvolution, convolutional"]]
    assert max(means) - min(means) < 0.1, "only the noise is another at another shift"
    capsys.readouterr()
    before = path.read_bytes()
    unseen_translations.compare(path, settings, size=16, train_on=4)
    assert path.read_bytes() == before and capsys.readouterr().out.count("is there") == 4


def test_the_convolutional_network_follows_shifts_exactly_with_its_blur() -> None:
    physics = Blur((1, 16, 16), gaussian_kernel(1.2)).double()
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for kind, least in (("convolutional", 0.0), ("dense", 0.1)):
        f = ns.reconstructors.Direct(unseen_translations.NETWORKS[kind](16)).double()
        error = float(system_equivariance(f, x, physics, Shifts((16, 16))).max())
        assert error < 1e-10 if kind == "convolutional" else error > least


# --- biases


def test_noise_has_the_level_it_is_said_to_have() -> None:
    x = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    levels = torch.tensor([34.0, 20.0, 9.9])
    found = ns.metrics.psnr(denoising.noisy(x, levels, seed=0), x, data_range=1.0)
    assert torch.allclose(found, levels, atol=0.4)
    cut = denoising.patches(x, 16)
    assert cut.shape == (48, 1, 16, 16) and torch.equal(cut[5], x[0, :, 16:32, 16:32])


def test_both_denoisers_are_trained_once_and_scored_at_every_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {
        "with biases": lambda: DnCNN(1, 4, 3, seed=0, slope=0.01),
        "without biases": lambda: BiasFreeDnCNN(1, 4, 3, seed=0, slope=0.01),
    }
    monkeypatch.setattr(denoising, "NETWORKS", small)
    monkeypatch.setattr(denoising, "PATCH", 8)
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    settings = replace(denoising.SETTINGS, minutes=None, steps=2, batch_size=2, threads=1)
    denoising.compare(x, x, tmp_path / "runs", tmp_path / "bias.json", settings)
    assert curve_names(tmp_path / "bias.json") == ("with biases", "without biases")
    found = read_curves(tmp_path / "bias.json")
    assert found["x"][-1] == 9.9 and all(len(row["values"]) == 7 and row["uses_truth"] for row in found["rows"])
    (tmp_path / "bias.json").unlink()  # as if it had been interrupted before the scores were written
    denoising.compare(x, x, tmp_path / "runs", tmp_path / "bias.json", settings)
    again = read_curves(tmp_path / "bias.json")
    for one, other in zip(again["rows"], found["rows"], strict=True):
        assert one["values"] == [pytest.approx(few, rel=1e-5) for few in other["values"]]
    capsys.readouterr()
    denoising.compare(x, x, tmp_path / "runs", tmp_path / "bias.json", settings)
    assert capsys.readouterr().out.count("is there") == 2


def test_the_networks_that_are_compared_differ_in_biases_alone() -> None:
    with_biases, without = (denoising.NETWORKS[name]() for name in ("with biases", "without biases"))
    names = {name: one.shape for name, one in with_biases.named_parameters() if not name.endswith("bias")}
    assert names == {name: one.shape for name, one in without.named_parameters()}
    assert any(isinstance(one, torch.nn.LeakyReLU) for one in without.modules())


# --- polyphase


@pytest.mark.parametrize("folder", POLYPHASE)
def test_polyphase_and_plain_networks_have_as_many_weights(folder: str) -> None:
    rows = {path.stem: recipe for path, recipe in read_rows(ROOT / folder, []).items()}
    assert rows.keys() == {"polyphase_unet", "unet"}
    shape = (2, 128, 128) if folder.endswith("mri") else (3, 128, 128)
    built = {name: reconstructor(recipe, ROOT / folder, shape) for name, recipe in rows.items()}
    assert len({weights(f) for f in built.values()}) == 1
    for recipe in rows.values():
        assert recipe.physics is not None and tuple(recipe.physics.arguments()["image_shape"]) == shape
        physics = build(recipe.physics.model_dump(), Physics, "[physics]", Context(ROOT / folder))
        assert physics.image_shape == shape
        for part in recipe.loss:
            loss = build({"name": part.name}, Loss, "[[loss]]", Context(ROOT / folder))
            assert loss.needs_truth
    one, other = rows.values()
    assert one.model_copy(update={"network": None}) == other.model_copy(update={"network": None})


def test_rings_part_the_image_and_hold_the_errors_of_their_pixels() -> None:
    parts = polyphase_edges.rings(70, 66)
    assert torch.equal(torch.stack(parts).sum(0), torch.ones(70, 66, dtype=torch.int64))
    assert int(parts[0].sum()) == 2 * 70 + 2 * 66 - 4 and len(parts) == len(polyphase_edges.axes().x)
    reference = torch.full((1, 1, 70, 66), 2.0)
    wrong = reference.clone()
    wrong[..., 0, :] += 0.3  # one side of the border
    found = polyphase_edges.errors(wrong, reference)
    assert found[0][0] == pytest.approx(100 * (66 * 0.3**2 / (2 * 70 + 2 * 66 - 4)) ** 0.5 / 2, rel=1e-5)
    assert [few[0] for few in found[1:]] == [0.0] * 9


def test_errors_by_the_distance_to_the_border_of_finished_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(polyphase_edges, "RINGS", (0, 1, 2, 4))
    shell = Shell(capsys)
    blur = '[physics]\nname = "blur"\nimage_shape = [1, 12, 12]\nkernel = { make = "gaussian_kernel", width = 1.0 }\n'
    recipe = write_recipe(tmp_path, blur, loss='[[loss]]\nname = "supervised"\n', name="unet.toml")
    assert DATA.strip() in recipe.read_text() and SIMULATE.strip() in recipe.read_text()
    assert shell("simulate", recipe) == 0, shell.err
    assert shell("fit", recipe, "-o", "runs/toy/unet") == 0, shell.err
    Path("curves").mkdir()
    polyphase_edges.compare("toy", Path("runs"), Path("curves"))
    found = json.loads(Path("curves/toy.json").read_text())
    assert [row["name"] for row in found["rows"]] == ["unet", "A_dagger y"]
    assert found["x"] == ["0", "1", "2 to 3", "4 and more"] and found["rows"][0]["uses_truth"]
    run = ns.load("runs/toy/unet")
    data = ns.data.read_measurements(Path("data/test.h5")).y
    truth = ns.data.read_truth(Path("data/test_truth.h5")).x
    wanted = polyphase_edges.errors(run.reconstruct(data), truth)
    assert found["rows"][0]["values"] == [pytest.approx(few, rel=1e-5) for few in wanted]
