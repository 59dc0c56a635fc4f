"""Toy networks: the contract tests run through all of them."""

from collections.abc import Callable
from dataclasses import dataclass

from nullsight.groups import Dihedral, QuarterTurns, Reflections, Rotations
from nullsight.networks import (
    BatchNorm,
    BiasFree,
    BiasFreeBatchNorm,
    BiasFreeDnCNN,
    Checkpointed,
    CircularBorder,
    Discriminator,
    DnCNN,
    FoldedUNet,
    FullyConnected,
    GatedFeatures,
    GroupNorm,
    GroupResidual,
    LayerNorm,
    Network,
    NormFeatures,
    PolyphaseUNet,
    RootMeanSquare,
    Shuffled,
    SteerableResidual,
    UNet,
)


@dataclass(frozen=True)
class NetworkCase:
    """One network at toy size, built from a seed, and the images it takes."""

    name: str
    build: Callable[[int], Network]
    image_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    couples_batch: bool = False  # while training


NETWORKS: list[NetworkCase] = [
    NetworkCase("shuffled", lambda seed: Shuffled(2, 4, 3, seed=seed, out_channels=1), (2, 9, 6), (1, 9, 6)),
    NetworkCase(
        "folded_unet", lambda seed: FoldedUNet(2, 4, 3, 2, seed=seed, out_channels=1), (2, 13, 18), (1, 13, 18)
    ),
    NetworkCase("folded_unet_whole", lambda seed: FoldedUNet(1, 4, 2, 1, 1, seed=seed), (1, 7, 9), (1, 7, 9)),
    NetworkCase("folded_unet_one_scale", lambda seed: FoldedUNet(1, 4, 1, seed=seed), (1, 7, 8), (1, 7, 8)),
    NetworkCase("unet", lambda seed: UNet(2, 4, 3, seed=seed), (2, 13, 9), (2, 13, 9)),
    NetworkCase("unet_batch_norm", lambda seed: UNet(1, 4, 2, seed=seed, norm=BatchNorm()), (1, 8, 8), (1, 8, 8), True),
    NetworkCase("unet_group_norm", lambda seed: UNet(1, 4, 2, seed=seed, norm=GroupNorm(2)), (1, 8, 8), (1, 8, 8)),
    NetworkCase("unet_layer_norm", lambda seed: UNet(1, 4, 2, seed=seed, norm=LayerNorm()), (1, 8, 8), (1, 8, 8)),
    NetworkCase("unet_bias_free", lambda seed: UNet(1, 4, 2, seed=seed, norm=BiasFree()), (1, 8, 8), (1, 8, 8)),
    NetworkCase("unet_two_to_one", lambda seed: UNet(2, 4, 2, seed=seed, out_channels=1), (2, 8, 6), (1, 8, 6)),
    NetworkCase(
        "unet_plain", lambda seed: UNet(1, 4, 2, seed=seed, residual=False, out_channels=3), (1, 7, 7), (3, 7, 7)
    ),
    NetworkCase("unet_signal", lambda seed: UNet(1, 4, 3, seed=seed, dimension=1), (1, 17), (1, 17)),
    NetworkCase("unet_volume", lambda seed: UNet(1, 4, 2, seed=seed, dimension=3), (1, 5, 6, 4), (1, 5, 6, 4)),
    NetworkCase("dncnn", lambda seed: DnCNN(1, 4, 4, seed=seed), (1, 9, 7), (1, 9, 7)),
    NetworkCase(
        "dncnn_batch_norm", lambda seed: DnCNN(1, 4, 4, seed=seed, norm=BatchNorm()), (1, 9, 7), (1, 9, 7), True
    ),
    NetworkCase("dncnn_signal", lambda seed: DnCNN(1, 4, 3, seed=seed, dimension=1), (1, 11), (1, 11)),
    NetworkCase("bias_free_dncnn", lambda seed: BiasFreeDnCNN(1, 4, 4, seed=seed), (1, 9, 7), (1, 9, 7)),
    NetworkCase(
        "bias_free_dncnn_batch_norm",
        lambda seed: BiasFreeDnCNN(1, 4, 4, seed=seed, norm=BiasFreeBatchNorm()),
        (1, 9, 7),
        (1, 9, 7),
        True,
    ),
    NetworkCase("fully_connected", lambda seed: FullyConnected((1, 12), (16,), seed=seed), (1, 12), (1, 12)),
    NetworkCase(
        "fully_connected_vector",
        lambda seed: FullyConnected((1, 4, 4), (16, 8), seed=seed, input_shape=(7,)),
        (7,),
        (1, 4, 4),
    ),
    NetworkCase("discriminator", lambda seed: Discriminator(1, 4, 2, hidden=6, seed=seed), (1, 9, 8), ()),
    NetworkCase(
        "discriminator_batch_norm",
        lambda seed: Discriminator(1, 4, 2, hidden=6, seed=seed, norm=BatchNorm()),
        (1, 9, 8),
        (),
        True,
    ),
    NetworkCase(
        "polyphase_unet", lambda seed: PolyphaseUNet(2, 4, 3, seed=seed, out_channels=1), (2, 8, 12), (1, 8, 12)
    ),
    NetworkCase(
        "polyphase_unet_dihedral",
        lambda seed: PolyphaseUNet(1, 2, 2, group=Dihedral(4), seed=seed, norm=LayerNorm()),
        (1, 8, 8),
        (1, 8, 8),
    ),
    NetworkCase(
        "polyphase_unet_batch_norm",
        lambda seed: PolyphaseUNet(1, 2, 2, group=Reflections(), seed=seed, norm=BatchNorm()),
        (1, 8, 8),
        (1, 8, 8),
        True,
    ),
    NetworkCase("group_residual", lambda seed: GroupResidual(1, 2, 2, seed=seed), (1, 7, 7), (1, 7, 7)),
    NetworkCase(
        "group_residual_restricted",
        lambda seed: GroupResidual(2, 2, 2, subgroup=QuarterTurns(), seed=seed, out_channels=1, norm=GroupNorm(2)),
        (2, 6, 6),
        (1, 6, 6),
    ),
    NetworkCase(
        "group_residual_bias_free",
        lambda seed: GroupResidual(1, 2, 1, group=QuarterTurns(), seed=seed, norm=BiasFree(), border=CircularBorder()),
        (1, 6, 7),
        (1, 6, 7),
    ),
    NetworkCase(
        "steerable_residual", lambda seed: SteerableResidual(1, 2, 1, kernel=3, seed=seed), (1, 7, 7), (1, 7, 7)
    ),
    NetworkCase(
        "steerable_residual_norms",
        lambda seed: SteerableResidual(
            1, 2, 1, group=Rotations(5), features=NormFeatures(), seed=seed, norm=RootMeanSquare()
        ),
        (1, 7, 9),
        (1, 7, 9),
    ),
    NetworkCase(
        "steerable_residual_gates",
        lambda seed: SteerableResidual(2, 2, 1, group=Dihedral(6), features=GatedFeatures(), seed=seed, out_channels=1),
        (2, 8, 8),
        (1, 8, 8),
    ),
    NetworkCase("checkpointed", lambda seed: Checkpointed(UNet(1, 4, 2, seed=seed)), (1, 8, 8), (1, 8, 8)),
]
