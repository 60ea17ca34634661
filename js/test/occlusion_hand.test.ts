import { expect, test } from "vitest";
import type { Box } from "../src/protocol";
import { nextFrame, until } from "./harness";
import { close, renderOcclusion } from "./occlusion_harness";

const opaque = (alpha: number) => alpha === 255;

test("the occluder is where the hand is in the next frame, whatever the kernel does", async () => {
  const view = await renderOcclusion({}, { dead: true });
  expect(opaque(view.overAt(26, 16)[3])).toBe(true);
  view.hand.point("pointerdown", 26, 16);
  for (const [x, y] of [
    [30, 20],
    [40, 30],
    [36, 24],
  ]) {
    view.hand.point("pointermove", x, y);
    await nextFrame();
    expect(view.overAt(x, y)).toEqual([128, 128, 128, 255]);
    expect(close(view.boxes()[0], [x - 6, y - 6, x + 6, y + 6])).toBe(true);
    expect(view.fact("box")).toBe([x - 6, y - 6, x + 6, y + 6].map((edge) => edge.toFixed(1)).join(","));
  }
  expect(view.overAt(22, 12)[3]).toBe(0);
});

test("moving an occluder repaints neither photograph nor map", async () => {
  const view = await renderOcclusion();
  const [under] = view.all<HTMLCanvasElement>(".cnnw-occlusion-pane canvas");
  under.getContext("2d")?.clearRect(0, 0, under.width, under.height);
  await view.hand.drag([26, 16], [40, 30]);
  expect(view.underAt(15, 35)[3]).toBe(0);
  view.model.receive({ zoom: 1.5 });
  await nextFrame();
  expect(view.underAt(15, 35)[3]).toBe(255);
});

test("a handle changes the size, the cursor says which, and the size is read out in pixels of the input", async () => {
  const view = await renderOcclusion();
  view.hand.point("pointermove", 32, 22);
  expect(view.stage.style.cursor).toBe("nwse-resize");
  view.hand.point("pointermove", 26, 16);
  expect(view.stage.style.cursor).toBe("move");
  view.hand.point("pointermove", 45, 35);
  expect(view.stage.style.cursor).toBe("crosshair");
  await view.hand.drag([32, 22], [38, 30]);
  expect(close(view.boxes()[0], [20, 10, 38, 30])).toBe(true);
  await view.hand.drag([20, 20], [16, 39]);
  expect(close(view.boxes()[0], [16, 10, 38, 30])).toBe(true);
  expect(view.find(".cnnw-size").textContent).toBe("22×20 px");
});

test("a press elsewhere brings the occluder there, and it can be dragged on at once", async () => {
  const view = await renderOcclusion();
  view.hand.point("pointerdown", 40, 30);
  await nextFrame();
  expect(close(view.boxes()[0], [34, 24, 46, 36])).toBe(true);
  view.hand.point("pointermove", 30, 20);
  view.hand.point("pointerup", 30, 20);
  expect(close(view.boxes()[0], [24, 14, 36, 26])).toBe(true);
});

test("while zoomed a drag elsewhere pans, and only a click brings the occluder there", async () => {
  const view = await renderOcclusion({ zoom: 2, pan: [30, 20], boxes: [[28, 18, 32, 22]] });
  await view.hand.drag([5, 5], [15, 10]);
  expect(close(view.boxes()[0], [28, 18, 32, 22])).toBe(true);
  expect((view.model.get("pan") as number[])[0]).toBeLessThan(30);
  await view.hand.drag([5, 5], [5, 5], 1);
  expect(close(view.boxes()[0], [28, 18, 32, 22])).toBe(false);
});

test("two fingers zoom, and what the first had moved goes back", async () => {
  const view = await renderOcclusion();
  const touch = { pointerType: "touch" };
  view.hand.point("pointerdown", 40, 30, touch);
  view.hand.point("pointerdown", 20, 10, { ...touch, pointerId: 2, isPrimary: false });
  expect(view.boxes()).toEqual([[20, 10, 32, 22]]);
  view.hand.point("pointermove", 10, 0, { ...touch, pointerId: 2, isPrimary: false });
  expect(view.model.get("zoom")).toBeGreaterThan(1.3);
  view.hand.point("pointerup", 10, 0, { ...touch, pointerId: 2 });
  view.hand.point("pointerup", 40, 30, touch);
  expect(view.boxes()).toEqual([[20, 10, 32, 22]]);
});

test("keys move, size, pin and remove", async () => {
  const view = await renderOcclusion();
  view.stage.focus();
  view.hand.press("ArrowRight");
  view.hand.press("ArrowDown");
  expect(view.boxes()).toEqual([[21, 11, 33, 23]]);
  view.hand.press("ArrowRight", { shiftKey: true });
  view.hand.press("ArrowUp", { shiftKey: true });
  expect(view.boxes()).toEqual([[21, 11, 34, 22]]);
  view.hand.press("p");
  expect([view.boxes().length, view.model.get("active")]).toEqual([2, 1]);
  view.hand.press("ArrowLeft");
  expect(view.boxes()[0]).toEqual([21, 11, 34, 22]);
  view.hand.press("Delete");
  expect([view.boxes().length, view.model.get("active")]).toEqual([1, 0]);
  view.hand.press("Delete");
  expect(view.boxes().length).toBe(1);
});

test("a key takes hold of the next occluder or the one before, and arrows then move that one", async () => {
  const boxes: Box[] = [
    [12, 2, 16, 6],
    [20, 2, 24, 6],
    [30, 2, 34, 6],
  ];
  const view = await renderOcclusion({ boxes, active: 2 });
  const held = () => view.model.get("active");
  view.hand.press("n");
  expect(held()).toBe(0);
  view.hand.press("n");
  view.hand.press("ArrowDown");
  expect(view.boxes()).toEqual([boxes[0], [20, 3, 24, 7], boxes[2]]);
  view.hand.press("N", { shiftKey: true });
  view.hand.press("N", { shiftKey: true });
  expect(held()).toBe(2);
  expect(view.stage.ariaLabel).toContain("N and Shift with N");
});

test("several occluders are pinned, drawn, sent together and taken hold of again", async () => {
  const view = await renderOcclusion({}, { delay: 1 });
  const button = (label: string) =>
    view.all<HTMLButtonElement>(".cnnw-toolbar button").find((each) => each.textContent === label);
  expect(button("Remove")?.ariaDisabled).toBe("true");
  button("Pin")?.click();
  await view.hand.drag([40, 16], [42, 32]);
  expect(view.boxes().length).toBe(2);
  expect(view.overAt(26, 16)).toEqual([128, 128, 128, 255]);
  expect(view.overAt(42, 32)).toEqual([128, 128, 128, 255]);
  await until(() => view.fact("in-flight") === "0", "the answer is there");
  expect(view.requests().at(-1)?.boxes.length).toBe(2);
  await view.hand.drag([26, 16], [27, 17]);
  expect(view.model.get("active")).toBe(0);
  button("Remove")?.click();
  expect(view.boxes().length).toBe(1);
});

test("no more occluders are pinned than the kernel takes", async () => {
  const boxes = Array.from({ length: 31 }, (_, i): Box => [10 + i, 10, 14 + i, 14]);
  const view = await renderOcclusion({ boxes });
  const pin = view.all<HTMLButtonElement>(".cnnw-toolbar button").find((each) => each.textContent === "Pin");
  expect(pin?.ariaDisabled).toBe(null);
  pin?.click();
  await nextFrame();
  expect([view.boxes().length, pin?.ariaDisabled]).toEqual([32, "true"]);
  expect(pin?.title).toContain("32");
  pin?.click();
  view.hand.press("p");
  expect([view.boxes().length, view.requests().length]).toEqual([32, 1]);
  view.hand.press("Delete");
  await nextFrame();
  expect(pin?.ariaDisabled).toBe(null);
});

test("without an occluder a press makes one", async () => {
  const view = await renderOcclusion({ boxes: [] });
  view.hand.point("pointerdown", 30, 20);
  const [box] = view.boxes() as [Box];
  expect([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2].map(Math.round)).toEqual([30, 20]);
});

test("boxes are saved at most ten times a second, and the last always", async () => {
  const view = await renderOcclusion();
  view.hand.point("pointerdown", 26, 16);
  const start = performance.now();
  for (let i = 0; i < 60; i++) {
    view.hand.point("pointermove", 26 + i / 10, 16);
    await nextFrame();
  }
  const elapsed = performance.now() - start;
  expect(view.model.saved.length).toBeLessThanOrEqual(elapsed / 100 + 2);
  await until(
    () => close((view.model.saved.at(-1)?.boxes as Box[] | undefined)?.[0], [25.9, 10, 37.9, 22]),
    "the last box is saved",
  );
});

test("keys that move an occluder out of a zoomed view take the view along", async () => {
  const view = await renderOcclusion({ zoom: 4, pan: [26, 16] });
  for (let i = 0; i < 14; i++) view.hand.press("ArrowRight");
  expect((view.model.get("pan") as number[])[0]).toBeGreaterThan(32);
  expect(view.boxes()).toEqual([[34, 10, 46, 22]]);
});
