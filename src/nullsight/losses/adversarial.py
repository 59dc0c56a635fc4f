"""Adversarial equivariance: an opponent tries to tell turned reconstructions from unturned ones."""

from torch import Tensor, nn
from torch.func import functional_call

from nullsight.groups.base import Family
from nullsight.losses.base import Evidence, Loss, Player
from nullsight.losses.errors import UNIT_NORM, Scaling
from nullsight.types import Image, InputError, Scalar


class AdversarialEquivariance(Loss):
    """``E (1 - D(T_g x1))^2``, where D learns to score ``x1 = f(y)`` as 1 and ``x2 = T_g x1`` as 0.

    If the images are invariant to the group, x1 and x2 have one distribution and no D can tell them apart. After Chen,
    Tachella, Davies, "Equivariant Imaging", ICCV 2021, equation (7), ``min_f max_D ... + beta E[D(x1) + 1 - D(x2)]``,
    in least-squares form (Mao et al., "Least squares generative adversarial networks", ICCV 2017): D minimises
    ``E (1 - D(x1))^2 + E D(x2)^2`` on detached images, f minimises the term above through x2; x1 plays the real images
    and is not moved by its own score. The published beta is the weight:
    ``MeasurementConsistency() + 100 * Equivariance(group) + 1e-3 * AdversarialEquivariance(group, network)``.

    The discriminator's weights get no gradient from this term: the training loop steps them by :meth:`players`.

    Args:
        group: the transformations that leave the set of images as it is.
        discriminator: images to scores, ``(batch,)`` or ``(batch, ...)`` (patches, averaged).
        transforms: how many elements are drawn per image and step, >= 1.
        learning_rate: of the discriminator's Adam.
        scaling: the unit of the images that the discriminator sees.

    Raises:
        InputError: fewer than one transform, a learning rate of 0 or less.

    Example:
        >>> from nullsight.groups import QuarterTurns
        >>> from nullsight.networks import Discriminator
        >>> loss = 1e-3 * AdversarialEquivariance(QuarterTurns(), Discriminator(1))
        >>> [type(player.module).__name__ for player in loss.players()]
        ['Discriminator']
    """

    def __init__(
        self,
        group: Family,
        discriminator: nn.Module,
        transforms: int = 1,
        learning_rate: float = 1e-4,
        scaling: Scaling = UNIT_NORM,
    ) -> None:
        super().__init__()
        if transforms < 1 or not learning_rate > 0:
            raise InputError(
                f"expected at least 1 transform and a learning rate above 0, but {transforms} and {learning_rate} came"
            )
        self.group, self.discriminator, self.transforms = group, discriminator, transforms
        self.learning_rate, self.scaling = learning_rate, scaling

    @property
    def detail(self) -> str:
        """The group's name."""
        return type(self.group).__name__

    def forward(self, evidence: Evidence) -> Scalar:
        """Return how well D tells turned images apart; the gradient reaches f alone."""
        x2 = evidence.turned(self.group, self.transforms).x2 / self.scaling.image_unit(evidence)
        fixed = {name: value.detach() for name, value in self.discriminator.named_parameters()}
        return (1 - _scores(functional_call(self.discriminator, fixed, (x2,)), x2)).square().mean()

    def objective(self, evidence: Evidence) -> Scalar:
        """Return what the discriminator minimises, on images detached from f."""
        unit = self.scaling.image_unit(evidence)
        x1 = evidence.x1.detach() / unit
        x2 = evidence.turned(self.group, self.transforms).x2.detach() / unit
        real, turned = _scores(self.discriminator(x1), x1), _scores(self.discriminator(x2), x2)
        return (1 - real).square().mean() + turned.square().mean()

    def players(self) -> tuple[Player, ...]:
        """Return the discriminator."""
        return (Player(self.discriminator, self.objective, self.learning_rate),)


def _scores(scores: Tensor, x: Image) -> Tensor:
    if scores.ndim == 0 or scores.shape[0] != x.shape[0]:
        raise InputError(
            f"expected a discriminator with one score (or map of scores) for each of {x.shape[0]} images, but shape "
            f"{tuple(scores.shape)} came"
        )
    return scores
