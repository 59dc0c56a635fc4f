"""Denoising networks as priors (plug and play), and any prior made to commute with a group."""

from torch import Tensor, nn

from nullsight.draws import Stream
from nullsight.groups.base import FiniteGroup, Group
from nullsight.reconstructors.priors import Prior
from nullsight.types import Image


class Denoiser(nn.Module, Prior):
    """A network that takes noise off images, in the place of a proximal map, whatever its step.

    Venkatakrishnan, Bouman, Wohlberg, "Plug-and-play priors for model based reconstruction", GlobalSIP 2013. Iterations
    with it have a limit where the network contracts, or the data step does (Ryu et al., "Plug-and-play methods
    provably converge with properly trained denoisers", ICML 2019); for others look at the residual. The network sees
    images in which a bright pixel is near 1; it should have been trained at about the noise that the iterations leave.

    Args:
        network: any image network, images to images of the same shape.

    Example:
        >>> from nullsight.networks import DnCNN
        >>> prior = Denoiser(DnCNN(1, width=8, depth=4, seed=0))
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return the denoised image."""
        out: Image = self.network(x)
        return out


class Averaged(nn.Module, Prior):
    """``mean over g of T_g^-1 P(T_g x)``, a prior made to commute with a finite group: one pass for each element.

    Terris, Moreau, Pustelnik, Tachella, "Equivariant plug-and-play image reconstruction", CVPR 2024.

    Args:
        prior: P.
        group: such as ``Dihedral(4)``.

    Example:
        >>> from nullsight.groups import Dihedral
        >>> from nullsight.networks import DnCNN
        >>> prior = Averaged(Denoiser(DnCNN(1, width=8, depth=4, seed=0)), Dihedral(4))
    """

    def __init__(self, prior: Prior, group: FiniteGroup) -> None:
        super().__init__()
        self.prior, self.group = prior, group

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return the mean."""
        return self.group.average(lambda turned: self.prior.prox(turned, step, stream), x)


class Turned(nn.Module, Prior):
    """``T_g^-1 P(T_g x)`` with another random g for every image and iteration: in the mean that of :class:`Averaged`.

    At the price of one pass. Residuals do not vanish, so iterations end by their number. As Terris et al., above.

    Args:
        prior: P.
        group: g is drawn from it, uniformly; any group with an inverse.

    Example:
        >>> from nullsight.groups import Shifts
        >>> from nullsight.reconstructors.wavelets import Wavelets
        >>> prior = Turned(Wavelets("haar", levels=2), Shifts((16, 16)))
    """

    def __init__(self, prior: Prior, group: Group) -> None:
        super().__init__()
        self.prior, self.group = prior, group

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return one term of the mean."""
        g = self.group.sample(stream)
        return self.group.act(self.group.inverse(g), self.prior.prox(self.group.act(g, x), step, stream))
