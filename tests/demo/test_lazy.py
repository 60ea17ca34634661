"""Importing the demo material costs nothing that is heavy."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("timm", "skimage", "sklearn", "torch", "torchvision", "matplotlib")


def imported_by(code):
    listing = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_import_is_light():
    assert not imported_by("import cnnwidgets.demo; cnnwidgets.demo.photos()") & set(HEAVY)


def test_a_photograph_needs_no_torch():
    assert not imported_by("import cnnwidgets.demo; cnnwidgets.demo.photo('camera')") & {"torch", "timm", "skimage"}


def test_names_are_still_functions_after_their_modules_are_in():
    code = "from cnnwidgets import demo; demo.digits(); demo.digits_data()"
    imported_by(code + "; assert callable(demo.digits) and callable(demo.imagenet); demo.digits()")
