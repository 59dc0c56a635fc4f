"""DnCNN with and without additive terms."""

import pytest
import torch

from nullsight.networks import BatchNorm, BiasFreeBatchNorm, BiasFreeDnCNN, DnCNN
from nullsight.types import InputError


def picture(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("gain", [0.0, 1e-4, 0.3, 12.0, 1e5])
@pytest.mark.parametrize("training", [True, False])
def test_bias_free_is_homogeneous(gain, training):
    network, x = BiasFreeDnCNN(2, 6, 5, seed=0).double().train(training), picture(2, 2, 9, 8)
    torch.testing.assert_close(network(gain * x), gain * network(x), rtol=1e-12, atol=1e-14)


def test_bias_free_with_batch_statistics_is_homogeneous_in_eval_mode():
    network, x = BiasFreeDnCNN(1, 6, 5, seed=0, norm=BiasFreeBatchNorm()).double(), picture(4, 1, 8, 8)
    for _ in range(5):
        network(x)
    network.eval()
    torch.testing.assert_close(network(50 * x), 50 * network(x), rtol=1e-12, atol=1e-14)


def test_with_bias_is_not_homogeneous_once_trained():
    network, x = DnCNN(1, 6, 5, seed=0).double(), picture(1, 1, 8, 8)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith("bias"):
                weight.add_(0.1)
    assert not torch.allclose(network(50 * x), 50 * network(x), rtol=1e-6)


def test_bias_free_has_no_additive_parameter():
    names = [
        name for norm in (BiasFreeBatchNorm(),) for name, _ in BiasFreeDnCNN(1, 4, 4, norm=norm).named_parameters()
    ]
    assert names and not any(name.endswith("bias") for name in names)


def test_bias_free_refuses_a_norm_with_additive_terms():
    with pytest.raises(InputError, match="BiasFreeBatchNorm"):
        BiasFreeDnCNN(1, 4, 4, norm=BatchNorm())


def test_leaky_units_let_negative_values_through():
    x = picture(1, 1, 8, 8)
    plain, leaky = (DnCNN(1, 6, 2, seed=0, slope=slope).double() for slope in (0.0, 0.25))
    hidden = torch.nn.functional.conv2d(x, leaky.body[0].weight, leaky.body[0].bias, padding=1)
    hidden = torch.where(hidden > 0, hidden, 0.25 * hidden)
    assert bool((hidden < 0).any())
    by_hand = x + torch.nn.functional.conv2d(hidden, leaky.last.weight, leaky.last.bias, padding=1)
    torch.testing.assert_close(leaky(x), by_hand, rtol=1e-12, atol=1e-14)
    # smaller weights keep the size of the signal (He et al., ICCV 2015)
    torch.testing.assert_close(leaky.body[0].weight * (1 + 0.25**2) ** 0.5, plain.body[0].weight)
    free = BiasFreeDnCNN(1, 6, 5, seed=0, slope=0.1).double()
    torch.testing.assert_close(free(30 * x), 30 * free(x), rtol=1e-12, atol=1e-14)
    for slope in (-0.1, 1.0):
        with pytest.raises(InputError, match="slope from 0 to below 1"):
            DnCNN(1, 4, 4, slope=slope)


def test_published_size():
    # 17 layers of width 64, grey images: the weights, the biases of the first and the last layer, the norms
    network = DnCNN(1, norm=BatchNorm())
    count = sum(weight.numel() for weight in network.parameters())
    assert count == 2 * 9 * 64 + 15 * 9 * 64**2 + 64 + 1 + 15 * 2 * 64


def test_running_variance_follows_the_batches():
    network = BiasFreeDnCNN(1, 3, 3, norm=BiasFreeBatchNorm()).double()
    (norm,) = [layer for layer in network.modules() if hasattr(layer, "running_var")]
    x = 3 * picture(4, 3, 8, 8)
    for _ in range(200):
        norm(x)
    torch.testing.assert_close(norm.running_var, x.transpose(0, 1).flatten(1).var(1, correction=0), rtol=1e-6, atol=0)
