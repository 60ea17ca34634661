import { expect, test } from "vitest";
import { MockModel } from "../demo/mock_model";
import { cornerOf, placeAt, tilingFor } from "../src/tiles";
import {
  type Activating,
  activatingOn,
  CHANNELS,
  renderActivations,
  tinyActivations,
  twoPictures,
  wireSheet,
} from "./activation_harness";
import { nextFrame, until } from "./harness";

const grey = ([red]: readonly number[]) => red;
const paintedCells = (view: Activating, position: number) =>
  [0, 1, 2, 3].map((column) => grey(view.cellAt(position, 0, column)));

test("tiles show every cell as a square of its own, each tile on its own scale", async () => {
  const view = await renderActivations(await tinyActivations());
  expect(paintedCells(view, 0)).toEqual([0, 85, 170, 255]);
  expect(paintedCells(view, 2)).toEqual([0, 0, 0, 255]);
  view.model.set("scale", "shared");
  await nextFrame();
  expect(paintedCells(view, 0)).toEqual([0, 32, 64, 96]);
  expect(paintedCells(view, 2)).toEqual([0, 0, 0, 255]);
});

test("sign and colour map colour the tiles anew in the next frame", async () => {
  const values = [-4, 0, 2, 4];
  const view = await renderActivations(await tinyActivations({ _sheet: wireSheet(values, [1, 1, 2, 2]) }));
  const cells = () => [0, 1, 2, 3].map((i) => grey(view.cellAt(0, i >> 1, i % 2)));
  expect(cells()).toEqual([0, 0, 128, 255]);
  view.model.set("sign", "negative");
  await nextFrame();
  expect(cells()).toEqual([255, 0, 0, 0]);
  view.model.set("sign", "absolute");
  await nextFrame();
  expect(cells()).toEqual([255, 0, 128, 255]);
});

test("channels at the cap of a ReLU6 stand in the order of the values before it, which are read out", async () => {
  const values = Array.from({ length: 16 }, (_, i) => (i % 4 === 0 ? 6 : 0));
  const data = new Float32Array([7, 40, 9, 6]);
  const more = { preactivation: new DataView(data.buffer), cap: 6 };
  const sheet = wireSheet(values, [1, 4, 2, 2], more);
  const view = await renderActivations(await tinyActivations({ sort: "maximum", _sheet: sheet }));
  expect(view.order()).toBe("1");
  view.tiles.focus();
  view.press(view.tiles, "Home");
  await nextFrame();
  expect(view.readout()[1]).toBe("channel 1 · 1 of 4 by maximum (6.00 activation, before the cap 40.0)");
});

test("the order follows the sort, ties keep the order of channels, dead ones can be hidden", async () => {
  const view = await renderActivations(await tinyActivations({ sort: "maximum" }));
  const first = async (sort: string) => {
    view.model.set("sort", sort);
    await nextFrame();
    return view.order();
  };
  expect(view.order()).toBe("2");
  expect(await first("mean")).toBe("0");
  expect(await first("active")).toBe("0");
  expect(await first("channel")).toBe("0");
  view.model.receive({ channel: 3 });
  expect(await first("likeness")).toBe("3");
  view.model.receive({ sort: "channel", hide_dead: true });
  await nextFrame();
  expect(view.tiles.ariaLabel).toContain("3 of 4 channels");
  expect(paintedCells(view, 1)).toEqual([0, 0, 0, 255]);
});

test("two pictures share a scale in each tile, and sort by what differs", async () => {
  const view = await renderActivations(await twoPictures());
  expect(grey(view.cellAt(0, 0, 3, 0))).toBe(255);
  expect(grey(view.cellAt(0, 0, 3, 1))).toBe(128);
  view.model.set("sort", "difference");
  await nextFrame();
  expect(view.order()).toBe("0");
  view.pointAtCell("pointermove", 0, 0, 2);
  await nextFrame();
  expect(view.readout()[0]).toBe("2.00 · 1.00activation (first · second picture)");
});

test("a click pins channel and cell, another on it lets go; Escape lets go too", async () => {
  const view = await renderActivations(await tinyActivations());
  const pinned = () => [view.model.get("channel"), view.model.get("cell")];
  view.pointAtCell("click", 2, 0, 3);
  expect(pinned()).toEqual([2, [0, 3]]);
  view.pointAtCell("click", 2, 1, 3);
  expect(pinned()).toEqual([2, [1, 3]]);
  view.pointAtCell("click", 2, 1, 3);
  expect(pinned()).toEqual([null, null]);
  view.pointAtCell("click", 0, 2, 2);
  view.press(view.tiles, "Escape");
  expect(pinned()).toEqual([null, null]);
  expect(view.model.saved.every((changes) => !("_ask" in changes))).toBe(true);
});

test("keys walk the tiles, with Shift or after Enter the cells, and pin; a screen reader hears it", async () => {
  const view = await renderActivations(await tinyActivations());
  view.tiles.focus();
  view.press(view.tiles, "ArrowRight");
  await nextFrame();
  expect(view.readout()[1]).toContain("channel 0");
  expect(view.find(".cnnw-readout").ariaLive).toBe("polite");
  view.press(view.tiles, "ArrowRight");
  view.press(view.tiles, "ArrowRight");
  view.press(view.tiles, "Enter");
  await nextFrame();
  expect(view.readout()[0]).toBe("8.00activation");
  expect(view.readout()[1]).toBe("channel 2 · cell row 0, column 3");
  view.press(view.tiles, "ArrowDown");
  view.press(view.tiles, "ArrowLeft");
  view.press(view.tiles, " ");
  expect([view.model.get("channel"), view.model.get("cell")]).toEqual([2, [1, 2]]);
  view.press(view.tiles, "Escape");
  view.press(view.tiles, "ArrowRight");
  await nextFrame();
  expect(view.readout()[1]).toContain("channel 3");
  view.press(view.tiles, "ArrowLeft", { shiftKey: true });
  await nextFrame();
  expect(view.readout()[1]).toContain("channel 3 · cell row");
  view.pointAtCell("pointermove", 0, 0, 0);
  await nextFrame();
  expect(view.find(".cnnw-readout").ariaLive).toBe("off");
});

test("highlight mode leaves only the cells above the quantile", async () => {
  const view = await renderActivations(await tinyActivations({ threshold: 0.75 }));
  // The quantile lies at 2.25: the last column is above it. A constant channel has nothing above any quantile.
  expect(grey(view.cellAt(0, 0, 3))).toBe(255);
  const empty = view.cellAt(1, 0, 0);
  expect(view.cellAt(0, 0, 2)).toEqual(empty);
  view.model.set("threshold", 0);
  await nextFrame();
  expect(grey(view.cellAt(0, 0, 2))).toBe(170);
});

test("the pinned cell is the layer's own where several stand as one on the sheet", async () => {
  const merged = wireSheet([1, 2, 3, 4], [1, 1, 2, 2], {
    merged: 2,
    cell_rows: [0, 2],
    cell_columns: [0, 2],
  });
  const view = await renderActivations(await tinyActivations({ _sheet: merged }));
  view.pointAtCell("click", 0, 1, 0);
  expect(view.model.get("cell")).toEqual([2, 0]);
  view.model.receive({ cell: [3, 1] });
  await nextFrame();
  expect(view.readout()[0]).toBe("3.00activation");
  expect(view.readout()[1]).toContain("row 2, column 0, the largest of 2×2 cells");
});

test("another layer: the old tiles stay, greyed and not to be pinned, until the new ones come", async () => {
  const view = await renderActivations(await tinyActivations());
  view.model.set("layer", "later");
  await nextFrame();
  expect(view.find(".cnnw-tiles").hasAttribute("data-stale")).toBe(true);
  expect(view.find(".cnnw-tiles .cnnw-pane-note").textContent).toBe("Waiting for later");
  expect(paintedCells(view, 0)).toEqual([0, 85, 170, 255]);
  view.pointAtCell("click", 2, 0, 3);
  expect(view.model.get("channel")).toBeNull();
  view.model.receive({ _sheet: wireSheet([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2], { layer: "later" }) });
  await nextFrame();
  expect(view.find(".cnnw-tiles").hasAttribute("data-stale")).toBe(false);
  expect(view.find(".cnnw").dataset.painted).toBe("later");
  expect(grey(view.cellAt(0, 1, 1))).toBe(255);
});

const MANY = 600;
const ramp = () =>
  wireSheet(
    Float32Array.from({ length: 4 * MANY }, (_, i) => Math.floor(i / 4)),
    [1, MANY, 2, 2],
  );

test("only tiles in view are painted; a new sort starts at the first, a new size keeps the pinned one in place", async () => {
  const view = await renderActivations(await tinyActivations({ _sheet: ramp() }));
  const { tiles } = view;
  expect(tiles.scrollHeight).toBeGreaterThan(5000);
  tiles.scrollTop = 2760;
  await nextFrame();
  await nextFrame();
  view.pointAtCell("click", 30 * Math.floor((tiles.clientWidth - 2) / 78) + 2, 0, 0);
  const pinned = view.model.get("channel") as number;
  await nextFrame();
  const height = () => {
    const size = view.model.get("tile_size") as number;
    const perRow = Math.floor((tiles.clientWidth - 2) / (size + 6));
    return Math.floor(pinned / perRow) * (size + 20) - tiles.scrollTop;
  };
  const before = height();
  view.model.set("tile_size", 48);
  await nextFrame();
  expect(height()).toBeCloseTo(before, -1);
  view.model.set("sort", "maximum");
  await nextFrame();
  expect(tiles.scrollTop).toBe(0);
  expect(view.order()).toBe(String(MANY - 1));
});

test("a wheel with Ctrl changes the size of the tiles", async () => {
  const view = await renderActivations(await tinyActivations());
  view.tiles.dispatchEvent(new WheelEvent("wheel", { deltaY: -50, ctrlKey: true, cancelable: true }));
  expect(view.model.get("tile_size")).toBeGreaterThan(72);
});

test("what lies under a resting pointer is read anew when the tiles change", async () => {
  const view = await renderActivations(await tinyActivations());
  view.pointAtCell("pointermove", 0, 3, 3);
  await nextFrame();
  expect(view.readout()[0]).toBe("3.00activation");
  view.model.set("sort", "maximum");
  await nextFrame();
  expect(view.readout()[1]).toBe("channel 2 · cell row 3, column 3");
  view.model.receive({ _sheet: wireSheet([5, 6, 7, 9], [1, 1, 2, 2]) });
  await nextFrame();
  expect(view.readout().slice(0, 2)).toEqual(["9.00activation", "channel 0 · cell row 1, column 1"]);
});

test("a sheet that is taken back takes its tiles away", async () => {
  const view = await renderActivations(await tinyActivations());
  view.model.receive({ _sheet: {} });
  await nextFrame();
  expect(view.cellAtScreen(40, 40)[3]).toBe(0);
  expect(view.find(".cnnw").hasAttribute("data-painted")).toBe(false);
  expect(view.find(".cnnw").hasAttribute("data-first")).toBe(false);
  view.model.receive({ _sheet: wireSheet(CHANNELS, [1, 4, 4, 4]) });
  await nextFrame();
  expect(paintedCells(view, 0)).toEqual([0, 85, 170, 255]);
});

test("without a sheet the place is kept and says so; a view that has gone leaves nothing", async () => {
  const model = new MockModel(await tinyActivations({ _sheet: {} }));
  const view = activatingOn(model);
  await until(() => view.find(".cnnw-tiles .cnnw-pane-note").textContent !== "", "the note is there");
  expect(view.find(".cnnw-tiles .cnnw-pane-note").textContent).toBe("No activations yet.");
  const canvases = view.all<HTMLCanvasElement>("canvas");
  view.end();
  expect(model.listenerCount).toBe(0);
  expect(canvases.every((canvas) => canvas.width * canvas.height === 0)).toBe(true);
});

test("a full row of tiles fills the pane, a short one stays together, and the gaps belong to no tile", () => {
  const shape = { rows: 7, columns: 7, pictures: 1 };
  const full = tilingFor(shape, 100, 72, 550);
  expect(full.perRow).toBe(7);
  expect(cornerOf(full, 6)[0] + 72).toBeLessThanOrEqual(550 - 4);
  expect(cornerOf(full, 6)[0] + 72).toBeGreaterThan(550 - 4 - 7);
  const gap = full.stepX - 72;
  expect(placeAt(full, 4 + 72 + gap / 2, 20)).toBe(null);
  expect(placeAt(full, 4 + full.stepX, 20)?.position).toBe(1);
  expect(tilingFor(shape, 3, 72, 550).stepX).toBe(78);
  // Two large tiles with room for almost a third are not torn apart.
  expect(tilingFor(shape, 100, 200, 600).stepX).toBe(256);
});

test("the tree stands where the Tab key comes to it: beside the picture, below it, below the tiles", async () => {
  const traits = await tinyActivations();
  for (const [width, before, after] of [
    [1100, null, "cnnw-looking"],
    [800, "cnnw-looking", "cnnw-shelf"],
    [500, "cnnw-shelf", null],
  ] as const) {
    const view = await renderActivations(traits, width);
    const tree = view.find(".cnnw-layers");
    expect([
      tree.previousElementSibling?.className ?? null,
      tree.nextElementSibling?.className ?? null,
    ]).toEqual([before, after]);
    const [at, tiles] = [tree.getBoundingClientRect(), view.tiles.getBoundingClientRect()];
    if (width > 700) expect(at.right).toBeLessThan(tiles.left);
    else expect(at.top).toBeGreaterThan(tiles.bottom);
  }
});
