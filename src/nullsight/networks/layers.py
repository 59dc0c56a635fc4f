"""What networks are built of: one code for signals, images and volumes, and weights that depend on a seed alone."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from nullsight.networks.norms import Norm
from nullsight.types import Image, InputError

CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLINGS: dict[int, Callable[..., nn.Module]] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
_CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

NEAR_ZERO = 1e-2  # what the last layer of a residual network is scaled by at the start


class Network(nn.Module, ABC):
    """A map of images to images (or to scores) that knows nothing of physics; its weights come from ``seed`` alone.

    Attributes:
        seed: of the weights.
    """

    seed: int

    @abstractmethod
    def _draw(self) -> None:
        """Set all weights from ``self.seed``, forgetting what was learned."""

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned; :func:`nullsight.networks.matched_width` finds a network of as many."""
        return sum(weight.numel() for weight in self.parameters())

    def reseeded(self, seed: int) -> Self:
        """Return the same network, untrained, with the weights of another seed."""
        new = copy.deepcopy(self)
        new.seed = seed
        new._draw()
        return new


class Drawn(nn.Module, ABC):
    """A layer of our own that says how its weights are drawn; :func:`draw_weights` asks it to."""

    @abstractmethod
    def draw(self, generator: torch.Generator, slope: float) -> None:
        """Set all weights, on the CPU in float64, so that (leaky) ReLU layers keep the size of the signal."""


class Checkpointed(Network):
    """A network that keeps none of its inner activations for the gradient but computes them again.

    Saves memory where a network is applied several times in one step (unrolled reconstructors, equivariance losses),
    for about a third more time; the result and the gradient are the same.

    Args:
        network: any image network without batch statistics (they would be updated twice).

    Raises:
        InputError: the network has a batch norm.

    Example:
        >>> network = Checkpointed(nn.Conv2d(1, 1, 3, padding=1))
        >>> network(torch.zeros(1, 1, 8, 8)).shape
        torch.Size([1, 1, 8, 8])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        check_recomputable([network])
        self.network = network
        self.seed = network.seed if isinstance(network, Network) else 0

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network returns."""
        if not torch.is_grad_enabled():
            return _tensor(self.network(x))
        return _tensor(checkpoint(self.network, x, use_reentrant=False))

    def reseeded(self, seed: int) -> Self:
        """Return the same with the inner network untrained, of another seed."""
        if not isinstance(self.network, Network):
            raise InputError(
                f"expected a network with a seed, but {type(self.network).__name__} has none: build it anew"
            )
        return type(self)(self.network.reseeded(seed))

    def _draw(self) -> None:
        if isinstance(self.network, Network):
            self.network._draw()


def copies(network: Network, count: int) -> list[Network]:
    """Return the network itself and ``count - 1`` untrained copies, each with the next seed.

    Example:
        >>> from nullsight.networks import DnCNN
        >>> [one.seed for one in copies(DnCNN(1, width=4, depth=3, seed=5), 3)]
        [5, 6, 7]
    """
    return [network, *(network.reseeded(network.seed + k) for k in range(1, count))]


@contextmanager
def quietly() -> Iterator[None]:
    """Build layers on the CPU without touching the global random state (their constructors draw from it)."""
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        yield


def convolution(
    channels: int, out_channels: int, kernel: int, dimension: int, *, bias: bool, stride: int = 1
) -> nn.Module:
    """Return a convolution with zero padding that keeps the size (odd kernel) or halves it (kernel 4, stride 2)."""
    make = CONVOLUTIONS[dimension]
    return make(channels, out_channels, kernel, stride=stride, padding=(kernel - 1) // 2, bias=bias)


def conv_norm_relu(
    channels: int, out_channels: int, norm: Norm, dimension: int, *, slope: float = 0.0
) -> list[nn.Module]:
    """Return the layers 3x3 convolution, norm, ReLU; leaky where negative values keep a ``slope``."""
    first = convolution(channels, out_channels, 3, dimension, bias=norm.bias)
    # not in place: the gradient of a norm and the copies made for checkpointing need the input as it was
    activation = nn.LeakyReLU(slope) if slope else nn.ReLU()
    return [first, norm.layer(out_channels, dimension), activation]


def enlarge_and_convolve(convolution: nn.Module, x: Tensor) -> Tensor:
    """Return a 3-wide convolution with zero padding of ``x`` enlarged twofold by repeating every sample.

    Each weight meets two equal samples along an axis, so the pair is one transposed convolution of stride 2 whose
    kernel, 4 wide, is the sum of the old one and the same one sample on: 4 products a pixel and channel pair in place
    of 9 in two dimensions. The enlarged image is never made.
    """
    weight, bias = convolution.weight, convolution.bias
    assert isinstance(weight, Tensor)
    dimension = weight.ndim - 2
    axes = tuple(range(2, weight.ndim))
    kernel = functional.pad(weight.flip(axes), (0, 1) * dimension)
    for axis in axes:
        kernel = kernel + kernel.roll(1, axis)
    return _tensor(TRANSPOSED[dimension](x, kernel.transpose(0, 1), bias, stride=2, padding=1))


def draw_weights(module: nn.Module, seed: int, *, slope: float = 0.0) -> None:
    """Set all weights from ``seed``: normal with variance ``2 / ((1 + slope^2) inputs)``, biases zero, norms neutral.

    Keeps the size of the signal through (leaky) ReLU layers of any number: He et al., "Delving deep into rectifiers",
    ICCV 2015. Drawn on the CPU in float64, so the weights do not depend on device or dtype.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, (*_CONVOLUTION, nn.Linear)):
                deviation = (2 / ((1 + slope**2) * layer.weight[0].numel())) ** 0.5
                drawn = torch.randn(layer.weight.shape, generator=generator, dtype=torch.float64, device="cpu")
                layer.weight.copy_(deviation * drawn)
                if layer.bias is not None:
                    layer.bias.zero_()
            elif isinstance(layer, Drawn):
                layer.draw(generator, slope)
            elif callable(reset := getattr(layer, "reset_parameters", None)):
                reset()


def shrink(layer: nn.Module, factor: float) -> None:
    """Multiply all weights of a layer, biases aside: a branch that starts small."""
    with torch.no_grad():
        for weight in layer.parameters():
            if weight.ndim > 1:
                weight.mul_(factor)


def matched_width(build: Callable[[int], Network], parameters: int) -> int:
    """Return the width for which ``build(width)`` has the number of parameters nearest to ``parameters``.

    For fair comparisons: an ordinary network of as many weights as an equivariant one. The number must grow with the
    width.

    Args:
        build: makes the network of a width, >= 1.
        parameters: how many there should be, >= 1; ``network.parameter_count`` of another network.

    Example:
        >>> from nullsight.networks import DnCNN
        >>> matched_width(lambda width: DnCNN(1, width, 4), DnCNN(1, 11, 4).parameter_count)
        11
    """
    high = 1
    while build(high).parameter_count < parameters:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if build(middle).parameter_count < parameters else (low, middle)
    return min((w for w in (low, high) if w), key=lambda w: abs(build(w).parameter_count - parameters))


def check_layout(channels: int, width: int, depth: int, shallowest: int, dimension: int) -> None:
    """Raise an :class:`InputError` unless the numbers describe a network."""
    if min(channels, width) < 1 or depth < shallowest:
        raise InputError(
            f"expected channels and width of at least 1 and depth of at least {shallowest}, but channels {channels}, "
            f"width {width} and depth {depth} came"
        )
    if dimension not in CONVOLUTIONS:
        raise InputError(f"expected dimension 1 (signals), 2 (images) or 3 (volumes), but {dimension} came")


def check_outputs(channels: int, out_channels: int | None, remedy: str = "") -> int:
    """Return the number of output channels; an :class:`InputError` where the input cannot be added to so many."""
    outputs = channels if out_channels is None else out_channels
    if not 1 <= outputs <= channels:
        raise InputError(
            f"expected 1 to {channels} output channels, to which the input can be added, but {outputs} came{remedy}"
        )
    return outputs


def check_recomputable(networks: Sequence[nn.Module]) -> None:
    """Raise an :class:`InputError` where a network has statistics of batches."""
    if any(hasattr(layer, "running_var") for network in networks for layer in network.modules()):
        raise InputError(
            "expected a network without batch statistics, which would be updated twice a step, but one with them "
            "came: choose another norm"
        )


def check_channels(x: Tensor, channels: int, dimension: int) -> None:
    """Raise an :class:`InputError` unless ``x`` is ``(batch, channels, *space)``."""
    if x.ndim != dimension + 2 or x.shape[1] != channels:
        space = ", ".join(["length", "height, width", "depth, height, width"][dimension - 1 : dimension])
        raise InputError(
            f"expected an image of shape (batch, {channels}, {space}) for this network, but {tuple(x.shape)} came: "
            f"build the network with the image's number of channels and dimension"
        )


def pad_to_multiple(x: Image, multiple: int) -> Image:
    """Return the image with its border repeated at the ends until ``multiple`` divides every side."""
    missing = [-size % multiple for size in x.shape[2:]]
    if not any(missing):
        return x
    return functional.pad(x, [end for many in reversed(missing) for end in (0, many)], mode="replicate")


def add_input(x: Image, out: Image) -> Image:
    """Return ``out`` plus the first channels of ``x``, as many as ``out`` has."""
    return out + x[:, : out.shape[1]]


def _tensor(value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise InputError(f"expected the network to return a tensor, but {type(value).__name__} came")
    return value
