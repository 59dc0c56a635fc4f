"""What estimates of risk share: the noise, its level where that is unknown, derivatives over the measured entries."""

from abc import abstractmethod
from functools import partial

import torch
from torch import Tensor

from nullsight.losses.base import Evidence, Loss, Player
from nullsight.losses.divergence import Divergence
from nullsight.losses.errors import Scaling, mean_over
from nullsight.noise import Noise, UnknownNoise
from nullsight.types import Measurement, Scalar


class RiskEstimate(Loss):
    """An estimate of the error against the clean measurement, from the noisy one alone.

    A subclass says by :meth:`_weighed` in which norm: ``Q r`` for residuals r of the evidence's measurement.
    """

    def __init__(self, noise: Noise, divergence: Divergence, scaling: Scaling) -> None:
        super().__init__()
        self.noise, self.divergence, self.scaling = noise, divergence, scaling

    @abstractmethod
    def _weighed(self, evidence: Evidence, r: Measurement) -> Measurement: ...

    @property
    def detail(self) -> str:
        """The noise's name."""
        return type(self.noise).__name__

    @property
    def chooses(self) -> bool:  # type: ignore[override]
        """Whether its values can be compared over time: not while the level itself moves."""
        return not isinstance(self.noise, UnknownNoise)

    @property
    def learned(self) -> dict[str, float]:
        """The level of the moment, where it is unknown, in the measurement's unit."""
        if not isinstance(self.noise, UnknownNoise):
            return {}
        with torch.no_grad():
            return {name: float(value) for name, value in self.noise.levels()._asdict().items() if float(value)}

    def error(self, evidence: Evidence, clean: Measurement) -> Scalar:
        """Return what is estimated, ``(A f(y) - clean)^T Q (A f(y) - clean)``, where the clean measurement is known."""
        r = evidence.measured_again - clean
        return self._mean(r * self._weighed(evidence, r), evidence)

    def objective(self, evidence: Evidence) -> Scalar:
        """Return what an unknown level minimises: minus twice the sum of variances times derivatives, f fixed."""
        return -2 * self._mean(self.noise.variance_from(evidence.y) * self._diagonal(evidence).detach(), evidence)

    def players(self) -> tuple[Player, ...]:
        """Return the noise where its level is unknown."""
        if not isinstance(self.noise, UnknownNoise):
            return ()
        return (Player(self.noise, self.objective, self.noise.learning_rate),)

    def _diagonal(self, evidence: Evidence) -> Tensor:
        """Return estimates of the derivatives of ``(Q h)_i`` by ``y_i``, Q fixed, whose sum has the right mean."""

        def estimate() -> Tensor:
            stream, again = evidence.draws.of("sure probes"), partial(self._weighed_again, evidence)
            at = self._weighed(evidence, evidence.measured_again)
            return self.divergence.diagonal(again, evidence.y, at, self._counted(evidence), stream)

        return evidence.once(("diagonal", id(self)), estimate)

    def _weighed_again(self, evidence: Evidence, y: Measurement) -> Measurement:
        """Return ``Q A f(y)`` for another y, Q that of the evidence."""
        # with the same draws, so that what is random in f stays as it was; evidence.start belongs to evidence.y alone
        again = evidence.physics.A(evidence.reconstruct(y, evidence.physics, draws=evidence.draws))
        return self._weighed(evidence, again)

    def _counted(self, evidence: Evidence) -> Tensor:
        counted = self.scaling.counted(evidence)
        whole = torch.ones_like(evidence.y, dtype=torch.bool)
        return whole if counted is None else counted & whole

    def _mean(self, values: Tensor, evidence: Evidence) -> Scalar:
        return mean_over(values, self.scaling.counted(evidence)) / self.scaling.measurement_unit(evidence) ** 2
