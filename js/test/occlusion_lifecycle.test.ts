import { expect, test, vi } from "vitest";
import { MockModel } from "../demo/mock_model";
import { scoreMessage } from "../demo/occlusion_example";
import type { Box } from "../src/protocol";
import { nextFrame, until } from "./harness";
import { occludingOn, renderOcclusion, tinyOcclusion } from "./occlusion_harness";

test("two views of one model are in step: boxes while they move, scores whoever asked", async () => {
  const first = await renderOcclusion();
  const second = occludingOn(first.model, 500);
  await until(() => second.overAt(26, 16)[3] === 255, "the second is painted");
  first.hand.point("pointerdown", 26, 16);
  first.hand.point("pointermove", 40, 30);
  await nextFrame();
  expect(second.overAt(40, 30)).toEqual([128, 128, 128, 255]);
  const [request] = first.requests();
  const names = ["_class_names", "_seen", "target", "shape", "keep", "measure"];
  const traits = Object.fromEntries(names.map((name) => [name, first.model.get(name)]));
  first.model.say(scoreMessage(traits, request.id, request.boxes, 0));
  await nextFrame();
  expect(second.find(".cnnw-number").textContent).toBe(first.find(".cnnw-number").textContent);
  expect(second.fact("scored")).toBe(first.fact("scored"));
  expect(second.fact("sent")).toBe("0");
  first.end();
  second.model.receive({ boxes: [[12, 2, 20, 10]] });
  await nextFrame();
  expect(second.overAt(16, 6)[3]).toBe(255);
});

test("a change from Python shows in the next frame", async () => {
  const view = await renderOcclusion();
  view.model.receive({ boxes: [[40, 30, 48, 38]], shape: "ellipse", fill: "mean", keep: true, window: 20 });
  await nextFrame();
  expect(view.fact("box")).toBe("40.0,30.0,48.0,38.0");
  const checked = view.all("[aria-checked=true]").map((each) => each.textContent);
  expect(checked).toEqual(["Ellipse", "Mean", "None"]);
  expect(view.find("[aria-pressed=true].cnnw-button").textContent).toBe("Keep only this");
  expect(view.all<HTMLSelectElement>(".cnnw-sweep select")[0].value).toBe("20");
});

test("after the end nothing is left: no elements, callbacks, canvas memory, timers, messages", async () => {
  const urls = vi.spyOn(URL, "createObjectURL");
  const outside = [vi.spyOn(document, "addEventListener"), vi.spyOn(window, "addEventListener")];
  const bitmaps = vi.spyOn(ImageBitmap.prototype, "close");
  const view = await renderOcclusion({ fill: "blur" });
  await until(() => view.overAt(26, 16)[3] === 255, "the fill is decoded");
  await view.hand.drag([26, 16], [30, 20]);
  const canvases = view.all<HTMLCanvasElement>("canvas");
  const sent = view.model.sent.length;
  const { stage } = view;
  expect(view.model.listenerCount).toBeGreaterThan(0);
  for (const spy of outside) expect(spy).not.toHaveBeenCalled();

  view.end();
  expect(view.model.listenerCount).toBe(0);
  expect(view.host.childElementCount).toBe(0);
  expect(canvases.map((canvas) => canvas.width * canvas.height)).toEqual(canvases.map(() => 0));
  // The photograph and the pictures of the two fills that have one.
  expect(bitmaps).toHaveBeenCalledTimes(3);
  expect(urls).not.toHaveBeenCalled();
  stage.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" }));
  await new Promise((done) => setTimeout(done, 350));
  expect(view.model.sent.length).toBe(sent);
  vi.restoreAllMocks();
});

test("without a picture there is a view all the same, and it comes to life with one", async () => {
  const traits = await tinyOcclusion();
  const blank = { _photo: {}, _seen: [], _grain: [], _clean: {}, _fills: {}, boxes: [] as Box[] };
  const model = new MockModel({ ...traits, ...blank });
  const view = occludingOn(model);
  expect(view.find(".cnnw-pane-note").textContent).toBe("No picture yet.");
  view.stage.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
  expect(model.sent).toEqual([]);
  model.receive(traits);
  await until(() => view.overAt(26, 16)[3] === 255, "the occluder is painted");
  expect(view.find(".cnnw-pane-note").checkVisibility()).toBe(false);
});

test("nothing overflows at any width, with names as long as they come", async () => {
  const traits = await tinyOcclusion();
  const names = (traits._class_names as string[]).map(
    (name) => `${name}, and on and on past any column there is`,
  );
  for (const width of [360, 500, 720, 900, 1200]) {
    const model = new MockModel({ ...traits, _class_names: names });
    const view = occludingOn(model, width);
    await nextFrame();
    const right = view.find(".cnnw").getBoundingClientRect().right;
    for (const element of view.all("button, select, input, canvas, p, h3, h4")) {
      if (!element.checkVisibility() || element.matches(".cnnw-aloud")) continue;
      expect(element.getBoundingClientRect().right).toBeLessThanOrEqual(right);
    }
    view.end();
  }
});
