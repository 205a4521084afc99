"""Enlarges pictures x2, x3, x4 and x8 with super-resolution networks, in memory that is known before the run.

    import enlarger
    large = enlarger.upscale(picture, scale=3, memory="256M")      # NumPy arrays, or a file's path

`enlarger.dnn_superres` has the interface of OpenCV's module of that name.
"""
from ._errors import Cancelled, DoesNotFit, Error, UsageError
from ._library import version as _version
from ._upscaler import Plan, Upscaler, plan, upscale, upscale_file

__all__ = ["Cancelled", "DoesNotFit", "Error", "Plan", "Upscaler", "UsageError", "plan", "upscale", "upscale_file"]
__version__ = _version
