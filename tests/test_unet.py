"""The U-Net: the papers' size, any image size, homogeneity, memory formats."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from nullsight.networks import BatchNorm, BiasFree, BiasFreeBatchNorm, UNet
from nullsight.networks.layers import CONVOLUTIONS, enlarge_and_convolve


def count(network):
    return sum(weight.numel() for weight in network.parameters())


def test_the_papers_configuration_has_its_parameters():
    # convolutions without bias, by hand: encoder 1-64-128-256-512 and decoder, 9 weights a pair of channels
    widths = [64, 128, 256, 512]
    pairs = sum(a * b + b * b for a, b in zip([1, *widths[:-1]], widths, strict=True))
    pairs += sum(2 * w * w + 2 * w * w + w * w for w in widths[:-1])
    norms = 2 * (2 * sum(widths) + 3 * sum(widths[:-1]))
    network = UNet(1, width=64, depth=4, norm=BatchNorm())
    assert count(network) == 9 * pairs + norms + 64 + 1 == 8_559_617


@given(height=st.integers(1, 19), width=st.integers(1, 19), depth=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_any_image_size(height, width, depth):
    network = UNet(1, 2, depth, seed=0)
    x = torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(0))
    out = network(x)
    assert out.shape == x.shape and bool(torch.isfinite(out).all())


def test_padding_repeats_the_border():
    network = UNet(1, 4, 3, seed=0).double()
    x = torch.rand(1, 1, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    by_hand = torch.cat([x, x[..., -1:], x[..., -1:], x[..., -1:]], 3)
    by_hand = torch.cat([by_hand, by_hand[:, :, -1:], by_hand[:, :, -1:]], 2)
    torch.testing.assert_close(network(x), network(by_hand)[..., :6, :5])


def test_untrained_residual_network_nearly_returns_its_input():
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    change = (UNet(1, 16, 3, seed=0)(x) - x).detach()
    assert 0 < float(change.norm() / x.norm()) < 0.05


def test_residual_adds_the_input():
    x = torch.rand(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    network = UNet(2, 4, 2, seed=0, out_channels=1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    assert torch.equal(network(x), x[:, :1])
    plain = UNet(2, 4, 2, seed=0, residual=False)
    with torch.no_grad():
        for weight in plain.parameters():
            weight.zero_()
    assert torch.equal(plain(x), torch.zeros_like(x))


@pytest.mark.parametrize("norm", [BiasFree(), BiasFreeBatchNorm()])
def test_bias_free_is_homogeneous(norm):
    network = UNet(1, 4, 3, seed=0, norm=norm, residual=False).double().eval()
    x = torch.randn(2, 1, 9, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for gain in (0.0, 1e-3, 7.0):
        torch.testing.assert_close(network(gain * x), gain * network(x), rtol=1e-10, atol=1e-12)


def test_channels_last_gives_the_same_image():
    x = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    network = UNet(3, 8, 3, seed=0)
    plain = network(x)
    turned = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(turned, plain, rtol=1e-4, atol=1e-5)


def test_learns_a_known_map():
    """A hundred steps must lower the error twentyfold: every layer is joined the right way."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 1, 8, 8, generator=generator)
    truth = 0.5 * x + 0.25 * x.mean((2, 3), keepdim=True)
    network = UNet(1, 8, 2, seed=0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(100):
        loss = (network(x) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 20


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_enlarging_and_convolving_in_one_is_both_in_turn(dimension):
    convolution = CONVOLUTIONS[dimension](3, 5, 3, padding=1).double()
    x = torch.randn(2, 3, *(4, 5, 6)[:dimension], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    separate, joined = (x.clone().requires_grad_() for _ in range(2))
    expected = convolution(functional.interpolate(separate, scale_factor=2))
    found = enlarge_and_convolve(convolution, joined)
    torch.testing.assert_close(found, expected)
    pull = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, [separate, *convolution.parameters()], pull)
    torch.testing.assert_close(torch.autograd.grad(found, [joined, *convolution.parameters()], pull), wanted)
