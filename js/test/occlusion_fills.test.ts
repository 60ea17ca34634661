import { expect, test } from "vitest";
import { historyOf } from "../demo/occlusion_example";
import { wirePhoto } from "../demo/wire";
import { createPatchMean } from "../src/patch_mean";
import { flat, nextFrame, type Rgba, until } from "./harness";
import { renderOcclusion } from "./occlusion_harness";

const GREY: Rgba = [128, 128, 128, 255];

/** A picture whose left half has one level and whose right half another. */
function halves(width: number, height: number, left: number, right: number): HTMLCanvasElement {
  const { canvas } = flat(width, height, left);
  const context = canvas.getContext("2d");
  if (context) {
    context.fillStyle = `rgb(${right} ${right} ${right})`;
    context.fillRect(width / 2, 0, width / 2, height);
  }
  return canvas;
}

test("a rectangle is filled to its edges, an ellipse is not filled at its corners", async () => {
  const view = await renderOcclusion({ boxes: [[16, 6, 40, 30]] });
  expect(view.overAt(18, 15)).toEqual(GREY);
  expect(view.overAt(18.5, 27)).toEqual(GREY);
  view.model.receive({ shape: "ellipse" });
  await nextFrame();
  expect(view.overAt(28, 18)).toEqual(GREY);
  expect(view.overAt(18.5, 27)[3]).toBe(0);
});

test("each fill is drawn as the network gets it", async () => {
  const { data, mime } = await wirePhoto(halves(40, 40, 10, 200), "");
  const fills = {
    grey: { rgb: [128, 128, 128] },
    mean: { rgb: [10, 20, 30] },
    local_mean: { local: true },
    blur: { data, mime },
    colour: { rgb: [0, 0, 0] },
  };
  const view = await renderOcclusion({ _fills: fills, boxes: [[20, 10, 40, 30]], fill: "mean" });
  expect(view.overAt(26, 14)).toEqual([10, 20, 30, 255]);
  view.model.receive({ fill: "colour", color: "#20C040" });
  await nextFrame();
  expect(view.overAt(26, 14)).toEqual([0x20, 0xc0, 0x40, 255]);
  view.model.receive({ fill: "local_mean" });
  await nextFrame();
  // The photograph is of one grey level.
  expect(view.overAt(26, 14)).toEqual([90, 90, 90, 255]);
  view.model.receive({ fill: "blur" });
  await until(() => view.overAt(25, 14)[0] === 10, "the picture of the fill is decoded");
  // The picture of the fill covers what is seen, 10 to 50: its halves meet at 30.
  expect(view.overAt(28, 14)).toEqual([10, 10, 10, 255]);
  expect(view.overAt(32, 14)).toEqual([200, 200, 200, 255]);
});

test("keep only this hides everything that is seen but the occluders, overlapping ones too", async () => {
  const view = await renderOcclusion({
    keep: true,
    boxes: [
      [14, 4, 30, 20],
      [20, 10, 36, 26],
    ],
  });
  expect(view.overAt(45, 35)).toEqual(GREY);
  expect(view.overAt(17, 8)[3]).toBe(0);
  expect(view.overAt(26, 15)[3]).toBe(0);
  expect(view.overAt(5, 20)[3]).toBe(0);
  view.model.receive({ show: "visited" });
  await nextFrame();
  expect(view.overAt(45, 35)).toEqual(GREY);
  // A map under what is hidden shows through.
  view.model.receive({ _history: historyOf([{ box: [14, 10, 26, 22], score: 0.05 }]) });
  await nextFrame();
  expect(view.overAt(45, 35)[3]).toBeLessThan(200);
});

test("nothing is hidden outside what the network sees", async () => {
  const view = await renderOcclusion({ boxes: [[2, 12, 24, 30]] });
  expect(view.overAt(6, 24)[3]).toBe(0);
  expect(view.overAt(15, 24)).toEqual(GREY);
});

test("the mean under occluders counts every pixel once, and an ellipse only its own", async () => {
  const bitmap = await createImageBitmap(halves(40, 20, 0, 200));
  const mean = createPatchMean(bitmap, { width: 80, height: 40 });
  expect(mean.under([[0, 0, 80, 40]], "rectangle")).toEqual([100, 100, 100]);
  expect(
    mean.under(
      [
        [20, 0, 60, 40],
        [20, 0, 60, 40],
      ],
      "rectangle",
    ),
  ).toEqual([100, 100, 100]);
  expect(
    mean.under(
      [
        [0, 0, 40, 40],
        [20, 0, 44, 40],
      ],
      "rectangle",
    )[0],
  ).toBeCloseTo((200 * 2) / 22, 5);
  expect(mean.around([[40, 0, 80, 40]], "rectangle", [0, 0, 80, 40])).toEqual([0, 0, 0]);
  // The halves meet a third of the half axis right of the centre: 29.2 % of an ellipse lies beyond that.
  const [bright] = mean.under([[20, 0, 50, 40]], "ellipse");
  expect(Math.abs(bright / 200 - 0.292)).toBeLessThan(0.02);
  bitmap.close();
});

test("a fill is chosen by its button, the colour by its own field, and both are told to the kernel at once", async () => {
  const view = await renderOcclusion();
  const color = view.find<HTMLInputElement>(".cnnw-color");
  expect(color.checkVisibility()).toBe(false);
  view
    .all<HTMLButtonElement>(".cnnw-fill [role=radio]")
    .find((each) => each.textContent === "Colour")
    ?.click();
  await nextFrame();
  expect(color.checkVisibility()).toBe(true);
  color.value = "#0000ff";
  color.dispatchEvent(new Event("input", { bubbles: true }));
  await nextFrame();
  expect(view.overAt(23, 13)).toEqual([0, 0, 255, 255]);
  expect(view.model.saved).toEqual([{ fill: "colour" }, { color: "#0000ff", fill: "colour" }]);
});
