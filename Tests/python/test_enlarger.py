"""The Python package's own interface, and its errors. Needs the wheel installed; cv2 is not needed."""
import os
import subprocess
import sys
import tempfile
import threading
import unittest

import numpy as np

import enlarger
from enlarger import dnn_superres

SCENE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "Examples", "scene.png")


def picture(height, width, channels=3, dtype=np.uint8):
    rng = np.random.default_rng(height * width)
    array = rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype=dtype)
    if channels in (2, 4):
        array[..., -1] = np.iinfo(dtype).max
    return array


class ArrayTests(unittest.TestCase):
    def test_shapes_and_types_are_kept(self):
        with enlarger.Upscaler(scale=2) as upscaler:
            for dtype in (np.uint8, np.uint16):
                for channels in (1, 2, 3, 4):
                    result = upscaler.upscale(picture(19, 23, channels, dtype))
                    self.assertEqual((result.shape, result.dtype), ((38, 46, channels), dtype))
            self.assertEqual(upscaler.upscale(picture(19, 23)[..., 0]).shape, (38, 46))

    def test_the_order_of_colours(self):
        a = picture(20, 30)
        with enlarger.Upscaler(scale=3) as upscaler:
            straight, swapped = upscaler.upscale(a), upscaler.upscale(a[..., ::-1], order="bgr")
        np.testing.assert_array_equal(straight, swapped[..., ::-1])

    def test_arrays_may_lie_anyhow(self):
        whole = picture(64, 80)
        views = [whole[10:40, 5:45], whole[::-1], whole[:, ::-1], whole[::2, ::3], whole.transpose(1, 0, 2), np.asfortranarray(whole)]
        with enlarger.Upscaler(scale=2, threads=1) as upscaler:
            for view in views:
                np.testing.assert_array_equal(upscaler.upscale(view), upscaler.upscale(np.ascontiguousarray(view)))
            wide = picture(20, 30, dtype=np.uint16)
            np.testing.assert_array_equal(upscaler.upscale(wide.astype(">u2")), upscaler.upscale(wide))

    def test_the_input_is_not_changed(self):
        a = picture(20, 30)
        a.setflags(write=False)
        before = a.copy()
        enlarger.upscale(a, scale=2, order="bgr")
        np.testing.assert_array_equal(a, before)

    def test_the_budget_does_not_change_the_result(self):
        a = picture(90, 120)
        least = enlarger.plan(120, 90, scale=2).minimum_bytes
        np.testing.assert_array_equal(enlarger.upscale(a, scale=2), enlarger.upscale(a, scale=2, memory=least, threads=1))

    def test_wrong_arrays_are_refused(self):
        with enlarger.Upscaler(scale=2) as upscaler:
            for wrong in (np.zeros((4, 4), np.float32), np.zeros(4, np.uint8), np.zeros((4, 4, 5), np.uint8), np.zeros((0, 4, 3), np.uint8), "x", None):
                with self.assertRaises(enlarger.UsageError):
                    upscaler.upscale(wrong)
            with self.assertRaises(ValueError):
                upscaler.upscale(picture(4, 4), order="hsv")


class RunTests(unittest.TestCase):
    def test_plans(self):
        plan = enlarger.plan(640, 480, scale=3, memory="64M")
        self.assertEqual(plan.planned_bytes, plan.weights_bytes + plan.activation_bytes + plan.scratch_bytes + plan.io_bytes)
        with self.assertRaises(enlarger.DoesNotFit) as caught:
            enlarger.plan(640, 480, scale=3, memory="100K")
        self.assertGreater(caught.exception.needed_bytes, 100 << 10)
        self.assertIsInstance(caught.exception, MemoryError)

    def test_progress_and_what_it_raises(self):
        seen = []
        with enlarger.Upscaler(scale=2) as upscaler:
            upscaler.upscale(picture(200, 60), progress=seen.append)
            self.assertEqual((seen, seen[-1]), (sorted(seen), 1.0))

            def stop(done):
                raise KeyError("enough")

            with self.assertRaisesRegex(KeyError, "enough"):
                upscaler.upscale(picture(200, 60), progress=stop)
            self.assertEqual(upscaler.upscale(picture(8, 8)).shape, (16, 16, 3))

    def test_cancelling_from_another_thread(self):
        with enlarger.Upscaler(scale=2, threads=1) as upscaler:
            started = threading.Event()
            timer = threading.Thread(target=lambda: (started.wait(), upscaler.cancel()))
            timer.start()
            with self.assertRaises(enlarger.Cancelled):
                # Cancelled long before its end: every band tells of itself.
                upscaler.upscale(picture(4000, 300), progress=lambda _: (started.set(), timer.join()))

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            target = os.path.join(folder, "out.png")
            self.assertEqual(enlarger.upscale_file(SCENE, target, scale=3), (1440, 1080))
            with self.assertRaises(enlarger.Error) as caught:
                enlarger.upscale_file(os.path.join(folder, "none.png"), os.path.join(folder, "x.png"))
            self.assertEqual((caught.exception.code, os.listdir(folder)), ("picture_not_found", ["out.png"]))

    def test_options_that_are_none(self):
        for options in (dict(scale=7), dict(scale=[2, 2]), dict(memory="12Q"), dict(memory=-1), dict(threads=1000), dict(device="oven"),
                        dict(precision="fp8"), dict(chroma="cubic")):
            with self.assertRaises(enlarger.Error, msg=options):
                enlarger.Upscaler(**options)
        with self.assertRaises(enlarger.Error) as caught:
            enlarger.Upscaler(model="no-such-model")
        self.assertEqual(caught.exception.code, "model_not_found")

    def test_a_closed_upscaler_says_so(self):
        upscaler = enlarger.Upscaler(scale=2)
        upscaler.close()
        upscaler.close()
        with self.assertRaises(enlarger.UsageError):
            upscaler.upscale(picture(8, 8))

    def test_threads_share_an_upscaler(self):
        a, results = picture(40, 50), []
        with enlarger.Upscaler(scale=2) as upscaler:
            threads = [threading.Thread(target=lambda: results.append(upscaler.upscale(a))) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(len(results), 4)
        for result in results[1:]:
            np.testing.assert_array_equal(results[0], result)


class InterfaceTests(unittest.TestCase):
    """OpenCV's interface where it fails; compare_with_opencv.py has what it makes."""

    def raises(self, number, text, call):
        with self.assertRaises(dnn_superres.error) as caught:
            call()
        self.assertEqual(caught.exception.code, number)
        self.assertIn(text, str(caught.exception))

    def test_calls_without_a_model(self):
        sr = dnn_superres.DnnSuperResImpl_create()
        self.assertEqual((sr.getScale(), sr.getAlgorithm()), (0, ""))
        self.raises(-2, "Model not specified", lambda: sr.upsample(picture(8, 8)))
        self.raises(-2, "Model not specified", lambda: sr.setPreferableTarget(0))
        self.raises(-2, "nope.pb", lambda: sr.readModel("/nope.pb"))
        self.raises(-2, "Model not specified", lambda: sr.upsample(picture(8, 8)))

    def test_wrong_models_scales_and_pictures(self):
        sr = dnn_superres.DnnSuperResImpl.create()
        sr.readModel("lite-x3")
        self.raises(-213, "Unknown/unsupported superres algorithm", lambda: sr.upsample(picture(8, 8)))
        sr.setModel("edsr", 2)
        self.raises(-2, "not x2", lambda: sr.upsample(picture(8, 8)))
        sr.setModel("edsr", 3)
        self.assertEqual(sr.upsample(picture(8, 8)).shape, (24, 24, 3))
        self.raises(-5, "image type", lambda: sr.upsample(picture(8, 8, 4)))
        self.raises(-5, "image type", lambda: sr.upsample(picture(8, 8, dtype=np.uint16)))
        self.raises(-215, "empty", lambda: sr.upsample(np.zeros((0, 8, 3), np.uint8)))
        self.raises(-5, "numpy", lambda: sr.upsample(None))
        self.raises(-5, "99", lambda: sr.setPreferableTarget(99))
        self.raises(-5, "-1", lambda: sr.setPreferableBackend(-1))
        self.raises(-2, "LapSRN", lambda: sr.upsampleMultioutput(picture(8, 8), [], [3], ["NCHW_output"]))
        self.raises(-215, "size", lambda: sr.upsampleMultioutput(picture(8, 8), [], [2, 4], ["NCHW_output_2x"]))
        sr.setMemory(1000)
        self.raises(-4, "bytes", lambda: sr.upsample(picture(8, 8)))
        sr.setMemory(None)
        result = np.zeros((24, 24, 3), np.uint8)
        self.assertIs(sr.upsample(picture(8, 8), result), result)
        self.assertTrue(result.any())

    def test_floating_point_pixels(self):
        sr = dnn_superres.DnnSuperResImpl_create()
        sr.readModel("lite-x3")
        sr.setModel("edsr", 3)
        a = picture(20, 30)
        whole, floats = sr.upsample(a), sr.upsample(a.astype(np.float32))
        self.assertEqual(floats.dtype, np.uint8)
        self.assertLessEqual(np.abs(whole.astype(int) - floats).max(), 1)


class LoadingTests(unittest.TestCase):
    def test_a_library_that_is_missing_is_named(self):
        environment = {**os.environ, "ENLARGER_LIBRARY": "/nonexistent/libenlarger.so"}
        run = subprocess.run([sys.executable, "-c", "import enlarger"], env=environment, capture_output=True, text=True)
        self.assertIn("ImportError", run.stderr)
        for word in ("/nonexistent/libenlarger.so", "libvips42", "make install"):
            self.assertIn(word, run.stderr)

    def test_interrupts_end_a_run(self):
        script = (
            "import enlarger, numpy, os, signal\n"
            "try:\n"
            "    enlarger.upscale(numpy.zeros((4000, 300, 3), numpy.uint8), scale=2, threads=1,\n"
            "                     progress=lambda done: os.kill(os.getpid(), signal.SIGINT))\n"
            "except KeyboardInterrupt:\n"
            "    print('interrupted')\n")
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        self.assertEqual(run.stdout, "interrupted\n", run.stderr)


if __name__ == "__main__":
    unittest.main()
