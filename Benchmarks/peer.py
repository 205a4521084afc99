"""Times one engine on one network, in a process of its own; started by compare.py. Prints one JSON object.

    peer.py ENGINE MODEL WIDTH HEIGHT PASSES THREADS

MODEL is a path without its ending. One pass before the timed ones is not counted.
"""
import json
import sys
import time

import numpy as np


def peak():
    """Peak resident memory of this process in MiB (getrusage would carry the parent's over)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def opencv(model, x, threads):
    import cv2
    cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(model + ".onnx")

    def run():
        net.setInput(x)
        return net.forward()
    return run


def onnxruntime(model, x, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model + ".onnx", options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]


def openvino(model, x, threads, precision):
    import openvino
    core = openvino.Core()
    network = core.read_model(model + ".onnx")
    network.reshape(list(x.shape))
    compiled = core.compile_model(network, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()
    return lambda: request.infer({0: x})[0]


def ncnn(model, x, threads, bf16):
    import ncnn
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = bf16
    net.load_param(model + ".param")
    net.load_model(model + ".bin")

    def run():
        extractor = net.create_extractor()
        extractor.input("x", ncnn.Mat(x[0]))
        return np.array(extractor.extract("y")[1])
    return run


def superres(model, x, threads):
    """OpenCV's dnn_superres: the luma through the network, the colours through a resize, 8-bit picture in and out."""
    import os

    import cv2
    cv2.setNumThreads(threads)
    network = cv2.dnn_superres.DnnSuperResImpl_create()
    network.readModel(model + ".pb")
    name, scale = os.path.basename(model).lower().rsplit("_x", 1)
    network.setModel(name.split("-")[0], int(scale))
    picture = np.random.default_rng(7).integers(0, 256, (x.shape[2], x.shape[3], 3), np.uint8)
    return lambda: network.upsample(picture)


def superres_net(model, x, threads):
    """The same network without colours: float luma in, float planes out."""
    import cv2
    cv2.setNumThreads(threads)
    cv2.dnn_superres.DnnSuperResImpl_create()  # registers the DepthToSpace that these files need
    net = cv2.dnn.readNetFromTensorflow(model + ".pb")
    names = net.getUnconnectedOutLayersNames()
    luma = np.ascontiguousarray(x[:, :1]) / 255

    def run():
        net.setInput(luma)
        return net.forward(names)
    return run


ENGINES = {
    "OpenCV": opencv,
    "ONNX Runtime": onnxruntime,
    "OpenVINO fp32": lambda *a: openvino(*a, "f32"),
    "OpenVINO bf16": lambda *a: openvino(*a, "bf16"),
    "ncnn fp32": lambda *a: ncnn(*a, False),
    "ncnn bf16": lambda *a: ncnn(*a, True),
    "OpenCV upsample": superres,
    "OpenCV network": superres_net,
}


def main():
    engine, model = sys.argv[1:3]
    width, height, passes, threads = map(int, sys.argv[3:])
    x = np.random.default_rng(7).random((1, 3, height, width), dtype=np.float32) * 255
    run = ENGINES[engine](model, x, threads)
    run()
    times = []
    for _ in range(passes):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": times, "peak_mib": peak()}))


if __name__ == "__main__":
    main()
