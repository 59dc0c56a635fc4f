"""Networks: maps of images to images. They know nothing of physics; weights come from a seed.

What may follow a convolution (a norm, or none), what is beyond the border and what hidden fields are made of are values
with tables of their own: ``networks.norms.TABLE``, ``networks.borders.TABLE``, ``networks.features.TABLE``.
"""

from torch import nn

from nullsight.networks.borders import Border, CircularBorder, ZeroBorder
from nullsight.networks.discriminator import Discriminator
from nullsight.networks.dncnn import BiasFreeDnCNN, DnCNN
from nullsight.networks.expanding import EquivariantNetwork, Frozen
from nullsight.networks.features import Features, GatedFeatures, NormFeatures, RegularFeatures
from nullsight.networks.fields import Field, Fields, IrreducibleField, RegularField, TrivialField, VectorField
from nullsight.networks.folded_unet import FoldedUNet
from nullsight.networks.fully_connected import FullyConnected
from nullsight.networks.group_conv import GroupConvolution, Lifting, Projection
from nullsight.networks.group_residual import GroupResidual
from nullsight.networks.layers import Checkpointed, Network, copies, matched_width
from nullsight.networks.norms import (
    BatchNorm,
    BiasFree,
    BiasFreeBatchNorm,
    GroupNorm,
    LayerNorm,
    NoNorm,
    Norm,
    RootMeanSquare,
)
from nullsight.networks.polyphase_unet import PolyphaseUNet
from nullsight.networks.restriction import Restriction
from nullsight.networks.shuffled import Shuffled
from nullsight.networks.steerable import SteerableConvolution
from nullsight.networks.steerable_residual import SteerableResidual
from nullsight.networks.unet import UNet

__all__ = [
    "TABLE",
    "BatchNorm",
    "BiasFree",
    "BiasFreeBatchNorm",
    "BiasFreeDnCNN",
    "Border",
    "Checkpointed",
    "CircularBorder",
    "Discriminator",
    "DnCNN",
    "EquivariantNetwork",
    "Features",
    "Field",
    "Fields",
    "FoldedUNet",
    "Frozen",
    "FullyConnected",
    "GatedFeatures",
    "GroupConvolution",
    "GroupNorm",
    "GroupResidual",
    "IrreducibleField",
    "LayerNorm",
    "Lifting",
    "Network",
    "NoNorm",
    "Norm",
    "NormFeatures",
    "PolyphaseUNet",
    "Projection",
    "RegularFeatures",
    "RegularField",
    "Restriction",
    "RootMeanSquare",
    "Shuffled",
    "SteerableConvolution",
    "SteerableResidual",
    "TrivialField",
    "UNet",
    "VectorField",
    "ZeroBorder",
    "copies",
    "matched_width",
]

TABLE: dict[str, type[nn.Module]] = {
    "shuffled": Shuffled,
    "folded_unet": FoldedUNet,
    "unet": UNet,
    "polyphase_unet": PolyphaseUNet,
    "group_residual": GroupResidual,
    "steerable_residual": SteerableResidual,
    "dncnn": DnCNN,
    "bias_free_dncnn": BiasFreeDnCNN,
    "fully_connected": FullyConnected,
    "discriminator": Discriminator,
    "checkpointed": Checkpointed,
}
