"""Networks: maps of images to images. They know nothing of physics; weights come from a seed.

What may follow a convolution (a norm, or none) is a value with a table of its own, ``networks.norms.TABLE``.
"""

from torch import nn

from nullsight.networks.discriminator import Discriminator
from nullsight.networks.dncnn import BiasFreeDnCNN, DnCNN
from nullsight.networks.folded_unet import FoldedUNet
from nullsight.networks.fully_connected import FullyConnected
from nullsight.networks.layers import Checkpointed, Network, copies
from nullsight.networks.norms import BatchNorm, BiasFree, BiasFreeBatchNorm, GroupNorm, LayerNorm, NoNorm, Norm
from nullsight.networks.shuffled import Shuffled
from nullsight.networks.unet import UNet

__all__ = [
    "TABLE",
    "BatchNorm",
    "BiasFree",
    "BiasFreeBatchNorm",
    "BiasFreeDnCNN",
    "Checkpointed",
    "Discriminator",
    "DnCNN",
    "FoldedUNet",
    "FullyConnected",
    "GroupNorm",
    "LayerNorm",
    "Network",
    "NoNorm",
    "Norm",
    "Shuffled",
    "UNet",
    "copies",
]

TABLE: dict[str, type[nn.Module]] = {
    "shuffled": Shuffled,
    "folded_unet": FoldedUNet,
    "unet": UNet,
    "dncnn": DnCNN,
    "bias_free_dncnn": BiasFreeDnCNN,
    "fully_connected": FullyConnected,
    "discriminator": Discriminator,
    "checkpointed": Checkpointed,
}
