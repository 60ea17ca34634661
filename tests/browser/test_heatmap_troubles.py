"""HeatmapView where something goes wrong or takes long: said in words, and the next choice works."""

from __future__ import annotations

from tests.browser.heatmap import LOAD, VIEW
from tests.browser.notebook import busy_cell


def test_cancel_and_go_on(opened):
    view = opened(VIEW.replace("samples=8", "samples=5000"))
    view.method("SmoothGrad").click()
    cancel = view.root.get_by_role("button", name="Cancel")
    cancel.wait_for()
    view.wait_status("of 5,000 samples")
    cancel.click()
    view.wait_status("Cancelled")
    view.wait_python("view._status['state'] == 'cancelled'", timeout=5)
    view.root.get_by_role("button", name="Compute").click()
    view.wait_status("of 5,000 samples")
    before = view.sample()
    view.method("CAM").click()  # a newer choice replaces the older one
    view.wait_map("cam", timeout=5)
    view.wait_changed(before, "the map of the newer choice")
    view.wait_idle(30)  # the map is there; measuring where its cells lie takes a while, once
    assert cancel.is_hidden()


def test_error_in_words(opened):
    broken = """
import torch
from torch import nn
STATE = {"fails": False}  # no attribute, whose change would be the model's
class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = clf.model
    def forward(self, x):
        if STATE["fails"] and torch.is_grad_enabled():
            raise ValueError("the third valve is stuck")
        return self.body(x)
model = Broken().eval()
view = cw.HeatmapView(cw.Classifier(model, clf.preprocess, clf.classes), img)"""
    view = opened(LOAD + broken)
    view.wait_idle(30)
    view.nb.execute("STATE['fails'] = True")
    view.method("Saliency").click()
    view.wait_status("the third valve is stuck")
    view.root.get_by_role("button", name="Retry").wait_for()
    before = view.sample()
    view.method("Grad-CAM").click()  # known already: the next choice works
    view.wait_changed(before, "the picture with its map")
    view.nb.execute("STATE['fails'] = False")
    view.method("Saliency").click()
    view.wait_map("saliency")
    view.wait_like_python()


def test_cam_says_what_stands_in_its_way(opened):
    view = opened(
        "import cnnwidgets as cw\ndata = cw.demo.digits_data()\n"
        "view = cw.HeatmapView(cw.demo.digits(), data.images[data.test[26]])"
    )
    view.method("CAM").click(force=True)  # marked as disabled, but it answers
    view.wait_status("relu() in 'classifier.2' stands between the feature map and the scores")
    assert view.python("method") == "grad_cam"
    view.method("Saliency").click()
    view.wait_map("saliency")
    view.wait_painted()


def test_busy_kernel(in_lab):
    view = in_lab(VIEW, "view", busy_cell("view", "opacity"))
    view.wait_idle()
    with view.nb.busy_kernel(2):
        view.method("Saliency").click()
        view.wait_status("Waiting for the kernel…", timeout=3)
        view.method("Grad-CAM").click()  # known already
        view.root.locator(".cnnw-legend:not([data-empty])").wait_for()
        before = view.sample()
        view.slide("Opacity", 5)
        view.wait_changed(before, "another opacity while the kernel is busy", timeout=1)
    view.wait_python("view.opacity == 0.05 and view.method == 'grad_cam'")
    view.wait_like_python()


def test_dead_kernel(in_lab):
    view = in_lab()
    view.method("CAM").click()
    view.wait_map("cam")
    view.method("Grad-CAM").click()
    view.wait_idle()
    view.nb.close()  # shuts the kernel down; the page stays
    view.method("CAM").click()  # its map is here already
    view.root.locator(".cnnw-words", has_text="CAM, Zhou").wait_for()
    before = view.sample()
    view.slide("Opacity", 5)
    view.wait_changed(before, "another opacity without a kernel", timeout=1)
    view.method("SmoothGrad").click()
    view.wait_status("The kernel does not answer: it is busy or stopped.", timeout=15)
    before = view.sample()
    view.method("Grad-CAM").click()
    view.slide("Opacity", 95)
    view.wait_changed(before, "what is here can still be explored", timeout=1)
