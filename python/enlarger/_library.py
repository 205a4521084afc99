"""libenlarger's functions through ctypes; enlarger.h describes them."""
import ctypes
import os
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_void_p

from . import _errors


class Format(Structure):
    _fields_ = [("order", c_int32), ("alpha", c_int32), ("bits", c_int32)]


class Picture(Structure):
    _fields_ = [("pixels", c_void_p), ("width", c_int32), ("height", c_int32), ("row_bytes", c_int64)]


class PlanInfo(Structure):
    _fields_ = [(name, c_int64) for name in ("planned_bytes", "minimum_bytes", "weights_bytes", "activation_bytes", "scratch_bytes", "io_bytes", "temporary_bytes")] + [
        ("band_rows", c_int32), ("strips", c_int32), ("passes", c_int32), ("expected_seconds", c_double)]


class Result(Structure):
    _fields_ = [("width", c_int32), ("height", c_int32), ("seconds", c_double), ("planned_bytes", c_int64), ("codec_bytes", c_int64)]


Progress = CFUNCTYPE(c_int32, c_void_p, c_double)
ORDERS = {"grey": 1, "rgb": 2, "bgr": 3}

_STATUS, _TEXT, _HANDLE = c_int32, c_char_p, c_void_p
_FUNCTIONS = {
    "version": (_TEXT,), "status_name": (_TEXT, _STATUS), "message": (_TEXT,), "needed_bytes": (c_int64,),
    "options_create": (_HANDLE,), "options_destroy": (None, _HANDLE), "options_set_model": (_STATUS, _HANDLE, _TEXT),
    "options_set_scales": (_STATUS, _HANDLE, POINTER(c_int32), c_int32), "options_set_memory": (_STATUS, _HANDLE, c_int64),
    "options_set_threads": (_STATUS, _HANDLE, c_int32), "options_set_device": (_STATUS, _HANDLE, _TEXT),
    "options_set_precision": (_STATUS, _HANDLE, _TEXT), "options_set_chroma": (_STATUS, _HANDLE, _TEXT),
    "options_set_augmentation": (_STATUS, _HANDLE, c_int32), "options_add_model_folder": (_STATUS, _HANDLE, _TEXT),
    "options_set_format": (_STATUS, _HANDLE, _TEXT), "open": (_STATUS, _HANDLE, POINTER(_HANDLE)), "close": (None, _HANDLE),
    "scale_count": (c_int32, _HANDLE), "scale": (c_int32, _HANDLE, c_int32), "model_name": (_TEXT, _HANDLE), "algorithm": (_TEXT, _HANDLE),
    "device": (_TEXT, _HANDLE), "precision": (_TEXT, _HANDLE), "note_count": (c_int32, _HANDLE), "note": (_TEXT, _HANDLE, c_int32),
    "plan": (_STATUS, _HANDLE, Format, c_int32, c_int32, POINTER(PlanInfo)), "cancel": (None, _HANDLE),
    "upscale_file": (_STATUS, _HANDLE, _TEXT, POINTER(_TEXT), c_int32, Progress, c_void_p, POINTER(Result)),
    "upscale_pixels": (_STATUS, _HANDLE, Format, POINTER(Picture), POINTER(Picture), c_int32, Progress, c_void_p),
}


def _load():
    """The library that ENLARGER_LIBRARY names, else the wheel's own, else the system's."""
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libenlarger.so")
    name = os.environ.get("ENLARGER_LIBRARY") or (own if os.path.exists(own) else "libenlarger.so.0")
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise ImportError(
            f"libenlarger cannot be loaded: {error}. It needs the system's libvips, GLib and libcurl (Debian, Ubuntu: apt install libvips42 "
            "libcurl4), and libenlarger.so itself from the wheel, from `make install`, or where ENLARGER_LIBRARY says."
        ) from error
    for function, (result, *arguments) in _FUNCTIONS.items():
        entry = getattr(library, "enlarger_" + function)
        entry.restype, entry.argtypes = result, arguments
    return library


_library = _load()


def call(function, *arguments):
    return getattr(_library, "enlarger_" + function)(*arguments)


def check(function, *arguments):
    """Calls a function that can fail, and raises what it failed with."""
    status = call(function, *arguments)
    if status != 0:
        code = (call("status_name", status) or b"unknown").decode()
        needed = call("needed_bytes") if code == "does_not_fit" else 0
        raise _errors.make(code, call("message").decode(errors="replace"), needed)


version = call("version").decode()
