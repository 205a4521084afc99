"""An ordinary script for OpenCV's dnn_superres. compare_with_opencv.py runs it as it is, and with its first import line changed."""
from cv2 import dnn_superres
import cv2
import sys


def main(model, algorithm, scale, pairs):
    sr = dnn_superres.DnnSuperResImpl_create()
    sr.readModel(model)
    sr.setModel(algorithm, scale)
    sr.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    sr.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    assert (sr.getAlgorithm(), sr.getScale()) == (algorithm, scale)
    for source, target in pairs:
        result = sr.upsample(cv2.imread(source))
        cv2.imwrite(target, result)
    if scale > 2 and algorithm == "lapsrn":
        factors = [2 ** i for i in range(1, scale.bit_length())]
        images = []
        sr.upsampleMultioutput(cv2.imread(pairs[0][0]), images, factors, [f"NCHW_output_{f}x" for f in factors])
        for factor, image in zip(factors, images):
            cv2.imwrite(pairs[0][1] + f".{factor}.png", image)


if __name__ == "__main__":
    words = sys.argv[4:]
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), list(zip(words[::2], words[1::2])))
