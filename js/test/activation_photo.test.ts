import { expect, test } from "vitest";
import { renderActivations, tinyActivations, twoPictures, wireSheet } from "./activation_harness";
import { nextFrame } from "./harness";

const grey = ([red]: readonly number[]) => red;

test("a tile's map lies on the photograph in the next frame, aligned by the true centres", async () => {
  const view = await renderActivations(await tinyActivations());
  expect(grey(view.photoAt(30, 20))).toBe(90);
  view.pointAtCell("pointermove", 0, 1, 3);
  await nextFrame();
  expect(view.find(".cnnw").dataset.overlay).toBe("0");
  // Channel 0 is 0 1 2 3 at the centres 15 25 35 45: halfway between two of them it is halfway.
  expect(grey(view.photoAt(35.05, 20))).toBeCloseTo(170, -1);
  expect(grey(view.photoAt(38.05, 20))).toBeCloseTo(196, -1);
  expect(grey(view.photoAt(12, 20))).toBe(0);
  view.pointAtCell("pointerleave", 0, 1, 3);
  await nextFrame();
  expect(view.find(".cnnw").dataset.overlay).toBe("");
  expect(grey(view.photoAt(35, 20))).toBe(90);
});

test("a pinned channel stays on the photograph, another one that is pointed at covers it", async () => {
  const view = await renderActivations(await tinyActivations({ channel: 0, cell: [3, 3] }));
  expect(view.find(".cnnw").dataset.overlay).toBe("0");
  view.pointAtCell("pointermove", 2, 0, 0);
  await nextFrame();
  expect(view.find(".cnnw").dataset.overlay).toBe("2");
  view.pointAtCell("pointerleave", 2, 0, 0);
  await nextFrame();
  expect(view.readout()[0]).toBe("3.00activation");
});

test("a cell shows its receptive field as a box, and what it sees in words", async () => {
  const view = await renderActivations(await tinyActivations({ opacity: 0 }));
  view.pointAtCell("pointermove", 0, 1, 2);
  await nextFrame();
  expect(view.readout().slice(1)).toEqual([
    "channel 0 · cell row 1, column 2",
    "Sees columns 20–50, rows 0–30 of the picture",
  ]);
  expect(grey(view.photoAt(20, 15))).toBe(255);
  expect(grey(view.photoAt(35, 30))).toBe(255);
  expect(grey(view.photoAt(35, 15))).toBe(90);
  expect(grey(view.photoAt(30, 15)), "where the cell lies has a line of its own").not.toBe(90);
  expect(grey(view.photoAt(40, 15))).not.toBe(90);
  const all = wireSheet([1, 2, 3, 4], [1, 1, 2, 2], { sees_all: true, measured: true });
  view.model.receive({ _sheet: all });
  view.pointAtCell("pointermove", 0, 0, 0);
  await nextFrame();
  expect(view.readout()[2]).toBe(
    "Sees about columns 10–50, rows 0–40 of the picture (measured by the gradient), and the whole picture besides",
  );
});

test("a pixel outlines the cell that lies there in every tile, and reads the pinned channel", async () => {
  const view = await renderActivations(await tinyActivations({ channel: 0 }));
  view.pointAtPhoto("pointermove", 12.5, 3.5);
  await nextFrame();
  // Pixel 12, 3 lies in the first row and column, and can be seen by the first two.
  for (const position of [0, 1, 2, 3]) {
    expect(view.outlined(position, 0, 1)).toBe(true);
    expect(view.outlined(position, 0, 2)).toBe(false);
    expect(view.outlined(position, 3, 1)).toBe(false);
  }
  expect(view.readout()).toEqual([
    "0activation, channel 0 here",
    "pixel 12, 3 · cell row 0, column 0",
    "Seen by rows 0–1, columns 0–1",
  ]);
  view.pointAtPhoto("pointermove", 3, 3);
  await nextFrame();
  expect(view.readout()[0]).toBe("not seen by the network");
  view.pointAtPhoto("pointerleave", 3, 3);
  await nextFrame();
  expect(view.outlined(1, 0, 1)).toBe(false);
});

test("a finger's tap is read after it has left", async () => {
  const view = await renderActivations(await tinyActivations());
  view.pointAtPhoto("pointerdown", 12.5, 3.5, { pointerType: "touch" });
  view.pointAtPhoto("pointerup", 12.5, 3.5, { pointerType: "touch" });
  view.pointAtPhoto("pointerleave", 12.5, 3.5, { pointerType: "touch" });
  await nextFrame();
  expect(view.readout()[1]).toBe("pixel 12, 3 · cell row 0, column 0");
});

test("highlight mode darkens the photograph outside the channel's highest activations", async () => {
  const view = await renderActivations(await tinyActivations({ channel: 0, threshold: 0.75 }));
  // 2.25 lies a quarter of the way from centre 35 to centre 45.
  expect(grey(view.photoAt(38.5, 20))).toBe(90);
  expect(grey(view.photoAt(36.5, 20))).toBeLessThan(40);
  expect(view.readout()[2]).toContain("highlighted above 2.25");
  view.model.receive({ channel: 1 });
  await nextFrame();
  expect(grey(view.photoAt(38.5, 20))).toBeLessThan(40);
});

test("painting draws at once, sorts by the region while the hand moves, and can be taken back", async () => {
  const view = await renderActivations(await tinyActivations({ sort: "maximum" }));
  const [toggle] = view.all<HTMLButtonElement>(".cnnw-brush button");
  toggle.click();
  await nextFrame();
  expect(toggle.ariaPressed).toBe("true");
  view.pointAtPhoto("pointerdown", 15, 5);
  await nextFrame();
  expect(view.strokeAt(15, 5)[3]).toBeGreaterThan(100);
  expect(view.model.get("sort")).toBe("region");
  view.pointAtPhoto("pointermove", 45, 5);
  await nextFrame();
  // The upper row: where channel 3 is 1.
  expect(view.order()).toBe("3");
  view.pointAtPhoto("pointerup", 45, 5);
  const { region } = Object.assign({}, ...view.model.saved) as { region: { points: number[][] }[] };
  expect(region).toHaveLength(1);
  expect(region[0].points.map((point) => point.map(Math.round))).toEqual([
    [15, 5],
    [45, 5],
  ]);
  view.pointAtPhoto("pointerdown", 15, 35);
  view.pointAtPhoto("pointerup", 15, 35);
  const [, undo, clear] = view.all<HTMLButtonElement>(".cnnw-brush button");
  undo.click();
  expect(view.model.get("region")).toHaveLength(1);
  clear.click();
  await nextFrame();
  expect([view.model.get("region"), view.model.get("sort")]).toEqual([[], "maximum"]);
  expect(view.strokeAt(15, 5)[3]).toBe(0);
});

test("the brush paints by keys, too", async () => {
  const view = await renderActivations(await tinyActivations());
  view.all<HTMLButtonElement>(".cnnw-brush button")[0].click();
  view.photo.focus();
  view.press(view.photo, "ArrowRight");
  view.press(view.photo, " ");
  expect(view.model.get("region")).toMatchObject([{ points: [[31.5, 20.5]] }]);
});

test("a second finger takes the stroke back that the first began", async () => {
  const view = await renderActivations(await tinyActivations());
  view.all<HTMLButtonElement>(".cnnw-brush button")[0].click();
  view.pointAtPhoto("pointerdown", 15, 5, { pointerType: "touch" });
  view.pointAtPhoto("pointerdown", 35, 5, { pointerType: "touch", pointerId: 2 });
  expect(view.model.get("region")).toEqual([]);
});

test("two pictures stand side by side with one channel's maps on one scale", async () => {
  const view = await renderActivations(await twoPictures({ channel: 0 }));
  await nextFrame();
  expect(grey(view.photoAt(46, 20))).toBe(255);
  expect(grey(view.photoAt(46, 20, 1))).toBe(128);
  expect(view.all(".cnnw-photos > .cnnw-pane").every((pane) => pane.checkVisibility())).toBe(true);
  view.model.set("zoom", 2);
  await nextFrame();
  expect(view.all(".cnnw-pane[data-zoomed]")).toHaveLength(2);
});
