"""Puts libenlarger.so and the shipped models into the wheel, which then fits one platform and every Python 3."""
import glob
import os
import re
import shutil
import subprocess

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py
from setuptools.dist import Distribution

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARY = os.environ.get("ENLARGER_LIBRARY", os.path.join(ROOT, ".build", "release", "libenlarger.so"))


def version():
    with open(os.path.join(ROOT, "Sources", "Enlarger", "Version.swift")) as file:
        return re.search(r'enlargerVersion = "(.*)"', file.read()).group(1)


class Build(build_py):
    def run(self):
        super().run()
        if not os.path.exists(LIBRARY):
            raise SystemExit(f"{LIBRARY} is not there; `make library` builds it, ENLARGER_LIBRARY may name another")
        target = os.path.join(self.build_lib, "enlarger")
        os.makedirs(os.path.join(target, "models"), exist_ok=True)
        library = shutil.copy(LIBRARY, os.path.join(target, "libenlarger.so"))
        subprocess.check_call(["strip", "--strip-unneeded", library])
        for model in glob.glob(os.path.join(ROOT, "models", "*.safetensors")):
            shutil.copy(model, os.path.join(target, "models"))


class Platform(Distribution):
    def has_ext_modules(self):
        return True


class Wheel(bdist_wheel):
    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


setup(version=version(), distclass=Platform, cmdclass={"build_py": Build, "bdist_wheel": Wheel})
