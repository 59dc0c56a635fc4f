"""nullsight: learn to reconstruct images from measurements alone."""
