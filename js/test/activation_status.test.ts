import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Traits } from "../demo/example";
import { nextFrame, type Rendered } from "./harness";
import { gridTraits, renderGrid } from "./layers_harness";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const words = (view: Rendered) => view.find(".cnnw-notice-text").textContent;
const action = (view: Rendered) => view.find<HTMLButtonElement>(".cnnw-action");
const status = (more: Traits) => ({
  _status: {
    state: "idle",
    method: "activations",
    done: 0,
    total: 0,
    message: "",
    remedy: "",
    ask: 0,
    ...more,
  },
});

async function after(milliseconds: number): Promise<void> {
  await nextFrame();
  vi.advanceTimersByTime(milliseconds);
  await nextFrame();
  await nextFrame();
}

test("at rest the line says what the tiles are, and what a reader has to know of them", async () => {
  const view = await renderGrid("act1", {}, { dead: true });
  expect(words(view)).toBe("act1: 32 channels of 112×112 cells.");
  view.model.receive({ _sheet: { ...(view.model.get("_sheet") as Traits), merged: 2, measured: true } });
  await nextFrame();
  expect(words(view)).toBe(
    "act1: 32 channels of 112×112 cells. 2×2 cells stand as one here, by their largest magnitude. " +
      "Where the cells look was measured by the gradient.",
  );
});

test("a layer that is asked for in vain is waited for in words, and what is there stays", async () => {
  const view = await renderGrid("act1", {}, { dead: true });
  view.all("[role=treeitem]")[0].click();
  await after(1_100);
  expect(words(view)).toBe("Waiting for the kernel…");
  await after(9_000);
  expect(words(view)).toContain("The kernel does not answer");
  view.model.receive({ ...(await gridTraits("conv_stem")), layer: "conv_stem", ...status({ ask: 1 }) });
  await nextFrame();
  expect(words(view)).toBe("conv_stem: 32 channels of 112×112 cells.");
});

test("work shows how far it is and can be cancelled; what was cancelled can be computed", async () => {
  const view = await renderGrid("act1", {}, { dead: true });
  view.model.receive(status({ state: "busy", done: 3, total: 12, message: "layers" }));
  await after(250);
  expect([words(view), action(view).textContent]).toEqual(["Activations: 3 of 12 layers", "Cancel"]);
  action(view).click();
  view.model.receive(status({ state: "cancelled" }));
  await nextFrame();
  expect([words(view), action(view).textContent]).toEqual(["Cancelled: Activations stopped.", "Compute"]);
  action(view).click();
  expect(view.model.sent).toEqual([{ kind: "cancel" }, { kind: "retry" }]);
});

test("an error stands in words with its remedy, and can be tried again", async () => {
  const view = await renderGrid("act1", {}, { dead: true });
  view.model.receive(
    status({ state: "error", message: "Expected 3 channels, got 1.", remedy: "Give a colour picture." }),
  );
  await nextFrame();
  expect([words(view), view.find(".cnnw-remedy").textContent]).toEqual([
    "Expected 3 channels, got 1.",
    "Give a colour picture.",
  ]);
  expect(action(view).textContent).toBe("Retry");
});

test("a layer without activations can be computed", async () => {
  const view = await renderGrid("act1", {}, { dead: true });
  view.model.receive({ _sheet: {} });
  await nextFrame();
  expect([words(view), action(view).textContent]).toEqual(["act1 is not computed yet.", "Compute"]);
});
