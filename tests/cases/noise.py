"""Noise models at levels that show."""

from nullsight.noise import Gaussian, Noise, Noiseless, Poisson, PoissonGaussian, UnknownNoise

NOISE: list[Noise] = [
    Noiseless(),
    Gaussian(0.3),
    Poisson(0.2),
    PoissonGaussian(0.2, 0.3),
    UnknownNoise(0.3, 0.2),
    UnknownNoise(0.3),
    UnknownNoise(first_gain=0.2),
]
