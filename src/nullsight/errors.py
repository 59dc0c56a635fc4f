"""The one error that users see; free of torch, so that the command line can name it at once."""


class InputError(ValueError):
    """What a user handed in does not fit: one sentence with what was expected, what came and what to do."""
