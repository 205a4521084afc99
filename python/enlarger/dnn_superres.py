"""OpenCV's dnn_superres on Enlarger. In a script only the import changes:

    from enlarger import dnn_superres                 # was: from cv2 import dnn_superres
    sr = dnn_superres.DnnSuperResImpl_create()
    sr.readModel("FSRCNN_x3.pb")
    sr.setModel("fsrcnn", 3)
    large = sr.upsample(picture)                      # BGR, uint8

Beyond OpenCV, readModel also takes ONNX, ncnn and Enlarger's own files, and setMemory("256M") caps the memory of a run.
"""
import re
import sys

import numpy

from . import _upscaler
from ._errors import Error

__all__ = ["DnnSuperResImpl", "DnnSuperResImpl_create"]

_ALGORITHMS = ("edsr", "espcn", "fsrcnn", "lapsrn")
# Numbers of cv2.dnn: DNN_TARGET_* and DNN_BACKEND_*. Whatever they name, the result is the processor's; Vulkan asks for a GPU.
_TARGETS, _BACKENDS, _VULKAN = range(11), range(9), 4
# cv2.Error's numbers.
_FAILED, _BAD_ARGUMENT, _NOT_IMPLEMENTED, _ASSERTION, _NO_MEMORY = -2, -5, -213, -215, -4


class error(Error):
    """Stands for cv2.error; where a script has loaded cv2, it is one. `code`, `err` and `msg` are as there."""

    def __init__(self, number, message, function):
        Error.__init__(self, f"Enlarger: error: ({number}) {message} in function '{function}'")
        self.code, self.err, self.func, self.msg = number, message, function, str(self)


def _raise(number, message, function, cause=None):
    kind, cv2 = error, sys.modules.get("cv2")
    if cv2 is not None:
        kind = type("error", (error, cv2.error), {"__module__": __name__})
    raise kind(number, message, function) from cause


class DnnSuperResImpl:
    """Reads a model once and upsamples pictures with it."""

    def __init__(self):
        self._path, self._algorithm, self._scale = None, "", 0
        self._device, self._memory = "auto", None
        self._open = {}

    @staticmethod
    def create():
        return DnnSuperResImpl()

    def readModel(self, path):
        self._open = {}
        self._path = path
        try:
            self._upscaler(None, "readModel")
        except Exception:
            self._path = None
            raise

    def setModel(self, algo, scale):
        self._algorithm, self._scale = str(algo), int(scale)

    def setPreferableBackend(self, backendId):
        self._need_model("setPreferableBackend")
        if backendId not in _BACKENDS:
            _raise(_BAD_ARGUMENT, f"Unknown backend {backendId}", "setPreferableBackend")

    def setPreferableTarget(self, targetId):
        self._need_model("setPreferableTarget")
        if targetId not in _TARGETS:
            _raise(_BAD_ARGUMENT, f"Unknown target {targetId}", "setPreferableTarget")
        self._device = "auto" if targetId == _VULKAN else "cpu"
        self._open = {}

    def setMemory(self, memory):
        """A cap on planned bytes, as a number or "256M"; None: none. Not in OpenCV."""
        self._memory = memory
        self._open = {}

    def getScale(self):
        return self._scale

    def getAlgorithm(self):
        return self._algorithm

    def upsample(self, img, result=None):
        self._need_model("upsample")
        if self._algorithm not in _ALGORITHMS:
            _raise(_NOT_IMPLEMENTED, f"Unknown/unsupported superres algorithm: {self._algorithm}", "upsample")
        made = self._run([self._scale], img, "upsample")[0]
        if isinstance(result, numpy.ndarray) and result.shape == made.shape and result.dtype == made.dtype:
            result[...] = made
            return result
        return made

    def upsampleMultioutput(self, img, imgs_new, scale_factors, node_names):
        """Appends a picture to `imgs_new` for each of `scale_factors`, all of one pass."""
        self._need_model("upsampleMultioutput")
        factors, names = [int(s) for s in scale_factors], list(node_names)
        if not factors or len(factors) != len(names):
            _raise(_ASSERTION, "scale_factors.size() == node_names.size()", "upsampleMultioutput")
        if self._algorithm != "lapsrn":
            _raise(_FAILED, "Only LapSRN support multiscale upsampling for now.", "upsampleMultioutput")
        for factor, name in zip(factors, names):
            number = re.search(r"(\d+)x$", name)
            if number and int(number.group(1)) != factor:
                _raise(-204, f"{name} does not enlarge {factor} times", "upsampleMultioutput")
        imgs_new.extend(self._run(factors, img, "upsampleMultioutput"))

    def _need_model(self, function):
        if self._path is None:
            _raise(_FAILED, "Model not specified. Please set model via setModel().", function)

    def _upscaler(self, scales, function):
        key = None if scales is None else tuple(scales)
        if key not in self._open:
            try:
                # fp32 and bilinear chroma: OpenCV's arithmetic.
                self._open[key] = _upscaler.Upscaler(
                    model=self._path, scale=scales, memory=self._memory, device=self._device, precision="fp32", chroma="bilinear")
            except Error as problem:
                _raise(_FAILED, str(problem), function, problem)
        return self._open[key]

    def _run(self, scales, img, function):
        if not isinstance(img, numpy.ndarray):
            _raise(_BAD_ARGUMENT, "img is not a numpy array", function)
        if img.size == 0:
            _raise(_ASSERTION, "!img.empty()", function)
        is_float = img.dtype == numpy.float32
        if not (img.dtype == numpy.uint8 or is_float) or img.ndim not in (2, 3) or (img.ndim == 3 and img.shape[2] not in (1, 3)):
            _raise(_BAD_ARGUMENT, f"Not supported image type: {img.dtype} of shape {img.shape}", function)
        # Floating-point pixels of 0...255 go through as 16 bits; the result has 8, as OpenCV's.
        pixels = numpy.rint(numpy.clip(numpy.nan_to_num(img), 0, 255) * 257).astype(numpy.uint16) if is_float else img
        try:
            made = self._upscaler(scales, function).upscale(pixels, order="bgr")
        except error:
            raise
        except Error as problem:
            _raise(_NO_MEMORY if problem.code == "does_not_fit" else _FAILED, str(problem), function, problem)
        if is_float:
            made = [numpy.rint(m / numpy.float32(257)).astype(numpy.uint8) for m in made]
        return [m[:, :, 0] if m.ndim == 3 and m.shape[2] == 1 else m for m in made]


def DnnSuperResImpl_create():
    return DnnSuperResImpl()
