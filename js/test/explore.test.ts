import { expect, test } from "vitest";
import { draggedBy, toPicture, viewportOf, zoomedAt } from "../src/viewport";
import { nextFrame, type Rendered, render, tinyTraits } from "./harness";

const picture = { width: 60, height: 40 };
const pane = { width: 600, height: 400 };

const stage = (view: Rendered) => view.find(".cnnw-picture > .cnnw-pane");
const press = (element: HTMLElement, key: string) =>
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

/** Dispatches a pointer event over a picture point of the unzoomed pane. */
function point(view: Rendered, type: string, x: number, y: number, more: MouseEventInit = {}): boolean {
  const element = stage(view);
  const frame = element.getBoundingClientRect();
  const scale = frame.width / picture.width;
  const place = { clientX: frame.left + x * scale, clientY: frame.top + y * scale };
  const init = { bubbles: true, cancelable: true, ...place, ...more };
  return element.dispatchEvent(type === "wheel" ? new WheelEvent(type, init) : new PointerEvent(type, init));
}

const readout = (view: Rendered) => view.all(".cnnw-readout > *").map((line) => line.textContent);

test("zooming keeps the point under the pointer where it is", () => {
  const before = viewportOf(picture, pane, { zoom: 1, pan: null });
  const after = viewportOf(picture, pane, zoomedAt(before, 1, 4, 150, 300));
  expect(toPicture(after, 150, 300)).toEqual(toPicture(before, 150, 300));
  expect(after.scale).toBe(40);
});

test("dragging stops at the picture's edges", () => {
  const view = viewportOf(picture, pane, { zoom: 2, pan: [30, 20] });
  expect(draggedBy(view, picture, 2, -100, 0).pan).toEqual([35, 20]);
  expect(draggedBy(view, picture, 2, 9999, 9999).pan).toEqual([15, 10]);
});

test("the read-out gives value, units, pixel and cell, and shifts nothing", async () => {
  const view = await render(await tinyTraits());
  const before = view.find(".cnnw-status").getBoundingClientRect().top;
  point(view, "pointermove", 40.2, 30.2);
  await nextFrame();
  expect(readout(view)).toEqual(["4.00logit", "pixel 40, 30 · cell row 1, column 1 of 2×2"]);
  expect(view.find(".cnnw-marker").checkVisibility()).toBe(true);
  point(view, "pointermove", 5.2, 20.2);
  await nextFrame();
  expect(readout(view)).toEqual(["not seen by the network", "pixel 5, 20"]);
  expect(view.find(".cnnw-status").getBoundingClientRect().top).toBe(before);
  point(view, "pointerleave", 5, 20);
  await nextFrame();
  expect(view.find(".cnnw-value").textContent).toBe("");
});

test("arrow keys on the focused stage read values and say them", async () => {
  const view = await render(await tinyTraits());
  stage(view).focus();
  press(stage(view), "ArrowRight");
  await nextFrame();
  expect(view.find(".cnnw-place").textContent).toContain("pixel 31, 20");
  expect(view.find(".cnnw-readout").ariaLive).toBe("polite");
  press(stage(view), "ArrowUp");
  await nextFrame();
  expect(view.find(".cnnw-place").textContent).toContain("pixel 31, 19");
  press(stage(view), "Escape");
  await nextFrame();
  expect(view.find(".cnnw-place").textContent).toBe("");
});

test("plus, minus and 0 zoom and fit; the zoom reaches the kernel", async () => {
  const view = await render(await tinyTraits());
  stage(view).focus();
  press(stage(view), "+");
  expect(view.model.get("zoom")).toBe(1.5);
  expect(view.model.saved.length).toBe(1);
  press(stage(view), "-");
  expect([view.model.get("zoom"), view.model.get("pan")]).toEqual([1, null]);
  press(stage(view), "+");
  press(stage(view), "0");
  expect([view.model.get("zoom"), view.model.get("pan")]).toEqual([1, null]);
});

test("a wheel zooms only with Ctrl or Cmd, else the notebook scrolls", async () => {
  const view = await render(await tinyTraits());
  expect(point(view, "wheel", 20, 10, { deltaY: -100 } as WheelEventInit)).toBe(true);
  expect(view.model.get("zoom")).toBe(1);
  expect(point(view, "wheel", 20, 10, { deltaY: -100, ctrlKey: true } as WheelEventInit)).toBe(false);
  expect(view.model.get("zoom")).toBeGreaterThan(1);
  await nextFrame();
  // The corner of the picture where the value 0 sits has grown: black reaches further than before.
  expect(view.pixelAt(20, 10)[0]).toBeLessThan(10);
  expect(view.find(".cnnw-zoom-fit").textContent).toBe("1.5×");
  stage(view).dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
  expect(view.model.get("zoom")).toBe(1);
});

test("a large picture pixel is a square: no smoothing between neighbours", async () => {
  const view = await render(await tinyTraits({ opacity: 0, _seen: [0, 0, 60, 40], zoom: 4, pan: [30, 20] }));
  const canvas = stage(view).querySelector("canvas");
  expect(canvas?.getContext("2d")?.imageSmoothingEnabled).toBe(false);
});
