import { expect, test, vi } from "vitest";
import { MockModel } from "../demo/mock_model";
import { nextFrame, render, renderOn, tinyTraits, until } from "./harness";

test("two views of one model stay in step, and one may go", async () => {
  const first = await render(await tinyTraits());
  const second = renderOn(first.model, 500);
  const slider = first.all<HTMLInputElement>("input[type=range]")[1];
  slider.value = "40";
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  await nextFrame();
  expect(second.all<HTMLInputElement>("input[type=range]")[1].value).toBe("40");
  first.end();
  second.model.receive({ threshold: 0.7 });
  await nextFrame();
  expect(second.all<HTMLInputElement>("input[type=range]")[1].value).toBe("70");
});

test("a change from Python shows in the next frame", async () => {
  const view = await render(await tinyTraits());
  view.model.receive({ opacity: 0.25, sign: "both", colormap: "viridis", show_box: true });
  await nextFrame();
  expect(view.all<HTMLInputElement>("input[type=range]")[0].value).toBe("25");
  expect(view.all<HTMLSelectElement>("select").map((select) => select.value)).toEqual([
    "",
    "both",
    "viridis",
  ]);
  expect(view.find<HTMLInputElement>("input[type=checkbox]").checked).toBe(true);
});

test("fast sliders are saved about ten times a second, and the last value always", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const view = await render(await tinyTraits());
    const slider = view.all<HTMLInputElement>("input[type=range]")[0];
    for (let percent = 1; percent <= 60; percent++) {
      slider.value = String(percent);
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      vi.advanceTimersByTime(1000 / 60);
    }
    vi.advanceTimersByTime(200);
    expect(view.model.saved.length).toBeLessThanOrEqual(12);
    expect(view.model.saved.at(-1)).toEqual({ opacity: 0.6 });
  } finally {
    vi.useRealTimers();
  }
});

test("an echo of an older value does not take the hand back", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const view = await render(await tinyTraits());
    const slider = view.all<HTMLInputElement>("input[type=range]")[0];
    for (const value of ["10", "90"]) {
      slider.value = value;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    }
    expect(view.model.saved).toEqual([{ opacity: 0.1 }]);
    view.model.receive({ opacity: 0.1 });
    await nextFrame();
    expect(slider.value).toBe("90");
    vi.advanceTimersByTime(200);
    expect(view.model.saved.at(-1)).toEqual({ opacity: 0.9 });
    view.model.receive({ opacity: 0.3 });
    await nextFrame();
    expect(slider.value).toBe("30");
  } finally {
    vi.useRealTimers();
  }
});

test("after the end nothing is left: no elements, callbacks, canvas memory, observers, frames, listeners", async () => {
  const urls = vi.spyOn(URL, "createObjectURL");
  const observers = vi.spyOn(ResizeObserver.prototype, "disconnect");
  const bitmaps = vi.spyOn(ImageBitmap.prototype, "close");
  const outside = [vi.spyOn(document, "addEventListener"), vi.spyOn(window, "addEventListener")];
  const model = new MockModel(await tinyTraits({ compare: true }));
  const view = renderOn(model);
  await until(
    () => view.all<HTMLCanvasElement>(".cnnw-panel canvas")[3]?.width > 1,
    "the panels are painted",
  );
  await until(() => view.pixelAt !== undefined && bitmapsReady(view.all("canvas")), "the picture is decoded");
  const canvases = view.all<HTMLCanvasElement>("canvas");
  const slider = view.all<HTMLInputElement>("input[type=range]")[0];
  expect(model.listenerCount).toBeGreaterThan(0);
  for (const spy of outside) expect(spy).not.toHaveBeenCalled();

  view.end();
  expect(model.listenerCount).toBe(0);
  expect(view.host.childElementCount).toBe(0);
  expect(canvases.every((canvas) => canvas.width * canvas.height === 0)).toBe(true);
  expect(observers).toHaveBeenCalledTimes(1);
  expect(bitmaps).toHaveBeenCalledTimes(1);
  expect(urls).not.toHaveBeenCalled();
  slider.value = "77";
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  expect(model.get("opacity")).toBe(1);
  vi.restoreAllMocks();
});

function bitmapsReady(canvases: HTMLElement[]): boolean {
  return canvases.some((canvas) => {
    if (!(canvas instanceof HTMLCanvasElement) || !canvas.closest(".cnnw-panel")) return false;
    return canvas.getContext("2d")?.getImageData(canvas.width >> 1, canvas.height >> 1, 1, 1).data[3] === 255;
  });
}
