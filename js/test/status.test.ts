import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { wireMap } from "../demo/wire";
import { nextFrame, type Rendered, render, tinyTraits } from "./harness";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const status = (state: string, more: object = {}) => ({
  _status: { state, method: "smoothgrad", done: 12, total: 50, message: "", remedy: "", ask: 0, ...more },
});

async function after(milliseconds: number): Promise<void> {
  // What came before must have been painted, or its clock would start only now.
  await nextFrame();
  vi.advanceTimersByTime(milliseconds);
  await nextFrame();
  await nextFrame();
}

const words = (view: Rendered) => view.find(".cnnw-notice-text").textContent;
const action = (view: Rendered) => view.find<HTMLButtonElement>(".cnnw-action");
const topOf = (view: Rendered, selector: string) => view.find(selector).getBoundingClientRect().top;

test("progress shows after 200 ms, moves nothing, and can be cancelled", async () => {
  const view = await render(await tinyTraits({ method: "smoothgrad" }), 500);
  const before = [topOf(view, ".cnnw-legend"), topOf(view, ".cnnw-top")];
  view.model.receive(status("busy", { message: "samples" }));
  await after(100);
  const bar = view.find("[role=progressbar]");
  expect(bar.checkVisibility({ visibilityProperty: true })).toBe(false);
  await after(150);
  expect(bar.checkVisibility({ visibilityProperty: true })).toBe(true);
  expect(bar.ariaValueNow).toBe("24");
  expect(words(view)).toBe("SmoothGrad: 12 of 50 samples");
  expect([topOf(view, ".cnnw-legend"), topOf(view, ".cnnw-top")]).toEqual(before);
  expect(action(view).textContent).toBe("Cancel");
  action(view).click();
  expect(view.model.sent).toEqual([{ kind: "cancel" }]);
});

test("what was cancelled is said, with a way to compute it after all", async () => {
  const view = await render(await tinyTraits({ ...status("cancelled"), method: "smoothgrad" }));
  expect(words(view)).toBe("Cancelled: SmoothGrad stopped at 12 of 50.");
  expect(action(view).textContent).toBe("Compute");
  action(view).click();
  expect(view.model.sent).toEqual([{ kind: "retry" }]);
  await after(1_100);
  expect(words(view)).toBe("Waiting for the kernel…");
  await after(9_000);
  expect(words(view)).toContain("The kernel does not answer");
});

test("what a cancelled SmoothGrad has averaged is shown, and how many samples that are is said", async () => {
  const message = "Cancelled after 12 of 50 samples; the map shows these.";
  const map = wireMap([0, 1, 2, 4], [20, 40], [10, 30], { partial: true });
  const view = await render(
    await tinyTraits({
      ...status("cancelled", { message }),
      method: "smoothgrad",
      _maps: { smoothgrad: map },
    }),
  );
  expect(words(view)).toBe(message);
  expect(view.pixelAt(40, 30)[0]).toBeGreaterThanOrEqual(253);
  expect(view.find(".cnnw-pane-note").hidden).toBe(true);
});

test("an error is shown in words with its remedy, and can be retried", async () => {
  const view = await render(
    await tinyTraits(status("error", { message: "Layer fc has no height.", remedy: "Choose layer4." })),
  );
  expect(words(view)).toBe("Layer fc has no height.");
  expect(view.find(".cnnw-remedy").textContent).toBe("Choose layer4.");
  action(view).click();
  expect(view.model.sent).toEqual([{ kind: "retry" }]);
});

test("a kernel that owes an answer is waited for in words, then called silent, and nothing is blocked", async () => {
  const view = await render(await tinyTraits());
  view.all<HTMLButtonElement>("[role=radio]")[0].click();
  await after(900);
  expect(words(view)).not.toContain("kernel");
  await after(200);
  expect(words(view)).toBe("Waiting for the kernel…");
  await after(9_000);
  expect(words(view)).toBe(
    "The kernel does not answer: it is busy or stopped. What is already here can still be explored.",
  );
  view.all<HTMLButtonElement>("[role=radio]")[3].click();
  await nextFrame();
  expect(view.find(".cnnw-pane-note").checkVisibility()).toBe(false);
  view.model.receive(status("idle", { ask: view.model.get("_ask") as number }));
  await nextFrame();
  expect(words(view)).not.toContain("kernel");
});

test("a sign of life ends the silence", async () => {
  const view = await render(await tinyTraits(status("busy")));
  await after(10_100);
  expect(words(view)).toBe("SmoothGrad: 12 of 50. No news for 10 s.");
  view.model.receive(status("busy", { done: 13 }));
  await after(300);
  expect(words(view)).toBe("SmoothGrad: 13 of 50");
});

test("a trait that breaks the contract is said in words, and the last good state stays", async () => {
  const view = await render(await tinyTraits());
  view.model.receive({ sign: "sideways" });
  await nextFrame();
  expect(words(view)).toBe('sign is "sideways", not one of positive, negative, absolute, both.');
  view.model.receive({ sign: "absolute" });
  await nextFrame();
  expect(words(view)).not.toContain("sideways");
});
