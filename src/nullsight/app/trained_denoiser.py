"""A denoiser that was trained before, as a prior: plug and play from a run folder."""

from pathlib import Path

from torch import Tensor, nn

from nullsight.app.runs import load, rebuild
from nullsight.assemble import place
from nullsight.draws import Stream
from nullsight.reconstructors import Direct, Prior
from nullsight.types import Image, InputError


class TrainedDenoiser(nn.Module, Prior):
    """The network of a run that learned to take noise off images, in the place of a proximal map, whatever its step.

    Grey networks denoise each channel alone. Its name in a recipe is
    ``"nullsight.app.trained_denoiser:TrainedDenoiser"``; :class:`~nullsight.reconstructors.Turned` and
    :class:`~nullsight.reconstructors.Averaged` make it commute with a group. It has no weights to be trained: those are
    in the run, which is opened when it is first used. Zhang et al., "Learning deep CNN denoiser prior for image
    restoration", CVPR 2017.

    Args:
        run: the folder of a run whose reconstructor is :class:`~nullsight.reconstructors.Direct`, relative to where the
            command runs, as those that ``nullsight table`` writes.

    Raises:
        InputError: when it is used, no run there, or one of another reconstructor.

    Example:
        >>> TrainedDenoiser("runs/denoiser").run
        'runs/denoiser'
    """

    def __init__(self, run: str) -> None:
        super().__init__()
        self.run = run
        self._opened: list[Direct] = []  # a list, so that its weights are not those of this module

    @property
    def learned_from_truth(self) -> bool:
        """Whether clean images entered the training of the denoiser."""
        experiment, _, _ = rebuild(place(self.run, Path()))
        return bool(experiment.loss.needs_truth)

    def prox(self, x: Image, step: Tensor, stream: Stream) -> Image:
        """Return the denoised image, in which a bright pixel is near 1."""
        f = self._denoiser().to(x.device, x.dtype)
        single = x.reshape(-1, 1, *x.shape[2:])
        out: Image = f.network(single / f.scale) * f.scale
        return out.reshape(x.shape)

    def _denoiser(self) -> Direct:
        if not self._opened:
            folder = place(self.run, Path())
            if not folder.is_dir():
                raise InputError(
                    f"expected the run of a denoiser in {folder}, but nothing is there: train it first, or leave this "
                    f"row out with --only"
                )
            found = load(folder).reconstructor
            if not isinstance(found, Direct):
                raise InputError(
                    f"expected a run in {folder} that denoises by Direct(network), but its reconstructor is "
                    f"{type(found).__name__}: name another run"
                )
            self._opened.append(found.requires_grad_(False))
        return self._opened[0]
