"""Why a remedy cannot be applied."""


class Refused(Exception):
    """A remedy cannot be applied here; the message is why, a sentence."""
