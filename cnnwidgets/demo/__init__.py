"""Material to look at without a network connection: photographs, an ImageNet CNN, a CNN for digits.

Nothing is imported before it is asked for: `import cnnwidgets.demo` costs neither torch nor timm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnwidgets.demo.photographs import photo, photos

if TYPE_CHECKING:
    from cnnwidgets.classifier import Classifier
    from cnnwidgets.demo.digit_data import DigitsData
    from cnnwidgets.demo.pictures import DemoPictures

__all__ = ["crops", "digits", "digits_data", "imagenet", "photo", "photos"]


def imagenet() -> Classifier:
    """Return a real ImageNet classifier: EfficientNet-Lite0, 1000 classes, 4.7 million weights.

    It takes pictures of any size (shorter side to 256, centre 224 x 224) and names Chelsea a cat. Each call
    gives a new model in evaluation mode; the weights are read from the disk once.

    Raises `MissingDataError` where the packages of `pip install "cnnwidgets[demo]"` are missing.
    """
    from cnnwidgets.demo import efficientnet

    return efficientnet.classifier()


def digits() -> Classifier:
    """Return a small VGG-style CNN for handwritten digits, classes "0" to "9".

    It takes pictures of any size, bright strokes on a dark ground. It has fully connected layers after its
    convolutions, as VGG has, so class activation maps need `gap_classifier` first. Each call gives a new
    model in evaluation mode. How it was trained: `python -m cnnwidgets.demo.train_digits`.
    """
    from cnnwidgets.demo import digit_net

    return digit_net.classifier()


def digits_data() -> DigitsData:
    """Return scikit-learn's 1,797 handwritten digits and the split used to train and judge `digits()`."""
    from cnnwidgets.demo import digit_data

    return digit_data.load()


def crops() -> DemoPictures:
    """Return some 500 square crops of the photographs at five scales, a data set to index: class = photograph.

    `crops()[12]` is (a PIL picture of 256 x 256 pixels, the number of its class); `.classes` and `.names` name them.
    They are cut out when they are asked for, which raises `MissingDataError` where scikit-image is not installed.
    """
    from cnnwidgets.demo import pictures

    return pictures.Crops()
