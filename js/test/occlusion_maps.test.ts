import { expect, test } from "vitest";
import { historyOf, scoreMessage, sweepOf } from "../demo/occlusion_example";
import { wireMap } from "../demo/wire";
import { valueAt } from "../src/field";
import { EMPTY, type OcclusionState, type Visit } from "../src/occlusion_state";
import type { Box } from "../src/protocol";
import { createVisited } from "../src/visited";
import { nextFrame, until } from "./harness";
import { close, type Occluding, renderOcclusion, SEEN, tinyOcclusion } from "./occlusion_harness";

const state: OcclusionState = {
  ...EMPTY,
  seen: SEEN,
  clean: { predictions: [], score: 0.6, units: "probability" },
};
const visit = (box: Box, score: number): Visit => ({ box, score });

const button = (view: Occluding, label: string) => {
  const found = view.all<HTMLButtonElement>("button").find((each) => each.textContent === label);
  if (!found) throw new Error(`There is no button ${label}.`);
  return found;
};
const kinds = (view: Occluding) => view.model.sent.map((each) => (each as { kind: string }).kind);
const readout = (view: Occluding) => view.all(".cnnw-readout > *").map((line) => line.textContent);

test("every cell that was hidden has the mean of what hiding it cost, the others have nothing", () => {
  const visits = [visit([20, 10, 30, 20], 0.1), visit([25, 10, 35, 20], 0.5)];
  const map = createVisited().mapOf(state, visits);
  if (!map) throw new Error("no map");
  expect([map.columns, map.rows]).toEqual([40, 40]);
  expect(valueAt(map, 21.5, 15)).toBeCloseTo(0.5, 6);
  expect(valueAt(map, 27.5, 15)).toBeCloseTo(0.3, 6);
  expect(valueAt(map, 33.5, 15)).toBeCloseTo(0.1, 6);
  expect(valueAt(map, 40, 15)).toBeNaN();
  expect(valueAt(map, 27.5, 20.5)).toBeNaN();
});

test("painting goes on where it stood, begins anew for another list, and an ellipse paints an ellipse", () => {
  const visited = createVisited();
  const visits = [visit([20, 10, 30, 20], 0.1)];
  const first = visited.mapOf(state, visits);
  expect(visited.mapOf(state, visits)).toBe(first);
  visits.push(visit([20, 10, 30, 20], 0.3));
  const second = visited.mapOf(state, visits);
  expect(second && valueAt(second, 21.5, 15)).toBeCloseTo(0.4, 6);
  const third = visited.mapOf(state, [visit([20, 10, 30, 20], 0.2)]);
  expect(third && valueAt(third, 21.5, 15)).toBeCloseTo(0.4, 6);
  const round = visited.mapOf({ ...state, shape: "ellipse" }, visits);
  expect(round && valueAt(round, 20.5, 10.5)).toBeNaN();
  expect(round && valueAt(round, 25, 15)).toBeCloseTo(0.4, 6);
  expect(visited.mapOf(state, [])).toBe(null);
});

test("places that the hand visits are painted live, and stay when the kernel writes them down", async () => {
  const view = await renderOcclusion({ show: "visited", opacity: 1 }, { delay: 1 });
  const plain = view.underAt(16, 16);
  await view.hand.drag([26, 16], [17, 17], 6);
  await until(() => view.underAt(16, 16)[0] !== plain[0], "the place is painted");
  await until(() => view.fact("in-flight") === "0", "all is answered");
  expect(kinds(view)).not.toContain("rest");
  const painted = view.underAt(16, 16);
  // Hiding the tree costs: red.
  expect(painted[0]).toBeGreaterThan(painted[2] + 50);
  expect(view.underAt(45, 35)).toEqual([90, 90, 90, 255]);
  await until(() => kinds(view).includes("rest"), "the hand rests");
  await nextFrame();
  expect(view.model.get("_history")).toMatchObject({ count: view.requests().length });
  expect(view.underAt(16, 16)).toEqual(painted);
});

test("another fill or target empties the map of the hand, and so does Clear", async () => {
  const history = historyOf([{ box: [14, 10, 26, 22], score: 0.05 }]);
  const view = await renderOcclusion({ show: "visited", opacity: 1, _history: history }, { delay: 10 });
  await nextFrame();
  expect(view.underAt(20, 15)).not.toEqual([90, 90, 90, 255]);
  view.model.receive({ target: 281 });
  await nextFrame();
  expect(view.underAt(20, 15)).toEqual([90, 90, 90, 255]);
  view.model.receive({ _history: historyOf([{ box: [14, 10, 26, 22], score: 0.5 }]) });
  await nextFrame();
  expect(view.underAt(20, 15)).not.toEqual([90, 90, 90, 255]);
  button(view, "Clear").click();
  await nextFrame();
  expect(kinds(view)).toEqual(["forget"]);
  expect(view.underAt(20, 15)).toEqual([90, 90, 90, 255]);
});

test("an answer to another question than the present one is neither painted nor traced", async () => {
  const other = [
    { shape: "ellipse" },
    { fill: "blur" },
    { keep: true },
    { measure: "output" },
    { fill: "colour", color: "#ff0000" },
    { boxes: [SEEN, [20, 10, 32, 22]], active: 1 },
  ];
  for (const change of other) {
    const view = await renderOcclusion({ show: "visited", opacity: 1 });
    const range = () => view.find(".cnnw-trace-range").textContent;
    const say = async (request: { id: number; boxes: Box[]; active: number }) => {
      view.model.say(scoreMessage(await tinyOcclusion(), request.id, request.boxes, request.active));
      await nextFrame();
    };
    await view.hand.drag([26, 16], [30, 16], 1);
    const [late] = view.requests();
    view.model.receive(change);
    await say(late);
    expect(view.fact("answered")).toBe("1");
    expect(range()).toContain("no places visited yet");
    expect(view.underAt(30, 16)).toEqual([90, 90, 90, 255]);
    view.hand.press("ArrowDown");
    await say(view.requests()[1]);
    expect(range()).not.toContain("no places visited yet");
    view.end();
  }
});

test("a sweep is asked for with what was chosen, shows its progress and the time left, and can be cancelled", async () => {
  const view = await renderOcclusion({ window: 8, stride: 8 }, { delay: 1 });
  const [window] = view.all<HTMLSelectElement>(".cnnw-sweep select");
  window.value = "12";
  window.dispatchEvent(new Event("change", { bubbles: true }));
  button(view, "Sweep the picture").click();
  expect(view.model.saved[0]).toEqual({ window: 12 });
  expect([view.model.get("show"), kinds(view)]).toEqual(["sweep", ["sweep"]]);
  const words = () => view.find(".cnnw-notice-text").textContent ?? "";
  await until(() => /^Sweep: \d+ of 169 places, about .* left$/.test(words()), "progress is said");
  await until(() => view.underAt(15, 15)[0] !== 90, "the first places are painted");
  button(view, "Cancel").click();
  await nextFrame();
  expect(kinds(view)).toEqual(["sweep", "cancel"]);
  expect(words()).toMatch(/^Cancelled after (10|30|70|120) of 169 places\. Hatched: not computed\.$/);
  expect(view.model.get("_sweep")).toMatchObject({ partial: true });
  expect(button(view, "Sweep").className).toContain("cnnw-action");
});

test("pointing at the sweep reads its value and cell", async () => {
  const sweep = {
    ...wireMap([0.3, 0.1, -0.2, 0], [20, 40], [10, 30], { units: "probability" }),
    window: [8, 6],
  };
  const view = await renderOcclusion({ show: "sweep", _sweep: sweep });
  view.hand.point("pointermove", 20.5, 10.5);
  await nextFrame();
  expect(readout(view)[1]).toBe("pixel 20, 10 · cell row 0, column 0 of 2×2");
  expect(Number(view.find(".cnnw-value").textContent)).toBeCloseTo(0.29, 1);
  view.model.receive({ show: "visited" });
  await nextFrame();
  expect(readout(view)).toEqual(["not visited yet", "pixel 20, 10"]);
});

test("hardest hit and most helped bring the occluder there, with the window and shape of the sweep", async () => {
  const sweep = {
    ...wireMap([0.1, 0.3, -0.2, 0], [20, 40], [10, 30], { units: "probability" }),
    window: [8, 6],
    outline: "ellipse",
  };
  const view = await renderOcclusion({ show: "sweep", _sweep: sweep });
  expect(button(view, "Hardest hit").title).toBe("−30.0 points");
  button(view, "Hardest hit").click();
  expect(close(view.boxes()[0], [36, 7, 44, 13])).toBe(true);
  expect(view.model.get("shape")).toBe("ellipse");
  button(view, "Most helped").click();
  expect(close(view.boxes()[0], [16, 27, 24, 33])).toBe(true);
  expect(view.requests().length).toBe(1);
  view.model.receive({ _sweep: { ...sweep, ...wireMap([0.1, 0.3, 0.2, 0], [20, 40], [10, 30]) } });
  await nextFrame();
  expect(button(view, "Most helped").ariaDisabled).toBe("true");
  button(view, "Most helped").click();
  expect(close(view.boxes()[0], [16, 27, 24, 33])).toBe(true);
});

const none = Number.NaN;

/** Of four places two were computed: the upper left one and the lower right one. */
const begun = (values = [0.1, none, none, -0.2], more = {}) => ({
  ...wireMap(values, [20, 40], [10, 30], { units: "probability", partial: true }),
  window: [8, 6],
  ...more,
});

test("what was not computed is hatched and without a number, what was is painted and read", async () => {
  const one = begun([0.1, none, none, none]);
  const view = await renderOcclusion({ show: "sweep", _sweep: one, opacity: 1, boxes: [[12, 1, 14, 3]] });
  await nextFrame();
  const computed = view.underAt(25, 15);
  // A drop is red, and its part of the picture has one colour.
  expect(computed[0]).toBeGreaterThan(computed[2] + 50);
  expect(view.underAt(18, 8)).toEqual(computed);
  expect(view.underAt(29, 19)).toEqual(computed);
  const along = Array.from({ length: 60 }, (_, i) => view.underAt(32 + i / 4, 10));
  for (const [red, green, blue] of along) expect([green, blue]).toEqual([red, red]);
  const levels = along.map(([red]) => red);
  // A veil over the grey of the picture, with light and dark stripes.
  expect(Math.max(...levels)).toBeGreaterThan(120);
  expect(Math.min(...levels)).toBeLessThan(90);
  view.hand.point("pointermove", 20.5, 12.5);
  await nextFrame();
  expect(Number(view.find(".cnnw-value").textContent)).toBeCloseTo(0.1, 3);
  view.hand.point("pointermove", 39.5, 10.5);
  await nextFrame();
  expect(readout(view)).toEqual(["not computed yet", "pixel 39, 10 · cell row 0, column 1 of 2×2"]);
  expect(view.find(".cnnw-marker").hidden).toBe(true);
});

test("hatching takes the opacity 0 for the picture alone, and does not reach beyond what the network sees", async () => {
  const view = await renderOcclusion({ show: "sweep", _sweep: begun([none, none, none, none]) });
  await nextFrame();
  const margin = view.underAt(5, 20);
  view.model.set("opacity", 0);
  await nextFrame();
  expect(view.underAt(40, 30)).toEqual([90, 90, 90, 255]);
  expect(view.underAt(5, 20)).toEqual(margin);
});

test("hardest hit and most helped are looked for among the places that were computed", async () => {
  const view = await renderOcclusion({ show: "sweep", _sweep: begun() });
  expect(button(view, "Hardest hit").title).toBe("−10.0 points (of the places computed so far)");
  button(view, "Hardest hit").click();
  expect(close(view.boxes()[0], [16, 7, 24, 13])).toBe(true);
  button(view, "Most helped").click();
  expect(close(view.boxes()[0], [36, 27, 44, 33])).toBe(true);
  view.model.receive({ _sweep: begun([none, none, none, -0.2]) });
  await nextFrame();
  expect(button(view, "Hardest hit").ariaDisabled).toBe("true");
  button(view, "Hardest hit").click();
  expect(close(view.boxes()[0], [36, 27, 44, 33])).toBe(true);
});

test("a page that opens after a cancelled sweep says how far it came and shows what there is", async () => {
  const words = "Cancelled after 180 of 3,025 places. Hatched: not computed.";
  const status = { state: "cancelled", method: "occlusion", done: 180, total: 3025, message: words };
  const view = await renderOcclusion({ show: "sweep", _sweep: begun(), _status: status });
  expect(view.find(".cnnw-notice-text").textContent).toBe(words);
  view.model.receive({ _status: { state: "busy", done: 180, total: 3025, message: "places" } });
  await until(
    () => view.find(".cnnw-notice-text").textContent === "Sweep: 180 of 3,025 places",
    "progress is said",
  );
});

test("an exported page shows the sweep and the map of the hand", async () => {
  const traits = await tinyOcclusion();
  const history = historyOf([{ box: [14, 10, 26, 22], score: 0.05 }]);
  const view = await renderOcclusion({ _history: history, _sweep: sweepOf(traits, 5), opacity: 1 });
  button(view, "By hand").click();
  await nextFrame();
  expect(view.underAt(20, 15)[0]).toBeGreaterThan(view.underAt(20, 15)[2] + 50);
  expect(view.underAt(45, 35)).toEqual([90, 90, 90, 255]);
  view
    .all<HTMLButtonElement>("[role=radio]")
    .find((each) => each.textContent === "Sweep")
    ?.click();
  await nextFrame();
  expect(view.underAt(45, 35)).not.toEqual([90, 90, 90, 255]);
});

test("the course of the score is drawn, with its range in words", async () => {
  const visits = [0.5, 0.2, 0.8].map((score) => ({ box: [14, 10, 26, 22], score }));
  const view = await renderOcclusion({ _history: historyOf(visits) });
  await nextFrame();
  expect(view.find(".cnnw-trace-range").textContent).toBe("20.0 % to 80.0 % · clean 57.9 %");
  expect(view.find(".cnnw-trace").ariaLabel).toContain("the last 3 places");
  const trace = view.find<HTMLCanvasElement>(".cnnw-trace");
  const { data } = trace.getContext("2d")?.getImageData(0, 0, 8, trace.height) ?? { data: [] };
  expect(data.some((value) => value > 0)).toBe(true);
});
