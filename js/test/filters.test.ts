import { expect, test } from "vitest";
import { float16View } from "../demo/wire";
import type { Weights } from "../src/activation_state";
import { lookOf, paintWeights, rangeOf, valuesAt } from "../src/weights";
import { nextFrame, type Rendered, until } from "./harness";
import { press, renderGrid } from "./layers_harness";

const texts = (view: Rendered, selector: string) => view.all(selector).map((each) => each.textContent);
const grids = (view: Rendered) => view.all(".cnnw-weights").filter((each) => each.checkVisibility());

/** The colour at a point of a grid's canvas, in CSS pixels. */
function colourAt(grid: HTMLElement, x: number, y: number): number[] {
  const canvas = grid.querySelector("canvas");
  const ratio = devicePixelRatio;
  const data = canvas?.getContext("2d")?.getImageData(x * ratio, y * ratio, 1, 1).data;
  return [...(data ?? [])];
}

/** Two filters of three colours, two by two: pure red and, below it, its opposite; then nothing at all. */
const TWO = {
  layer: "act1",
  module: "conv_stem",
  view: "rgb",
  data: float16View([1, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, ...new Array(12).fill(0)]),
  shape: [2, 2, 2, 3],
  scale: 0.5,
  units: "weight",
  labels: ["channel 0", "channel 1"],
};

const weights = (change: Partial<Weights>): Weights => ({
  values: Float32Array.of(1, -1, 0.5, 0),
  tiles: 1,
  rows: 2,
  columns: 2,
  colours: 1,
  scale: 1,
  units: "weight",
  ...change,
});

test("weights are painted on a scale that is symmetric around 0", () => {
  const table = (low: number, middle: number, high: number) =>
    Uint8Array.from({ length: 768 }, (_, i) => (i < 381 ? low : i > 386 ? high : middle));
  const colormaps = {
    RdBu_r: { kind: "diverging", rgb: table(10, 100, 200) },
    inferno: { kind: "sequential", rgb: table(0, 50, 250) },
  } as const;
  const first = (view: "planes" | "strength", values: Weights) => {
    const look = lookOf(colormaps, view);
    const sheet = look && paintWeights(values, look);
    const data = sheet?.canvas.getContext("2d")?.getImageData(0, 0, 2, 2).data ?? [];
    return [data[0], data[4], data[8], data[12]];
  };
  expect(first("planes", weights({}))).toEqual([200, 10, 200, 100]);
  expect(first("strength", weights({ values: Float32Array.of(1, 0, 0.9, 0.1) }))).toEqual([250, 0, 250, 0]);
  expect(first("planes", weights({ values: new Float32Array(4), scale: 0 }))).toEqual([100, 100, 100, 100]);
  expect(lookOf({}, "planes")).toBe(null);
});

test("ranges and values belong to one tile", () => {
  const two = weights({ values: Float32Array.of(1, -1, 0.5, 0, 7, 8, 9, 6), tiles: 2 });
  expect([rangeOf(two, 0), rangeOf(two, 1)]).toEqual([
    [-1, 1],
    [6, 9],
  ]);
  expect([...valuesAt(two, 1, 1, 0)]).toEqual([9]);
});

test("the first layer's filters are pictures in which 0 is mid-grey", async () => {
  const view = await renderGrid("act1", { tab: "filters" });
  view.model.receive({ _filters: TWO });
  await until(() => texts(view, ".cnnw-filters h4")[0] === "2 filters of conv_stem, 2×2", "they are there");
  const [grid] = grids(view);
  const near = (colour: number[], wanted: number[]) =>
    colour.every((level, i) => Math.abs(level - wanted[i]) <= 1);
  expect(near(colourAt(grid, 4 + 18, 4 + 18), [255, 128, 128, 255])).toBe(true);
  expect(near(colourAt(grid, 4 + 18, 4 + 54), [0, 128, 128, 255])).toBe(true);
  expect(near(colourAt(grid, 4 + 78 + 18, 4 + 18), [128, 128, 128, 255])).toBe(true);
  expect(texts(view, ".cnnw-filters .cnnw-numbers")[0]).toBe("−0.50000.500");
});

test("a tile tells its values where the pointer is", async () => {
  const view = await renderGrid("act1", { tab: "filters" });
  view.model.receive({ _filters: TWO });
  await nextFrame();
  const [grid] = grids(view);
  const scroller = grid.firstElementChild?.nextElementSibling as HTMLElement;
  const { left, top } = scroller.getBoundingClientRect();
  const point = { clientX: left + 4 + 18, clientY: top + 4 + 54, bubbles: true };
  scroller.dispatchEvent(new PointerEvent("pointermove", point));
  await nextFrame();
  const tip = grid.querySelector<HTMLElement>(".cnnw-tip");
  expect(tip?.querySelector("p")?.textContent).toBe("channel 0: −0.500 to 0.500 weight");
  const here = [...(tip?.querySelectorAll("[data-here]") ?? [])];
  expect(here.map((each) => each.textContent)).toEqual(["−0.500", "0.000", "0.000"]);
  expect(tip?.querySelector("caption")?.textContent).toBe("red");
  scroller.dispatchEvent(new PointerEvent("pointerleave"));
  await nextFrame();
  expect(tip?.checkVisibility()).toBe(false);
});

test("a filter is pinned by a press, and the weights of its channel are asked for", async () => {
  const view = await renderGrid("act1", { tab: "filters" });
  expect(texts(view, ".cnnw-filters h4")[1]).toBe("One filter");
  const scroller = grids(view)[0].querySelector<HTMLElement>("[tabindex]");
  const { left, top } = scroller?.getBoundingClientRect() ?? { left: 0, top: 0 };
  const point = { clientX: left + 4 + 78 + 20, clientY: top + 20, bubbles: true };
  scroller?.dispatchEvent(new PointerEvent("pointermove", point));
  scroller?.dispatchEvent(new MouseEvent("click", point));
  expect(view.model.saved).toEqual([{ channel: 1, cell: null, _ask: 1 }]);
  await until(() => texts(view, ".cnnw-filters h4")[1] === "Channel 1 of conv_stem", "the planes are there");
  expect(texts(view, ".cnnw-weights-head .cnnw-quiet")[1]).toMatch(/^3 planes/);
});

test("arrow keys walk the filters, Enter pins, and what is walked to is spoken", async () => {
  const view = await renderGrid("act1", { tab: "filters" });
  const [grid] = grids(view);
  const scroller = grid.querySelector<HTMLElement>("[tabindex]");
  if (!scroller) throw new Error("no pane");
  scroller.focus();
  press(scroller, "ArrowRight");
  press(scroller, "ArrowRight");
  expect(grid.querySelector("[aria-live]")?.textContent).toMatch(/^channel 1: /);
  press(scroller, "End");
  const spoken = grid.querySelector<HTMLElement>("[aria-live]");
  expect(spoken?.textContent).toMatch(/^channel 31: /);
  expect(spoken?.offsetHeight).toBe(1);
  press(scroller, "Enter");
  expect(view.model.get("channel")).toBe(31);
});

test("two thousand tiles scroll on a canvas no larger than the pane", async () => {
  const view = await renderGrid("act2", { tab: "filters" });
  const [grid] = grids(view);
  const scroller = grid.querySelector<HTMLElement>("[tabindex]");
  if (!scroller) throw new Error("no pane");
  const canvas = grid.querySelector("canvas");
  expect(scroller.scrollHeight).toBeGreaterThan(4_000);
  expect((canvas?.height ?? 0) / devicePixelRatio).toBeLessThanOrEqual(380);
  press(scroller, "End");
  await nextFrame();
  expect(scroller.scrollTop + scroller.clientHeight).toBeGreaterThan(scroller.scrollHeight - 20);
  expect(colourAt(grid, 20, 60)[3]).toBe(255);
});

test("a layer that no convolution made says so", async () => {
  const view = await renderGrid("blocks.2.1", { tab: "filters" });
  expect(texts(view, ".cnnw-filters h4")[0]).toBe("No filters");
  expect(view.find(".cnnw-filters").textContent).toContain("an addition, a concatenation or a pooling");
  expect(grids(view)).toEqual([]);
});

test("weights that are on the way are waited for", async () => {
  const view = await renderGrid("act1", { tab: "filters", channel: 2, _kernel: {} }, { dead: true });
  await nextFrame();
  expect(texts(view, ".cnnw-filters h4")[1]).toBe("Channel 2");
  expect(texts(view, ".cnnw-weights-head .cnnw-quiet")[1]).toBe("Waiting for the weights.");
});
