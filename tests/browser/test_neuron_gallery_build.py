"""NeuronGallery while its index is made, and where something is missing or goes wrong."""

from __future__ import annotations

import re

from tests.browser.gallery import CACHE, FOLDER, GalleryPage, open_gallery
from tests.browser.notebook import CLEAR

# A network that takes its time, until it is told to hurry; one file of the data set is no picture.
MANY = FOLDER.replace("// 40", "// 120")  # several passes are under way when it is stopped; many more are to come then
SLOW = f"""{MANY}
import time
STATE = {{"pace": 0.2, "fails": False}}  # seconds for an image; no attributes, whose change would be the model's
class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 8, 9, stride=4), nn.Linear(8, 3)
    def forward(self, x):
        time.sleep(STATE["pace"] * len(x))  # however many images are looked at in a pass
        if STATE["fails"]:
            raise ValueError("the third valve is stuck")
        return self.head(self.conv(x).relu().mean((2, 3)))
model = Slow().eval()
imagenet = cw.demo.imagenet()
clf = cw.Classifier(model, imagenet.preprocess, ["one", "two", "three"], output="logits")
Path("crops", "astronaut", "notes.png").write_text("These are notes.")
gallery = cw.NeuronGallery(clf, "crops", path="slow.patches")
"""
CLEAN = """
import shutil
from pathlib import Path
shutil.rmtree("slow.patches.partial", ignore_errors=True)
Path("slow.patches").unlink(missing_ok=True)
"""


def heading(gallery):
    return gallery.build.locator(".cnnw-heading").inner_text()


def share(gallery):
    return int(gallery.build.get_by_role("progressbar", name="Images indexed").get_attribute("aria-valuenow") or 0)


def test_build_stop_and_resume(notebook):
    gallery = GalleryPage(notebook(CLEAN + SLOW, "gallery"))
    nb = gallery.nb
    gallery.wait_fact("build", "building")
    assert not gallery.wall.is_visible()
    nb.wait_until(lambda: share(gallery) > 0, "some images", 30)
    assert re.fullmatch(r"Indexing: \d+ of \d+ images", heading(gallery))
    gallery.build.get_by_role("button", name="Stop").click()
    gallery.wait_fact("build", "stopped", 30)
    stopped = int(re.fullmatch(r"Stopped at (\d+) of \d+ images", heading(gallery))[1])
    assert 0 < stopped < 100
    assert "what is indexed so far is kept" in gallery.build.inner_text()
    assert gallery.python("index is None")

    gallery.build.get_by_role("button", name="Resume").click()
    gallery.wait_fact("build", "building")
    nb.wait_until(lambda: heading(gallery).startswith("Indexing: "), "it goes on")
    assert int(re.search(r"\d+", heading(gallery))[0]) >= stopped
    nb.wait_until(lambda: "left" in gallery.build.inner_text(), "the time left", 30)
    nb.execute("STATE['pace'] = 0")
    gallery.wait_fact("build", "done", 60)
    total = nb.python("len(gallery.index)")
    layer, channel = gallery.python("layer"), gallery.python("channel")
    gallery.wait_painted(layer, channel)
    assert not gallery.build.is_visible()
    gallery.wait_status(f"out of {total} images.")
    gallery.wait_like(gallery.expected("_crop('top', 0)"), 0)
    assert gallery.nb.python("gallery.index.path.exists() and not Path('slow.patches.partial').exists()")

    skipped = gallery.root.locator(".cnnw-skipped")
    assert skipped.locator("summary").inner_text() == "1 image could not be read"
    skipped.locator("summary").click()
    assert "astronaut/notes.png" in skipped.inner_text()


def test_first_use_and_the_second(notebook):
    first = f"{CACHE.format(folder='fresh')}gallery = cw.NeuronGallery(cw.demo.digits())"
    gallery = GalleryPage(notebook(first, "gallery"))
    nb = gallery.nb
    gallery.wait_fact("build", "done", 120)
    gallery.wait_painted("features.2.5", gallery.python("channel"))
    assert nb.python("str(gallery.index.path).startswith(os.path.abspath('fresh'))")
    nb.execute("first, gallery = gallery, cw.NeuronGallery(cw.demo.digits())\nat_once = gallery.index is not None")
    assert nb.python("at_once")
    nb.page.evaluate(CLEAR)
    nb.start(1)
    gallery.wait_painted("features.2.5", gallery.python("channel"))
    assert nb.python("gallery.wait(20) == first.wait(20)")


def test_a_picture_that_has_gone(notebook):
    gallery = open_gallery(
        notebook, CLEAN + SLOW.replace('"pace": 0.2', '"pace": 0') + "gallery.wait(60)", shared=False
    )
    nb = gallery.nb
    source = nb.python("gallery.patches[1].source")
    label = nb.python("gallery.patches[1].label")
    nb.execute(f"Path('crops', {source!r}).unlink()\ngallery = cw.NeuronGallery(clf, 'slow.patches')\ngallery.wait(30)")
    nb.page.evaluate(CLEAR)
    nb.start(1)
    layer, channel = gallery.python("layer"), gallery.python("channel")
    gallery.wait_painted(layer, channel)
    gone = gallery.patch(1)
    assert gone.get_attribute("data-missing") is not None
    assert source in gone.inner_text()
    assert "missing: " in gone.get_attribute("aria-label")
    assert label in gone.inner_text()
    gallery.wait_like(gallery.expected("_crop('top', 0)"), 0)
    gone.click()
    gallery.wait_python("gallery.selection is not None and gallery.selection['rank'] == 1")
    gallery.wait_status(source)

    nb.execute("STATE['fails'] = True")
    gallery.choose("Highlight")
    gallery.wait_status("the third valve is stuck")
    nb.execute("STATE['fails'] = False")
    gallery.root.get_by_role("button", name="Retry").click()
    gallery.wait_painted(layer, channel, "highlight")
    gallery.choose("Patches")
    gallery.wait_painted(layer, channel)

    nb.close()  # shuts the kernel down; the page stays
    gallery.choose("Images")
    gallery.wait_painted(layer, channel, "images")
    gallery.choose("Random sample")
    gallery.nb.wait_until(lambda: len(gallery.ranks("sample")) == 16, "what is there")
    gallery.root.get_by_role("button", name="Next channel").click()
    gallery.wait_status("The kernel does not answer", timeout=20)
