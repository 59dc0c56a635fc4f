"""Reconstruction among the images that a given generator can make."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nullsight.draws import Draws
from nullsight.noise import Noise
from nullsight.physics.base import Physics
from nullsight.reconstructors.base import Reconstructor
from nullsight.reconstructors.misfits import misfit
from nullsight.reconstructors.problems import along
from nullsight.reconstructors.variational import NOISELESS
from nullsight.types import Image, InputError, Measurement


class GeneratorRange(Reconstructor):
    """``f(y) = s G(z)`` with z the best found for ``d(A s G(z)) + weight |z|^2 / 2``; G stays as it is.

    Bora, Jalal, Price, Dimakis, "Compressed sensing using generative models", ICML 2017, equation (3). d is minus the
    log-likelihood of the noise, without noise ``|A x - y|^2 / (2 |A|^2 s^2)``, s the intensity scale of the data. The
    problem is not convex: Adam takes a fixed number of steps, of lengths that fall to zero (cosine), from several
    random starts, the same for every image, and the lowest value of all is kept, each image for itself. Nonlinear
    operators are served too. Gradients reach the weights of G as if z were given. ``start`` is not used.

    Args:
        network: G, latents ``(batch, *latent_shape)`` to images in which a bright pixel is near 1. For counts what is
            measured of its images has to be above 0.
        latent_shape: of z, without batch.
        noise: of the measurements.
        weight: of ``|z|^2 / 2``, >= 0; 1 for a noise model and a generator whose latents are standard normal.
        steps: of Adam from each start, >= 1.
        learning_rate: first length of steps, in units of z, > 0.
        starts: how many, >= 1.
        seed: of the starts.

    Raises:
        InputError: numbers out of range; later, no latents found whose objective is finite.

    Example:
        >>> from nullsight.networks import FullyConnected
        >>> f = GeneratorRange(FullyConnected((1, 8, 8), (16,), seed=0, input_shape=(4,)), latent_shape=(4,), steps=50)
    """

    def __init__(
        self,
        network: nn.Module,
        latent_shape: Sequence[int],
        noise: Noise = NOISELESS,
        *,
        weight: float = 0.0,
        steps: int = 300,
        learning_rate: float = 0.1,
        starts: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.latent_shape = tuple(int(n) for n in latent_shape)
        if min((steps, starts, *self.latent_shape)) < 1 or not (weight >= 0 and learning_rate > 0):
            raise InputError(
                f"expected latents, steps and starts of at least 1, a weight of at least 0 and a learning rate above "
                f"0, but {self.latent_shape}, {steps}, {starts}, {weight} and {learning_rate} came: correct them"
            )
        self.network, self.noise, self.weight, self.steps = network, noise, weight, steps
        self.learning_rate, self.starts, self.seed = learning_rate, starts, seed

    def latents(self, y: Tensor, physics: Physics) -> tuple[Tensor, Tensor]:
        """Return the best latents found, ``(batch, *latent_shape)``, and the objective there, ``(batch,)``.

        Args:
            y: measurements, ``(batch, *physics.measurement_shape)``.
            physics: the operator that made them.
        """
        best = y.new_zeros(len(y), *self.latent_shape)
        lowest = torch.full((len(y),), torch.inf, dtype=y.dtype, device=y.device)
        for number in range(self.starts):
            first = Draws(self.seed, number, (0,) * len(y)).of("latents").normal(self.latent_shape).to(y)
            with torch.inference_mode(False), torch.enable_grad():
                best, lowest = self._descend(first.clone(), best.clone(), lowest.clone(), y.detach().clone(), physics)
        impossible = int((~torch.isfinite(lowest)).sum())
        if impossible:
            raise InputError(
                f"expected latents whose image makes the measurement possible, but for {impossible} of {len(y)} none "
                f"was found: for counts let the generator make images above 0, or take another seed or more starts"
            )
        return best, lowest

    def _descend(
        self, z: Tensor, best: Tensor, lowest: Tensor, y: Measurement, physics: Physics
    ) -> tuple[Tensor, Tensor]:
        z = z.requires_grad_()
        unit = torch.full_like(along(lowest, y), physics.norm()) * self.scale
        found = misfit(self.noise, y, unit)
        adam = torch.optim.Adam([z], self.learning_rate)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.steps)
        for step in range(self.steps + 1):
            value = found.value(physics.A(self._image(z))) + self.weight / 2 * z.square().flatten(1).sum(1)
            better = value.detach() < lowest
            lowest = torch.where(better, value.detach(), lowest)
            best = torch.where(along(better, z), z.detach(), best)
            if step < self.steps:
                (z.grad,) = torch.autograd.grad(value.sum(), z)  # of z alone: weights keep the gradients they had
                adam.step()
                falling.step()
        return best, lowest

    def _image(self, z: Tensor) -> Image:
        out: Image = self.network(z)
        return out.to(self.scale.dtype) * self.scale

    def _reconstruct(self, y: Measurement, physics: Physics, start: Image | None, draws: Draws | None) -> Image:
        return self._image(self.latents(y, physics)[0])
