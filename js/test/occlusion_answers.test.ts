import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MockModel } from "../demo/mock_model";
import { scoreMessage } from "../demo/occlusion_example";
import type { Box } from "../src/protocol";
import { nextFrame, until } from "./harness";
import { close, type Occluding, occludingOn, renderOcclusion, tinyOcclusion } from "./occlusion_harness";

const words = (view: Occluding) => view.find(".cnnw-notice-text").textContent;
const number = (view: Occluding) => view.find(".cnnw-number").textContent;
const middle = (box: Box) => [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];

/** Answers one request as the kernel would. */
async function reply(view: Occluding, request = view.requests().at(-1)): Promise<void> {
  if (!request) throw new Error("Nothing was asked.");
  view.model.say(scoreMessage(traitsOf(view), request.id, request.boxes, request.active));
  await nextFrame();
}

const traitsOf = (view: Occluding) =>
  Object.fromEntries(
    ["_class_names", "_seen", "target", "shape", "keep", "measure"].map((name) => [
      name,
      view.model.get(name),
    ]),
  );

test("a thousand moves into a kernel that takes a second stay bounded, and the last score is of the last place", async () => {
  const view = await renderOcclusion({}, { delay: 1_000 });
  const start = performance.now();
  view.hand.point("pointerdown", 26, 16);
  for (let i = 0; i < 1_000; i++) {
    view.hand.point("pointermove", 30 + 9 * Math.sin(i / 40), 20 + 9 * Math.sin(i / 25));
    if (i % 20 === 0) await nextFrame();
    expect(Number(view.fact("in-flight")) + Number(view.fact("waiting"))).toBeLessThanOrEqual(2);
  }
  view.hand.point("pointerup", 30, 20);
  const seconds = (performance.now() - start) / 1_000;
  expect(view.requests().length).toBeLessThanOrEqual(Math.floor(seconds) + 1);
  await until(() => view.fact("in-flight") === "0" && view.fact("waiting") === "0", "all is answered");
  expect(view.fact("sent")).toBe(String(view.requests().length));
  expect(view.fact("answered")).toBe(view.fact("sent"));
  expect(view.fact("scored")).toBe(view.fact("box"));
  expect(view.requests().at(-1)?.boxes).toEqual(view.boxes());
});

test("sixty moves a second into a kernel of 45 ms: never more than one in flight", async () => {
  const view = await renderOcclusion({}, { delay: 45 });
  let most = 0;
  let open = 0;
  const { send, say } = view.model;
  view.model.send = (content) => {
    if ((content as { kind: string }).kind === "place") open += 1;
    most = Math.max(most, open);
    send.call(view.model, content);
  };
  view.model.say = (content) => {
    open -= 1;
    say.call(view.model, content);
  };
  view.hand.point("pointerdown", 26, 16);
  for (let i = 0; i < 60; i++) {
    view.hand.point("pointermove", 30 + 8 * Math.sin(i / 9), 20 + 8 * Math.sin(i / 7));
    await nextFrame();
  }
  view.hand.point("pointerup", 30, 20);
  await until(() => view.fact("in-flight") === "0", "all is answered");
  expect(most).toBe(1);
  expect(view.fact("scored")).toBe(view.fact("box"));
});

test("after the hand has stopped and its score is there, nothing moves any more", async () => {
  const view = await renderOcclusion({ show: "visited" }, { delay: 20 });
  await view.hand.drag([26, 16], [34, 24], 10);
  await until(
    () => view.model.sent.some((each) => (each as { kind: string }).kind === "rest"),
    "the hand has come to rest",
  );
  await nextFrame();
  const changes: MutationRecord[] = [];
  const observer = new MutationObserver((records) => changes.push(...records));
  observer.observe(view.host, { attributes: true, childList: true, characterData: true, subtree: true });
  const sent = view.model.sent.length;
  const before = view.overAt(34, 24);
  await new Promise((done) => setTimeout(done, 400));
  observer.disconnect();
  expect(changes).toEqual([]);
  expect(view.model.sent.length).toBe(sent);
  expect(view.overAt(34, 24)).toEqual(before);
});

test("times from hand to paint and from request to score can be observed, and leave nothing behind", async () => {
  const entries: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => entries.push(...list.getEntries()));
  observer.observe({ entryTypes: ["measure"] });
  const view = await renderOcclusion({}, { delay: 5 });
  await view.hand.drag([26, 16], [34, 24]);
  await until(() => view.fact("in-flight") === "0", "the score is there");
  await until(() => entries.some(({ name }) => name === "cnnw:score"), "a time was given");
  observer.disconnect();
  const drawn = entries.filter(({ name }) => name === "cnnw:drawn");
  expect(drawn.length).toBeGreaterThanOrEqual(4);
  expect((drawn.at(-1) as PerformanceMeasure).detail.box).toEqual(view.boxes()[0]);
  expect(performance.getEntriesByType("measure")).toEqual([]);
});

test("the score, its change, the bars and the flag are those of the answer", async () => {
  const view = await renderOcclusion();
  expect(number(view)).toBe("57.9 %");
  expect(view.find(".cnnw-change").textContent).toBe("");
  // The tree of the made-up network stands left of the middle.
  await view.hand.drag([26, 16], [18.8, 16.8]);
  const request = view.requests()[0];
  const whole: Box = [11, 6, 27, 28];
  await reply(view, { ...request, boxes: [whole] });
  expect(number(view)).toBe("2.9 %");
  expect(view.find(".cnnw-change").textContent).toMatch(/^−5\d\.\d points$/);
  expect(view.find(".cnnw-flag").textContent).toBe("Top class is now lynx, catamount (was Egyptian cat)");
  expect(close((view.fact("scored") ?? "").split(",").map(Number) as unknown as Box, whole)).toBe(true);
  const names = view.all(".cnnw-class-name").map((each) => each.textContent);
  expect(names[0]).toBe("lynx, catamount");
  const pressed = view.all(".cnnw-class[aria-pressed=true]");
  expect(pressed.map((row) => row.querySelector(".cnnw-class-change")?.textContent)).toEqual([
    view.find(".cnnw-change").textContent?.replace(" points", ""),
  ]);
  const tick = pressed[0].querySelector<HTMLElement>(".cnnw-bar-tick");
  expect(Number.parseFloat(tick?.style.left ?? "")).toBeCloseTo(57.9, 0);
});

test("a screen reader hears the score and the place once the hand rests", async () => {
  const view = await renderOcclusion({}, { delay: 1 });
  const aloud = view.find(".cnnw-aloud");
  view.stage.focus();
  view.hand.press("ArrowRight");
  await until(() => aloud.textContent?.includes("clean") ?? false, "the score is said");
  expect(aloud.ariaLive).toBe("polite");
  expect(aloud.textContent).toMatch(
    /^Egyptian cat \d+\.\d %, \d+ points less than clean\. Occluder at 11, 10, 12 by 12 pixels\.$/,
  );
});

test("a screen reader hears the place of every step, even if the kernel does not answer", async () => {
  const view = await renderOcclusion({}, { dead: true });
  const said = (words: string) =>
    until(() => view.find(".cnnw-aloud").textContent === words, `"${words}" is said`);
  view.hand.press("ArrowRight");
  await said("Occluder at 11, 10, 12 by 12 pixels.");
  view.hand.press("ArrowDown", { shiftKey: true });
  await said("Occluder at 11, 10, 12 by 13 pixels.");
  view.hand.press("p");
  view.hand.press("n");
  await said("Occluder 1 of 2 at 11, 10, 12 by 13 pixels.");
});

test("a score that nobody asked for is shown, as are those of another view", async () => {
  const view = await renderOcclusion();
  await reply(view, { id: -1, boxes: view.boxes(), active: 0 });
  expect(view.fact("scored")).toBe("20.0,10.0,32.0,22.0");
  await reply(view, { id: 12345, boxes: [[30, 20, 40, 30]], active: 0 });
  expect(view.fact("scored")).toBe("30.0,20.0,40.0,30.0");
  expect(view.fact("answered")).toBe("0");
});

test("a bar or the search aims at another class: name and number stay together until its score comes", async () => {
  const view = await renderOcclusion();
  await view.hand.drag([26, 16], [30, 20]);
  await reply(view);
  const before = number(view);
  view.all<HTMLButtonElement>(".cnnw-class")[1].click();
  await nextFrame();
  expect(view.model.saved).toContainEqual(expect.objectContaining({ target: 281 }));
  expect([view.find(".cnnw-target").textContent, number(view)]).toEqual(["Egyptian cat", before]);
  await reply(view, { id: -1, boxes: view.boxes(), active: 0 });
  expect(view.find(".cnnw-target").textContent).toBe("tabby, tabby cat");
});

test("a model that raises says so in words, and the next drag works again", async () => {
  const view = await renderOcclusion({}, { delay: 1, failing: (box) => middle(box)[0] > 30 });
  await view.hand.drag([26, 16], [40, 16]);
  await until(() => words(view)?.startsWith("The model raised RuntimeError") ?? false, "the error is said");
  expect(view.find(".cnnw-status").dataset.kind).toBe("error");
  expect(view.find(".cnnw-remedy").textContent).toContain("the next drag tries again");
  await view.hand.drag([40, 16], [22, 16]);
  await until(() => view.find(".cnnw-status").dataset.kind === "quiet", "the error is gone");
  await until(() => view.fact("in-flight") === "0", "all is answered");
  expect(view.fact("scored")).toBe(view.fact("box"));
});

test("a message that breaks the contract is said in words", async () => {
  const view = await renderOcclusion();
  await view.hand.drag([26, 16], [30, 16]);
  view.model.say({ kind: "score", id: 1, boxes: [[1, 2, 3]] });
  await nextFrame();
  expect(words(view)).toBe("score.boxes[0] is [1,2,3], not [left, top, right, bottom].");
  await reply(view);
  expect(words(view)).not.toContain("score.boxes");
});

test("messages of other kinds are none of its business", async () => {
  const view = await renderOcclusion();
  view.model.say({ kind: "weather", sun: true });
  await nextFrame();
  expect(view.find(".cnnw-status").dataset.kind).toBe("quiet");
});

test("the last answer of the state shows on opening, without asking the kernel", async () => {
  const traits = await tinyOcclusion();
  const boxes: Box[] = [[20, 10, 32, 22]];
  const model = new MockModel({ ...traits, _answer: scoreMessage(traits, 7, boxes, 0) });
  const view = occludingOn(model);
  await nextFrame();
  expect(view.fact("scored")).toBe("20.0,10.0,32.0,22.0");
  expect(view.find(".cnnw-change").textContent).toMatch(/points$/);
  expect(model.sent).toEqual([]);
});

test("where an answer is late its own place is outlined", async () => {
  const view = await renderOcclusion();
  await view.hand.drag([26, 16], [28, 16]);
  await reply(view);
  await view.hand.drag([28, 16], [42, 30]);
  const lit = () =>
    [22.5, 24, 26, 27, 28, 29, 30].some((x) => [10.02, 10.1, 9.98].some((y) => view.overAt(x, y)[3] > 0));
  expect(lit()).toBe(true);
  while (view.fact("in-flight") === "1") await reply(view);
  expect(view.fact("scored")).toBe(view.fact("box"));
  expect(lit()).toBe(false);
});

beforeEach(({ task }) => {
  if (task.name.startsWith("Silence"))
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function after(milliseconds: number): Promise<void> {
  await nextFrame();
  vi.advanceTimersByTime(milliseconds);
  await nextFrame();
  await nextFrame();
}

test("Silence of a kernel is named after a second, called silence after ten, and ends with any answer", async () => {
  const view = await renderOcclusion();
  const hint = words(view);
  await view.hand.drag([26, 16], [30, 16]);
  await after(900);
  expect(words(view)).toBe(hint);
  await after(200);
  expect(words(view)).toBe("Waiting for the kernel…");
  await view.hand.drag([30, 16], [34, 16]);
  await after(9_000);
  expect(words(view)).toBe(
    "The kernel does not answer: it is busy or stopped. What is already here can still be explored.",
  );
  await reply(view);
  expect(words(view)).toBe(hint);
});

test("Silence of a kernel that was shut down, where sending throws: what is here can still be explored", async () => {
  const view = await renderOcclusion({ show: "visited", opacity: 1 });
  await view.hand.drag([26, 16], [30, 16]);
  while (view.fact("in-flight") === "1") await reply(view);
  const painted = view.underAt(30, 16);
  expect(painted).not.toEqual([90, 90, 90, 255]);
  const send = vi.spyOn(view.model, "send").mockImplementation(() => {
    throw new Error("Cannot send");
  });
  await after(400);
  await view.hand.drag([30, 16], [40, 20]);
  await after(4_000);
  await view.hand.drag([40, 20], [36, 20]);
  expect(close(view.boxes()[0], [30, 14, 42, 26])).toBe(true);
  view
    .all<HTMLButtonElement>("button")
    .find((each) => each.textContent === "Sweep the picture")
    ?.click();
  view.model.set("show", "visited");
  await after(10_000);
  const kinds = send.mock.calls.map(([content]) => (content as { kind: string }).kind);
  expect(kinds).toEqual(["rest", "place", "place", "sweep"]);
  expect(words(view)).toMatch(/^The kernel does not answer/);
  expect(view.underAt(30, 16)).toEqual(painted);
});

test("Silence after a sweep was asked for is named too, until its status comes", async () => {
  const view = await renderOcclusion();
  view
    .all<HTMLButtonElement>("button")
    .find((each) => each.textContent === "Sweep the picture")
    ?.click();
  await after(1_100);
  expect(words(view)).toBe("Waiting for the kernel…");
  const status = view.model.get("_status") as object;
  view.model.receive({ _status: { ...status, state: "busy", message: "places", done: 0, total: 0 } });
  await after(300);
  expect(words(view)).toBe("Sweep: preparing");
});

test("Silence after another question is named too", async () => {
  const view = await renderOcclusion();
  view.all<HTMLButtonElement>("[role=radio]")[1].click();
  await after(1_100);
  expect(words(view)).toBe("Waiting for the kernel…");
  await reply(view, { id: -1, boxes: view.boxes(), active: 0 });
  expect(words(view)).not.toContain("kernel");
});
