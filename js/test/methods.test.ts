import { expect, test } from "vitest";
import { METHODS } from "../demo/example";
import { nextFrame, type Rendered, render, tinyTraits } from "./harness";

const press = (element: HTMLElement, key: string) =>
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

const methods = (view: Rendered) => view.all<HTMLButtonElement>("[role=radio]");

test("the methods are one radio group with one tab stop", async () => {
  const view = await render(await tinyTraits());
  expect(methods(view).map((button) => button.textContent)).toEqual(METHODS.map((method) => method.label));
  expect(methods(view).map((button) => button.ariaChecked)).toEqual(["false", "false", "false", "true"]);
  expect(methods(view).map((button) => button.tabIndex)).toEqual([-1, -1, -1, 0]);
});

test("a click asks the kernel once, under the next number", async () => {
  const view = await render(await tinyTraits({ _ask: 4 }));
  methods(view)[0].click();
  expect(view.model.saved).toEqual([{ method: "saliency", _ask: 5 }]);
  methods(view)[0].click();
  expect(view.model.saved.length).toBe(1);
});

test("arrow keys move the choice and the focus, around the ends", async () => {
  const view = await render(await tinyTraits());
  methods(view)[3].focus();
  press(methods(view)[3], "ArrowRight");
  expect(document.activeElement).toBe(methods(view)[0]);
  expect(view.model.get("method")).toBe("saliency");
  press(methods(view)[0], "ArrowLeft");
  await nextFrame();
  expect(document.activeElement).toBe(methods(view)[3]);
  expect(methods(view)[3].ariaChecked).toBe("true");
});

test("a method that is already computed is painted without the kernel", async () => {
  const traits = await tinyTraits();
  const { grad_cam } = traits._maps as Record<string, object>;
  const view = await render({ ...traits, _maps: { grad_cam, cam: { ...grad_cam, scale: 40 } } });
  methods(view)[2].click();
  await nextFrame();
  expect(view.find(".cnnw-numbers").lastElementChild?.textContent).toBe("40.0");
  expect(view.find(".cnnw-pane-note").checkVisibility()).toBe(false);
});

test("a method that cannot be used stays reachable and says why, until the next choice", async () => {
  const reason = "the network has no global average pooling.";
  const unavailable = METHODS.map((method) =>
    method.id === "cam" ? { ...method, unavailable: reason } : method,
  );
  const view = await render(await tinyTraits({ _methods: unavailable }));
  const cam = methods(view)[2];
  expect([cam.disabled, cam.ariaDisabled]).toEqual([false, "true"]);
  expect(cam.title).toContain(reason);
  cam.click();
  await nextFrame();
  expect(view.model.saved).toEqual([]);
  expect(view.find(".cnnw-notice-text").textContent).toBe(`CAM cannot be used here: ${reason}`);
  methods(view)[0].click();
  await nextFrame();
  expect(view.find(".cnnw-notice-text").textContent).not.toContain("CAM cannot");
});

test("the layer can be chosen for methods that look at one, and left to tracing", async () => {
  const view = await render(await tinyTraits());
  const layer = view.all<HTMLSelectElement>("select")[0];
  layer.value = "features.4";
  layer.dispatchEvent(new Event("change"));
  expect(view.model.saved.at(-1)).toEqual({ layer: "features.4", _ask: 1 });
  layer.value = "";
  layer.dispatchEvent(new Event("change"));
  expect(view.model.saved.at(-1)).toEqual({ layer: null, _ask: 2 });
  view.model.set("method", "saliency");
  await nextFrame();
  expect(layer.disabled).toBe(true);
});
