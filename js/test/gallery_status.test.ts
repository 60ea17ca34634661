import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Traits } from "../demo/example";
import { READERS } from "../src/gallery_readers";
import { ProtocolError } from "../src/readers";
import { answeredTraits, LARGE, renderGallery } from "./gallery_harness";
import { nextFrame, type Rendered } from "./harness";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const DEAD = { dead: true };
const words = (view: Rendered) => view.find(".cnnw-notice-text").textContent;
const build = (more: Traits) => ({
  _build: { state: "building", done: 0, total: 2_000, skipped: 0, seconds_left: null, ...more },
});
const panel = (view: Rendered) => [
  view.find(".cnnw-build .cnnw-heading").textContent,
  view.find(".cnnw-build .cnnw-quiet").textContent,
  view.find(".cnnw-build button").textContent,
];

async function after(milliseconds: number): Promise<void> {
  await nextFrame();
  vi.advanceTimersByTime(milliseconds);
  await nextFrame();
  await nextFrame();
}

test("a build shows how far it is and how long it takes, stops and goes on", async () => {
  const view = await renderGallery(
    { _layers: [], _wall: {}, ...build({ done: 340, skipped: 2, seconds_left: 41 }) },
    DEAD,
  );
  expect(panel(view)).toEqual(["Indexing: 340 of 2,000 images", "about 41 s left · 2 skipped", "Stop"]);
  expect(view.find("[aria-label='Images indexed']").getAttribute("aria-valuenow")).toBe("17");
  expect(view.find(".cnnw-bench").checkVisibility()).toBe(false);
  view.find(".cnnw-build button").click();
  view.model.receive(build({ state: "stopped", done: 350, message: "Stopped." }));
  await nextFrame();
  expect(panel(view)).toEqual(["Stopped at 350 of 2,000 images", "what is indexed so far is kept", "Resume"]);
  view.find(".cnnw-build button").click();
  expect(view.model.sent).toEqual([{ kind: "stop" }, { kind: "resume" }]);
  view.model.receive({ ...(await answeredTraits()), ...build({ state: "done", done: 1_998 }) });
  await nextFrame();
  expect(view.find(".cnnw-build").checkVisibility()).toBe(false);
  expect(view.find(".cnnw-bench").checkVisibility()).toBe(true);
});

test("a build of which nothing is heard says so", async () => {
  const view = await renderGallery({ _layers: [], _wall: {}, ...build({ done: 10 }) }, DEAD);
  await after(10_100);
  expect(panel(view)[1]).toContain("No news for 10 s.");
  view.model.receive(build({ done: 20 }));
  await nextFrame();
  expect(panel(view)[1]).toBe("");
});

test("a build that failed says why and what to do; an old index stays on show", async () => {
  const error = { state: "error", done: 5, message: "The disk is full.", remedy: "Make room." };
  const view = await renderGallery({ _layers: [], _wall: {}, ...build(error) }, DEAD);
  expect(panel(view)).toEqual(["The index could not be made", "The disk is full. Make room.", "Try again"]);
  view.end();
  const old = await renderGallery(build({ ...error, message: "The weights have changed." }), DEAD);
  expect(panel(old)[2]).toBe("Index anew");
  expect(old.tiles().length).toBe(16);
});

test("what could not be read is listed with its reason", async () => {
  const view = await renderGallery(
    build({ state: "done", done: 8, skipped: 2, skipped_list: [{ name: "a.jpg", reason: "truncated" }] }),
    DEAD,
  );
  expect(view.find(".cnnw-skipped summary").textContent).toBe(
    "2 images could not be read; the first 1 of them",
  );
  expect(view.find(".cnnw-skipped li").textContent).toBe("a.jpg: truncated");
});

test("a channel that nobody sends is waited for in words, and what is there stays", async () => {
  const view = await renderGallery({}, DEAD);
  const values = view.values();
  view.find("button[aria-label='Next channel']").click();
  await after(1_100);
  expect(words(view)).toBe("Waiting for the kernel…");
  await after(9_000);
  expect(words(view)).toContain("The kernel does not answer");
  expect(view.values()).toEqual(values);
  expect(view.find(".cnnw-gallery-main").hasAttribute("data-stale")).toBe(true);
});

test("work shows how far it is, and can be cancelled", async () => {
  const status = { method: "gallery", message: "patches", remedy: "", ask: 0, done: 12, total: 48 };
  const view = await renderGallery({ _status: { ...status, state: "busy" } }, DEAD);
  await after(250);
  expect(words(view)).toBe("Patches: 12 of 48 patches");
  view.button("Cancel").click();
  expect(view.model.sent).toEqual([{ kind: "cancel" }]);
});

test("rows that nobody sends are waited for in words", async () => {
  const view = await renderGallery({ view: "overview" }, DEAD);
  await after(1_100);
  expect(words(view)).toBe("Waiting for the kernel…");
});

test("after the end nothing is left", async () => {
  const view = await renderGallery({ view: "overview" }, DEAD);
  view.end();
  view.model.receive({ view: "wall" });
  await nextFrame();
  expect(view.model.listenerCount).toBe(0);
  expect(view.host.isConnected).toBe(false);
  expect(view.root.isConnected).toBe(false);
});

test("what breaks the contract is named", async () => {
  const traits = await answeredTraits();
  const wall = traits._wall as Traits;
  const read = (change: Traits) => () => READERS.wall.read({ ...wall, ...change }, "_wall");
  const [patch] = wall.patches as Traits[];
  expect(read({ patches: [{ ...patch, picture: 99 }] })).toThrow(ProtocolError);
  expect(read({ patches: [{ ...patch, kind: "best" }] })).toThrow(
    '_wall.patches[0].kind is "best", not one of',
  );
  expect(read({ images: { ...(wall.images as Traits), places: [] } })).toThrow(
    "_wall.images.places is 0, not a list of",
  );
  expect(read({ histogram: { edges: [0], counts: [1] } })).toThrow("not 2 numbers");
  expect(READERS.wall.read({}, "_wall")).toBe(null);
  const view = await renderGallery({ _wall: { layer: LARGE } }, DEAD);
  expect(words(view)).toContain("_wall.channel is undefined");
});
