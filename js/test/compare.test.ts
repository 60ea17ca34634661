import { expect, test } from "vitest";
import { wireMap } from "../demo/wire";
import { nextFrame, type Rendered, render, tinyTraits, until } from "./harness";

const small = wireMap([0, 1, 2, 4], [20, 40], [10, 30], { units: "logit" });
const large = wireMap([0, 100, 200, 400], [20, 40], [10, 30], { units: "score" });

async function comparing(): Promise<Rendered> {
  const view = await render(await tinyTraits({ compare: true, _maps: { grad_cam: small, cam: large } }));
  await until(() => pixel(view, 2, 30, 20)[3] === 255, "the panels are painted");
  return view;
}

function pixel(view: Rendered, panel: number, x: number, y: number): number[] {
  const canvas = view.all<HTMLCanvasElement>(".cnnw-panel canvas")[panel];
  const scale = canvas.width / 60;
  return [...(canvas.getContext("2d")?.getImageData(x * scale, y * scale, 1, 1).data ?? [])];
}

test("every method has a panel; maps of different units share one scale of shares", async () => {
  const view = await comparing();
  expect(view.all(".cnnw-panel-title").map((title) => title.textContent)).toEqual([
    "Saliency",
    "SmoothGrad",
    "CAM",
    "Grad-CAM",
  ]);
  expect(view.all(".cnnw-panel-maximum").map((each) => each.textContent)).toEqual([
    "",
    "",
    "max 400 score",
    "max 4.00 logit",
  ]);
  expect(pixel(view, 2, 30, 20)).toEqual(pixel(view, 3, 30, 20));
  expect(view.find(".cnnw-units").textContent).toBe("share of each map's maximum");
  expect(view.find(".cnnw-numbers").textContent).toBe("0 %50 %100 %");
});

test("a panel without a map says so, and says how far it is", async () => {
  const view = await comparing();
  const notes = () => view.all(".cnnw-panel .cnnw-pane-note").map((note) => note.textContent);
  expect(notes()).toEqual(["Saliency is not computed yet.", "SmoothGrad is not computed yet.", "", ""]);
  view.model.receive({
    _status: { state: "busy", method: "smoothgrad", done: 3, total: 50, message: "", remedy: "", ask: 0 },
  });
  await nextFrame();
  expect(notes()[1]).toBe("3 of 50");
});

test("pointing at one panel gives a cross-hair and the values in all", async () => {
  const view = await comparing();
  const before = pixel(view, 3, 40, 5);
  const first = view.all(".cnnw-panel .cnnw-pane")[0];
  const frame = first.getBoundingClientRect();
  const scale = frame.width / 60;
  const place = { clientX: frame.left + 40.2 * scale, clientY: frame.top + 30 * scale };
  first.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, ...place }));
  await nextFrame();
  expect(view.all(".cnnw-panel-value").map((value) => value.textContent)).toEqual([
    "",
    "",
    "100 % · 400",
    "100 % · 4.00",
  ]);
  expect(pixel(view, 3, 40, 5)).not.toEqual(before);
});

test("a panel gives no number where its map was not computed", async () => {
  const begun = wireMap([1, Number.NaN, 2, 4], [20, 40], [10, 30], { units: "logit", partial: true });
  const view = await render(await tinyTraits({ compare: true, _maps: { grad_cam: begun, cam: large } }));
  const pane = view.all(".cnnw-panel .cnnw-pane")[0];
  const frame = pane.getBoundingClientRect();
  const scale = frame.width / 60;
  const place = { clientX: frame.left + 40.2 * scale, clientY: frame.top + 8 * scale };
  pane.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, ...place }));
  await nextFrame();
  expect(view.all(".cnnw-panel-value").map((value) => value.textContent)).toEqual([
    "",
    "",
    "25 % · 100",
    "not computed yet",
  ]);
});

test("compare is asked for like a question, and back", async () => {
  const view = await render(await tinyTraits());
  view.find<HTMLButtonElement>(".cnnw-compare-toggle").click();
  await nextFrame();
  expect(view.model.saved).toEqual([{ compare: true, _ask: 1 }]);
  expect(view.all(".cnnw-panel").filter((panel) => panel.checkVisibility()).length).toBe(4);
  expect(view.find(".cnnw-picture > .cnnw-pane").checkVisibility()).toBe(false);
  view.find<HTMLButtonElement>(".cnnw-compare-toggle").click();
  await nextFrame();
  expect(view.find(".cnnw-picture > .cnnw-pane").checkVisibility()).toBe(true);
});
