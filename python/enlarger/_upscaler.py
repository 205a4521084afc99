"""The package's own interface: functions for one picture, and a class that keeps a model open."""
import ctypes
import dataclasses
import os

import numpy

from . import _library
from ._errors import UsageError


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a picture takes, known before it is enlarged; a cap on memory caps `planned_bytes`, weights to io together."""
    planned_bytes: int
    minimum_bytes: int
    weights_bytes: int
    activation_bytes: int
    scratch_bytes: int
    io_bytes: int
    temporary_bytes: int
    band_rows: int
    strips: int
    passes: int
    expected_seconds: float


def _bytes(size):
    """A number of bytes, or a text such as "256M" (powers of 1024); None: no cap."""
    if size is None:
        return 0
    if not isinstance(size, str):
        return int(size)
    text = size.strip().upper()
    factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
    digits = text[:-1] if factor > 1 else text
    if not digits.isdigit() or int(digits) == 0:
        raise UsageError(f"memory {size!r}: a number of bytes is possible, or one with K, M or G")
    return int(digits) * factor


def _pixels(picture, order):
    """The array as rows of interleaved samples, and their format."""
    array = numpy.asarray(picture)
    if array.dtype.newbyteorder("=") not in (numpy.uint8, numpy.uint16):
        raise UsageError(f"pixels of type {array.dtype}; uint8 and uint16 are possible")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or 0 in array.shape:
        raise UsageError(f"an array of shape {numpy.shape(picture)}; (height, width) and (height, width, 1 to 4 channels) are possible")
    if order not in ("rgb", "bgr"):
        raise UsageError(f"order {order!r}: 'rgb' and 'bgr' are possible")
    height, width, channels = array.shape
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    # Rows may lie anywhere, also upside down; in a row there are no gaps.
    if array.strides[1:] != (channels * array.itemsize, array.itemsize) or abs(array.strides[0]) < width * channels * array.itemsize:
        array = numpy.ascontiguousarray(array)
    name = "grey" if channels < 3 else order
    return array, _library.Format(_library.ORDERS[name], int(channels in (2, 4)), 8 * array.itemsize)


class _Callback:
    """A progress callback for C. What it raises stops the run, and is raised again behind it; so is Ctrl-C."""

    def __init__(self, progress):
        self.error = None

        def report(_, done):
            try:
                if progress is not None:
                    progress(done)
                return 0
            except BaseException as error:
                self.error = error
                return 1

        self.function = _library.Progress(report)

    def check(self, function, *arguments):
        try:
            _library.check(function, *arguments)
        except Exception:
            if self.error is not None:
                raise self.error from None
            raise


class Upscaler:
    """A model that is read once, for any number of pictures.

    model: a shipped or fetched model's name ("lite-x3"; "lite" takes the scale's), or a file (safetensors, ONNX, ncnn's .param,
    TensorFlow's .pb). scale: 2, 3, 4 or 8; several, as [2, 4, 8], for networks with several outputs; None: the model's own.
    memory: a cap on planned bytes, as a number or "256M". threads: None for as many as the process may use.
    chroma: how colour is resized around networks of luma alone, "bicubic" or "bilinear" (OpenCV's). augment: averages the
    network over eight orientations. Used by several threads, calls wait for each other.
    """

    def __init__(
        self, model="lite", scale=None, memory=None, threads=None, device="auto", precision="auto", chroma="bicubic", augment=False, model_folders=()
    ):
        self._handle = None
        scales = [] if scale is None else [int(s) for s in numpy.atleast_1d(scale)]
        self._several = scale is not None and numpy.ndim(scale) > 0
        options = _library.call("options_create")
        try:
            _library.check("options_set_model", options, os.fspath(model).encode())
            _library.check("options_set_scales", options, (ctypes.c_int32 * len(scales))(*scales), len(scales))
            _library.check("options_set_memory", options, _bytes(memory))
            _library.check("options_set_threads", options, threads or 0)
            _library.check("options_set_device", options, device.encode())
            _library.check("options_set_precision", options, precision.encode())
            _library.check("options_set_chroma", options, chroma.encode())
            _library.check("options_set_augmentation", options, int(augment))
            for folder in model_folders:
                _library.check("options_add_model_folder", options, os.fspath(folder).encode())
            handle = ctypes.c_void_p()
            _library.check("open", options, ctypes.byref(handle))
            self._handle = handle.value
        finally:
            _library.call("options_destroy", options)
        self.scales = tuple(_library.call("scale", self._handle, i) for i in range(_library.call("scale_count", self._handle)))
        self.model, self.algorithm, self.device, self.precision = (
            _library.call(name, self._handle).decode() for name in ("model_name", "algorithm", "device", "precision"))

    def close(self):
        """Gives the model back. Using it afterwards raises UsageError."""
        handle, self._handle = self._handle, None
        _library.call("close", handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None) is not None:
            self.close()

    @property
    def notes(self):
        """What the last file, or the model itself, gives to know: a profile that was converted, what was assumed of pixels."""
        return [_library.call("note", self._handle, i).decode() for i in range(_library.call("note_count", self._handle))]

    def cancel(self):
        """Ends the call that runs on another thread; it raises Cancelled."""
        _library.call("cancel", self._handle)

    def plan(self, width, height, channels=3, bits=8):
        """The Plan for a picture of this size. Raises DoesNotFit."""
        if channels not in (1, 2, 3, 4):
            raise UsageError(f"{channels} channels; 1 to 4 are possible")
        info = _library.PlanInfo()
        layout = _library.Format(_library.ORDERS["grey" if channels < 3 else "rgb"], int(channels in (2, 4)), bits)
        _library.check("plan", self._handle, layout, width, height, ctypes.byref(info))
        return Plan(**{field.name: getattr(info, field.name) for field in dataclasses.fields(Plan)})

    def upscale(self, picture, order="rgb", progress=None):
        """Enlarges an array (height, width[, channels]) of uint8 or uint16: grey or colour, with or without alpha.

        order: "rgb" or "bgr". progress: called with the finished part, 0 to 1; what it raises stops the run.
        Returns an array of the same type and channels; a list of them when several scales were asked for.
        """
        array, layout = _pixels(picture, order)
        height, width, channels = array.shape
        results = [numpy.empty((height * s, width * s, channels), array.dtype) for s in self.scales]
        source = _library.Picture(array.ctypes.data, width, height, array.strides[0])
        targets = (_library.Picture * len(results))(*[_library.Picture(r.ctypes.data, r.shape[1], r.shape[0], 0) for r in results])
        callback = _Callback(progress)
        callback.check("upscale_pixels", self._handle, layout, ctypes.byref(source), targets, len(results), callback.function, None)
        if numpy.ndim(picture) == 2:
            results = [r[:, :, 0] for r in results]
        return results if self._several else results[0]

    def upscale_file(self, source, target, progress=None):
        """Enlarges a picture file with its alpha, profile and metadata. target: a path; for several scales as many paths.

        Nothing is left behind when it fails. Returns the width and height of the result, or of each.
        """
        paths = [os.fspath(p).encode() for p in (target if self._several else [target])]
        results = (_library.Result * len(paths))()
        callback = _Callback(progress)
        callback.check(
            "upscale_file", self._handle, os.fspath(source).encode(), (ctypes.c_char_p * len(paths))(*paths), len(paths), callback.function, None, results)
        sizes = [(r.width, r.height) for r in results]
        return sizes if self._several else sizes[0]


def upscale(picture, scale=None, model="lite", memory=None, order="rgb", progress=None, **options):
    """Enlarges one array; see Upscaler for the options, and use it for many pictures."""
    with Upscaler(model=model, scale=scale, memory=memory, **options) as upscaler:
        return upscaler.upscale(picture, order=order, progress=progress)


def upscale_file(source, target, scale=None, model="lite", memory=None, progress=None, **options):
    """Enlarges one picture file; see Upscaler for the options."""
    with Upscaler(model=model, scale=scale, memory=memory, **options) as upscaler:
        return upscaler.upscale_file(source, target, progress=progress)


def plan(width, height, scale=None, model="lite", memory=None, channels=3, bits=8, **options):
    """What a picture of this size takes: a Plan. Raises DoesNotFit, whose needed_bytes would do."""
    with Upscaler(model=model, scale=scale, memory=memory, **options) as upscaler:
        return upscaler.plan(width, height, channels=channels, bits=bits)
