"""What every network keeps to: weights from its seed alone, images of a batch apart, built again from its arguments."""

import copy

import pytest
import torch

from nullsight.networks import (
    TABLE,
    BatchNorm,
    Checkpointed,
    Discriminator,
    DnCNN,
    FoldedUNet,
    FullyConnected,
    GroupNorm,
    Shuffled,
    UNet,
    copies,
    norms,
)
from nullsight.networks.layers import draw_weights
from nullsight.parts import arguments
from nullsight.types import InputError
from tests.cases.networks import NETWORKS, NetworkCase

CASES = [pytest.param(case, id=case.name) for case in NETWORKS]


def images(case: NetworkCase, batch: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, *case.image_shape, generator=generator, dtype=torch.float64)


def test_every_network_of_the_table_has_a_case():
    assert {type(case.build(0)) for case in NETWORKS} == set(TABLE.values())


def test_every_norm_of_the_table_is_used_in_a_case():
    used = {type(case.build(0).norm) for case in NETWORKS if hasattr(case.build(0), "norm")}
    assert used == set(norms.TABLE.values())


@pytest.mark.parametrize("case", CASES)
def test_weights_come_from_the_seed_alone(case):
    first, again, other = case.build(3), case.build(3), case.build(4)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    matrices = [(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True) if a.ndim > 1]
    assert matrices and not any(torch.equal(a, b) for a, b in matrices)


@pytest.mark.parametrize("case", CASES)
def test_building_leaves_the_global_random_state_alone(case):
    before = torch.get_rng_state()
    case.build(0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_output_shape_and_dtype(case, dtype):
    out = case.build(0).to(dtype)(images(case).to(dtype))
    assert tuple(out.shape) == (3, *case.output_shape)
    assert out.dtype == dtype and bool(torch.isfinite(out).all())


@pytest.mark.parametrize("case", CASES)
def test_an_image_alone_comes_out_as_in_the_batch(case):
    network, x = case.build(0).double(), images(case)
    with torch.no_grad():
        network(x)  # moves running statistics, where there are any
        network.train(not case.couples_batch)
        torch.testing.assert_close(network(x)[1:2], network(x[1:2]))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in NETWORKS if case.couples_batch])
def test_batch_statistics_couple_the_batch_in_training_and_only_there(case):
    network, x = case.build(0).double(), images(case)
    kept = {name: value.clone() for name, value in network.state_dict().items()}
    network.eval()(x)
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())
    other = torch.cat([x[:1], 5 * x[1:]])
    assert not torch.allclose(network.train()(x)[:1], network(other)[:1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_gradients_reach_every_weight(case):
    network = case.build(0).double()
    (network(images(case)) - 1).square().mean().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and bool((weight.grad != 0).any()), name


@pytest.mark.parametrize("case", CASES)
def test_built_again_from_its_arguments(case):
    network = case.build(2)
    again = type(network)(**arguments(network))
    for (name, a), (_, b) in zip(network.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("case", CASES)
def test_reseeded_forgets_training_and_leaves_the_original(case):
    network = case.build(1)
    network.train()(images(case).float())
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(1.0)
    kept = copy.deepcopy(network.state_dict())
    fresh = network.reseeded(7)
    assert fresh.seed == 7
    for name, value in case.build(7).state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value), name
    assert all(torch.equal(value, kept[name]) for name, value in network.state_dict().items())


def test_copies_have_seeds_one_after_the_other():
    several = copies(Checkpointed(UNet(1, 4, 2, seed=5)), 3)
    assert [one.seed for one in several] == [5, 6, 7]
    for one, seed in zip(several, [5, 6, 7], strict=True):
        for a, b in zip(one.parameters(), UNet(1, 4, 2, seed=seed).parameters(), strict=True):
            assert torch.equal(a, b)


def test_signal_keeps_its_size_through_many_layers():
    layers = [layer for _ in range(20) for layer in (torch.nn.Linear(256, 256), torch.nn.ReLU())]
    body = torch.nn.Sequential(*layers)
    draw_weights(body, 0)
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert 0.2 < float(body(x).square().mean() / x.square().mean() * 2) < 5


def test_checkpointed_gives_the_same_image_and_gradient():
    plain = UNet(1, 4, 2, seed=0).double()
    kept = Checkpointed(copy.deepcopy(plain))
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for network in (plain, kept):
        network(x).square().mean().backward()
    assert torch.equal(plain(x), kept(x))
    for a, b in zip(plain.parameters(), kept.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_checkpointed_keeps_fewer_activations():
    def kept(network):
        count = 0

        def pack(tensor):
            nonlocal count
            count += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(torch.zeros(1, 1, 16, 16))
        return count

    network = UNet(1, 8, 2, seed=0)
    assert kept(Checkpointed(network)) < kept(network) / 10


def test_checkpointed_refuses_batch_statistics():
    with pytest.raises(InputError, match="updated twice"):
        Checkpointed(UNet(1, 4, 2, norm=BatchNorm()))


def test_discriminator_scores_any_size_and_refuses_too_small():
    network = Discriminator(1, 4, 3, hidden=6)
    assert network(torch.zeros(2, 1, 8, 31)).shape == (2,)
    with pytest.raises(InputError, match="at least 8 pixels"):
        network(torch.zeros(2, 1, 8, 7))


def test_discriminator_of_esrgan_has_its_widths():
    network = Discriminator(3, norm=BatchNorm())
    convolutions = [layer for layer in network.features if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions[::2]] == [64, 128, 256, 512, 512]
    assert [layer.stride[0] for layer in convolutions] == [1, 2] * 5


def test_layers_before_a_norm_have_no_bias():
    for norm in (BatchNorm(), GroupNorm(4)):
        network = UNet(1, 4, 2, norm=norm)
        assert {name for name, _ in network.named_parameters() if name.endswith("bias")} >= {"last.bias"}
        convolutions = [m for block in (network.down, network.up, network.merge) for m in block.modules()]
        assert all(m.bias is None for m in convolutions if isinstance(m, torch.nn.Conv2d))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: UNet(0), "at least 1"),
        (lambda: UNet(1, depth=0), "depth of at least 1"),
        (lambda: UNet(1, dimension=4), "dimension 1"),
        (lambda: UNet(1, out_channels=2), "residual=False"),
        (lambda: Shuffled(1, out_channels=2), "1 to 1 output channels"),
        (lambda: FoldedUNet(2, out_channels=3), "1 to 2 output channels"),
        (lambda: DnCNN(1, out_channels=0), "1 to 1 output channels"),
        (lambda: FoldedUNet(1, scales=0), "scales, blocks and fold"),
        (lambda: UNet(1, width=6, norm=GroupNorm(4)), "divide the 6 channels"),
        (lambda: FullyConnected((1, 0)), "at least 1"),
        (lambda: FullyConnected((1, 4), (4,))(torch.zeros(2, 5)), "input_shape"),
        (lambda: UNet(1, 4, 2)(torch.zeros(2, 3, 8, 8)), r"\(batch, 1, height, width\)"),
        (lambda: UNet(1, 4, 2)(torch.zeros(2, 1, 8)), "height, width"),
    ],
)
def test_bad_input_is_one_clear_sentence(build, words):
    with pytest.raises(InputError, match=words):
        build()


def test_folded_unet_learns_where_all_its_features_are_negative() -> None:
    network = FoldedUNet(1, width=4, scales=1, fold=1)
    with torch.no_grad():
        network.enter.weight.copy_(-network.enter.weight.abs())
    network(torch.rand(1, 1, 6, 6) + 0.1).square().mean().backward()
    assert all(bool(layer.weight.grad.any()) for layer in (network.enter, network.leave))
