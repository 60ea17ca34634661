import { expect, test } from "vitest";
import { liteNetwork, tinyNetwork } from "../demo/activation_networks";
import { nextFrame, type Rendered, until } from "./harness";
import { press, renderGrid } from "./layers_harness";

const layers = liteNetwork();
const strip = (view: Rendered) => view.find("[role=slider]");
const name = (view: Rendered) => view.find(".cnnw-map-name").textContent;

/** Points at the middle of a layer's bar. */
function pointAt(view: Rendered, type: string, position: number, count = layers.length): void {
  const { left, top, width } = strip(view).getBoundingClientRect();
  const clientX = left + (width * (position + 0.5)) / count;
  strip(view).dispatchEvent(new MouseEvent(type, { clientX, clientY: top + 5, bubbles: true }));
}

test("the network is a slider over its layers, and says which one is on show", async () => {
  const view = await renderGrid("act1");
  const slider = strip(view);
  expect([slider.ariaValueMin, slider.ariaValueNow, slider.ariaValueMax]).toEqual(["1", "3", "164"]);
  expect(slider.ariaValueText).toBe("act1 · ReLU6 · 32×112×112 · stride 2 · receptive field 3×3 px");
  expect([name(view), view.find(".cnnw-map-shape").textContent]).toEqual(["act1", "32×112×112"]);
});

test("arrow keys walk the layers in order of execution, and stop at the ends", async () => {
  const view = await renderGrid("act1");
  const at = () => layers.findIndex((layer) => layer.name === view.model.get("layer"));
  for (const [key, wanted] of [
    ["ArrowRight", 3],
    ["ArrowRight", 4],
    ["ArrowLeft", 3],
    ["PageDown", 13],
    ["PageUp", 3],
    ["End", 163],
    ["ArrowRight", 163],
    ["Home", 0],
    ["ArrowLeft", 0],
  ] as const) {
    press(strip(view), key);
    expect([key, at()]).toEqual([key, wanted]);
  }
  await until(() => name(view) === "conv_stem", "the name is there");
});

test("a held arrow key does not flood the kernel, which hears of the last layer", async () => {
  const view = await renderGrid("conv_stem", {}, { dead: true });
  for (let i = 0; i < 60; i++) press(strip(view), "ArrowRight");
  expect(view.model.saved.length).toBe(1);
  await until(() => view.model.saved.length === 2, "the last layer is sent");
  expect(view.model.saved[1].layer).toBe(layers[60].name);
  expect(view.model.saved[1]._ask).toBe(60);
});

test("bars are as high as the channels' logarithm, and stronger the coarser they are", async () => {
  const tiny = tinyNetwork();
  const doubled = { ...tiny[2], shape: [63, 28, 28] as const };
  const view = await renderGrid(
    "0",
    {},
    { layers: [tiny[0], { ...tiny[1], shape: [7, 112, 112] }, doubled] },
  );
  const paths = view.all(".cnnw-map-strip path" as "div");
  const heights = paths.map((path) =>
    [...(path.getAttribute("d") ?? "").matchAll(/v-([\d.]+)/g)].map(Number),
  );
  expect(paths.map((path) => Number(path.getAttribute("fill-opacity")))).toEqual([0.3, 1]);
  expect(heights.map((each) => each.length)).toEqual([2, 1]);
  const [, small] = [...(paths[0].getAttribute("d") ?? "").matchAll(/v-([\d.]+)/g)].map((match) =>
    Number(match[1]),
  );
  expect(small).toBeCloseTo(3 / 6, 5);
  expect(view.all(".cnnw-map-captions span").map((each) => each.textContent)).toEqual([
    "112 cells a side",
    "28",
  ]);
});

test("a bar that is pointed at is named, and a press goes to it", async () => {
  const view = await renderGrid("act1");
  pointAt(view, "pointermove", 100);
  await nextFrame();
  expect(name(view)).toBe(layers[100].name);
  expect(view.find(".cnnw-map-line").hasAttribute("data-hovered")).toBe(true);
  expect(strip(view).ariaValueNow).toBe("3");
  pointAt(view, "pointerleave", 100);
  await nextFrame();
  expect(name(view)).toBe("act1");
  pointAt(view, "click", 40);
  expect(view.model.get("layer")).toBe(layers[40].name);
  await until(() => strip(view).ariaValueNow === "41", "the mark has moved");
  const mark = view.find(".cnnw-map-mark:not(.cnnw-map-finger)").getBoundingClientRect();
  const { left, width } = strip(view).getBoundingClientRect();
  expect((mark.left - left) / width).toBeCloseTo(40 / 164, 2);
});
