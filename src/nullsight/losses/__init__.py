"""Losses: what is minimised. They look at an :class:`Evidence` and at nothing else."""
