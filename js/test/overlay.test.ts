import { expect, test } from "vitest";
import { nextFrame, type Rgba, render, tinyTraits } from "./harness";

const grey = ([red, green, blue]: Rgba) => {
  expect(green).toBe(red);
  expect(blue).toBe(red);
  return red;
};

test("the value at a cell's true centre is painted there, and bilinear values between", async () => {
  const view = await render(await tinyTraits());
  // The maximum, 4, is white; the colours in between are shares of it.
  expect(grey(view.pixelAt(20, 10))).toBeLessThanOrEqual(2);
  expect(grey(view.pixelAt(40, 10))).toBeCloseTo(64, -1);
  expect(grey(view.pixelAt(20, 30))).toBeCloseTo(128, -1);
  expect(grey(view.pixelAt(40, 30))).toBeGreaterThanOrEqual(253);
  expect(grey(view.pixelAt(30, 20))).toBeCloseTo((255 * 1.75) / 4, -1);
});

test("beyond the outermost centres the edge value extends as far as the network saw", async () => {
  const view = await render(await tinyTraits());
  expect(grey(view.pixelAt(49, 39))).toBeGreaterThanOrEqual(253);
  expect(grey(view.pixelAt(49, 1))).toBeCloseTo(64, -1);
});

test("outside the seen region there is no overlay: the picture is greyed, whatever the map", async () => {
  const view = await render(await tinyTraits());
  const margin = [2, 58].map((x) => grey(view.pixelAt(x, 35)));
  for (const level of margin) {
    expect(level).toBeGreaterThan(95);
    expect(level).toBeLessThan(150);
  }
  view.model.set("opacity", 0);
  await nextFrame();
  expect(grey(view.pixelAt(30, 20))).toBe(90);
  expect([2, 58].map((x) => grey(view.pixelAt(x, 35)))).toEqual(margin);
});

test("below the threshold the picture shows through", async () => {
  const view = await render(await tinyTraits({ threshold: 0.6 }));
  expect(grey(view.pixelAt(20, 10))).toBe(90);
  expect(grey(view.pixelAt(20, 30))).toBe(90);
  expect(grey(view.pixelAt(40, 30))).toBeGreaterThanOrEqual(253);
});

test("a slider repaints in the next frame and the kernel hears of it", async () => {
  const view = await render(await tinyTraits());
  const slider = view.all<HTMLInputElement>("input[type=range]")[0];
  slider.value = "50";
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await nextFrame();
  expect(grey(view.pixelAt(40, 30))).toBeCloseTo((90 + 255) / 2, -1);
  expect(view.model.saved.at(-1)).toEqual({ opacity: 0.5 });
});
