"""What a call may raise."""


class Error(Exception):
    """`code` is stable ("model_not_found", "picture_invalid", ...); the text is a sentence with the numbers in it."""

    def __init__(self, message, code="usage", needed_bytes=0):
        super().__init__(message)
        self.code = code
        self.needed_bytes = needed_bytes


class UsageError(Error, ValueError):
    """Wrong arguments, or a scale that the model does not have."""


class DoesNotFit(Error, MemoryError):
    """`needed_bytes` would do."""


class Cancelled(Error):
    """By `Upscaler.cancel`."""


def make(code, message, needed_bytes):
    kind = {"usage": UsageError, "does_not_fit": DoesNotFit, "cancelled": Cancelled}.get(code, Error)
    return kind(message, code, needed_bytes)
