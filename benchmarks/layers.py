"""Looking into layers: what the passes cost, how large the messages are, and how soon the page shows a layer.

    python benchmarks/layers.py                                 # everything, a few minutes
    python benchmarks/layers.py --parts passes --networks ResNet18 --rounds 9
    python benchmarks/layers.py --parts page --headed           # in a browser that one sees

"passes": the maps of every layer in one pass, as a ratio to a bare `channels_last` pass, to hooks that keep a clone,
and to captum's LayerActivation on the same layers. "messages": what an `ActivationGrid` sends for one layer, and how
long packing takes. "page": a real JupyterLab in Chromium; from the key that picks the next layer to its painted tiles,
and from the pointer's move to the map on the photograph. Without Chromium this part is left out, and says so.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
warnings.filterwarnings("ignore")

import measuring  # noqa: E402
from measuring import interleaved, milliseconds, ratio  # noqa: E402

MIB = 2**20
# What the messages are measured on: a name, channels, rows and columns.
SHEETS = {"1,280 channels of 7 x 7": (1280, 7), "2,048 channels of 7 x 7": (2048, 7), "64 of 112 x 112": (64, 112)}


def hooked(model, x) -> list[object]:  # noqa: ANN001
    """Keep a clone of what every module returns, as a notebook would."""
    import torch

    kept: list[object] = []

    def keep(_module: object, _args: object, out: object) -> None:
        if isinstance(out, torch.Tensor) and out.ndim == 4:
            kept.append(out.clone())

    handles = [module.register_forward_hook(keep) for module in model.modules()]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return kept


def passes(name: str, model, x, rounds: int) -> None:  # noqa: ANN001
    """Print what all layers of a network cost."""
    import copy

    import torch
    from captum.attr import LayerActivation

    from cnnwidgets import explain

    layers = explain.layers(model, x)
    modules = dict(model.named_modules())
    named = [modules[layer.name] for layer in layers if layer.name in modules]
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)
    x_last = x.contiguous(memory_format=torch.channels_last)

    def bare() -> object:
        with torch.no_grad():
            return last(x_last)

    def captum() -> object:
        with torch.no_grad():
            return LayerActivation(model, named).attribute(x)

    runs = {
        "ours": lambda: explain.activations(model, x, "all"),
        "bare": bare,
        "hooks": lambda: hooked(model, x),
        "captum": captum,
    }
    seconds = interleaved(runs, rounds)
    kept = sum(one.values.nbytes for _, one in explain.activations(model, x, "all").items())
    print(
        f"{name:19} all {len(layers)} layers: {ratio(seconds['ours'], seconds['bare']):.2f} of a bare channels_last "
        f"pass, {ratio(seconds['ours'], seconds['hooks']):.2f} of hooks with clones, "
        f"{ratio(seconds['ours'], seconds['captum']):.2f} of captum "
        f"({', '.join(f'{key} {milliseconds(each):.1f}' for key, each in seconds.items())} ms); "
        f"{kept / MIB:.0f} MiB of maps",
        flush=True,
    )


def messages(rounds: int) -> None:
    """Print what an ActivationGrid sends for one layer."""
    import json

    import torch

    from cnnwidgets import explain
    from cnnwidgets.widgets._grid_sheet import pack_sheet

    for name, (channels, side) in SHEETS.items():
        model = torch.nn.Sequential(torch.nn.Conv2d(3, channels, 224 // side, stride=224 // side), torch.nn.ReLU())
        activations = explain.activations(model, torch.randn(1, 3, 224, 224), 1)
        layer = activations[1]
        layer.values  # noqa: B018 - computed before packing is timed
        seconds = interleaved({"pack": lambda layer=layer: pack_sheet(layer, "")}, rounds)["pack"]
        sheet = pack_sheet(layer, "")
        data = sheet.pop("data")
        print(
            f"{name:24} {len(data) / 1024:7.0f} KiB of values and {len(json.dumps(sheet)) / 1024:.1f} KiB of places, "
            f"packed in {milliseconds(seconds):.1f} ms",
            flush=True,
        )


KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
SETUP = """
import cnnwidgets as cw
import torch, torchvision
clf, img = cw.demo.imagenet(), cw.demo.photo("chelsea")
torch.manual_seed(0)
wide = cw.Classifier(torchvision.models.resnet50().eval(), clf.preprocess, clf.classes)
"""
# From a key on the network's strip to the frame that shows the new layer's tiles; milliseconds.
PICK = """(key) => new Promise((resolve) => {
  const root = document.querySelector('.cnnw[data-view="activations"]');
  const before = root.dataset.painted;
  const observer = new MutationObserver(() => {
    if (root.dataset.painted === before) return;
    observer.disconnect();
    requestAnimationFrame(() => resolve([performance.now() - start, root.dataset.painted]));
  });
  observer.observe(root, { attributes: true, attributeFilter: ['data-painted'] });
  const start = performance.now();
  const strip = root.querySelector('.cnnw-map-strip');
  strip.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
})"""
# Notes how long after a move of the pointer the photograph shows another map; milliseconds and frames.
HOVER = """() => {
  const root = document.querySelector('.cnnw[data-view="activations"]');
  const noted = (window.hovered = []);
  let moved = 0;
  let frames = 0;
  let frame = 0;
  const count = () => { frames++; frame = requestAnimationFrame(count); };
  root.addEventListener('pointermove', (event) => {
    moved = event.timeStamp;
    frames = 0;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(count);
  }, { capture: true });
  new MutationObserver(() => noted.push([performance.now() - moved, frames]))
    .observe(root, { attributes: true, attributeFilter: ['data-overlay'] });
}"""
# Scrolls the tiles a little in each of many frames, and notes how far apart the frames are.
SCROLL = """() => new Promise((resolve) => {
  const tiles = document.querySelector('.cnnw[data-view="activations"] .cnnw-tiles');
  const times = [];
  const step = (now) => {
    times.push(now);
    tiles.scrollTop += 12;
    if (times.length < 121) requestAnimationFrame(step);
    else resolve(times.slice(1).map((time, i) => time - times[i]));
  };
  requestAnimationFrame(step);
})"""


def page(rounds: int, *, headed: bool) -> None:
    """Print how soon a real page shows what was chosen."""
    from tools import chromium

    found = chromium.find()
    if found is None:
        print("page: left out. " + chromium.NONE_FOUND)
        return
    from playwright.sync_api import sync_playwright

    from tests.browser.server import JupyterServer

    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = JupyterServer.start("lab", Path(home), "--ServerApp.jpserver_extensions=cnnwidgets.server=True")
        browser = playwright.chromium.launch(executable_path=found, headless=not headed, args=list(chromium.FLAGS))
        try:
            for name, classifier in {"demo.imagenet()": "clf", "ResNet50": "wide"}.items():
                one_page(server, browser, name, classifier, rounds)
        finally:
            browser.close()
            server.stop()


def one_page(server, browser, name: str, classifier: str, rounds: int) -> None:  # noqa: ANN001
    """Open a grid in a notebook, walk through its layers, hover and scroll."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    from tests.browser.notebook import NotebookPage

    file = f"{classifier}.ipynb"
    cells = [new_code_cell(SETUP), new_code_cell(f"grid = cw.ActivationGrid({classifier}, img)\ngrid")]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), server.folder / file)
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    nb = NotebookPage(context.new_page(), file)
    nb.open(server.page_url(file))
    nb.run_all()
    root = nb.page.locator('.cnnw[data-view="activations"][data-painted]')
    root.wait_for()
    shown: dict[str, list[float]] = {}
    for _ in range(rounds):
        for key in ("Home", "End", "PageUp", "PageUp", "PageDown", "PageDown"):
            elapsed, layer = nb.page.evaluate(PICK, key)
            shown.setdefault(layer, []).append(elapsed)
    shapes = {layer["name"]: "x".join(map(str, layer["shape"])) for layer in nb.python("grid._layers")}
    first = {layer: times[1:] or times for layer, times in shown.items()}
    print(
        f"{name:19} layer chosen to tiles painted, median of {rounds}: "
        + ", ".join(
            f"{layer} ({shapes[layer]}) {sorted(times)[len(times) // 2]:.0f} ms" for layer, times in first.items()
        ),
        flush=True,
    )
    nb.page.evaluate(HOVER)
    box = root.locator(".cnnw-tiles").bounding_box()
    for step in range(40):
        nb.page.mouse.move(box["x"] + 20 + 13 * step % (box["width"] - 40), box["y"] + 20 + 3 * step)
    nb.page.wait_for_function("() => window.hovered.length > 5")
    delays = sorted(nb.page.evaluate("() => window.hovered"))
    frames = sorted(count for _, count in delays)
    gaps = sorted(nb.page.evaluate(SCROLL))
    print(
        f"{name:19} pointer to map on the photograph: median {delays[len(delays) // 2][0]:.1f} ms, worst "
        f"{delays[-1][0]:.1f} ms, {frames[-1]} frame(s) at most; scrolling, a frame every "
        f"{gaps[len(gaps) // 2]:.1f} ms, 95 % within {gaps[int(0.95 * len(gaps))]:.1f} ms",
        flush=True,
    )
    nb.close()
    context.close()


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", help="names as in peers.py; default: all")
    parser.add_argument("--parts", nargs="+", default=["passes", "messages", "page"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=list(measuring.CLOCKS), default="wall", help="cpu: on a busy machine")
    parser.add_argument("--headed", action="store_true", help="show the browser")
    chosen = parser.parse_args()
    import torch

    torch.set_num_threads(chosen.threads)
    measuring.chosen_clock = chosen.clock
    print(
        f"torch {torch.__version__}, {chosen.threads} threads, {chosen.rounds} rounds, {chosen.clock} clock, "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )
    if "passes" in chosen.parts:
        import peers

        for name in chosen.networks or peers.NETWORKS:
            passes(name, *peers.make(name), chosen.rounds)
    if "messages" in chosen.parts:
        messages(chosen.rounds)
    if "page" in chosen.parts:
        page(chosen.rounds, headed=chosen.headed)


if __name__ == "__main__":
    main()
