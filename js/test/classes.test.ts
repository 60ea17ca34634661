import { expect, test } from "vitest";
import { nextFrame, type Rendered, render, tinyTraits } from "./harness";

const press = (element: HTMLElement, key: string) =>
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

const fields = (view: Rendered) => view.all<HTMLInputElement>("[role=combobox]");

function type(input: HTMLInputElement, text: string): void {
  input.focus();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

const options = (view: Rendered, field: number) => {
  const popup = view.all(".cnnw-popup")[field];
  return {
    open: popup.checkVisibility(),
    names: [...popup.querySelectorAll(".cnnw-option-name")].map((each) => each.textContent),
    count: popup.querySelector(".cnnw-count")?.textContent,
  };
};

test("the most probable classes are bars, and the explained one is marked", async () => {
  const view = await render(await tinyTraits());
  const rows = view.all<HTMLButtonElement>(".cnnw-class");
  expect(rows.map((row) => row.ariaPressed)).toEqual(["true", "false", "false", "false", "false"]);
  expect(rows[0].textContent).toBe("Egyptian cat73.4 %");
  const share = view.all(".cnnw-bar-fill")[0].offsetWidth / view.all(".cnnw-bar")[0].offsetWidth;
  expect(share).toBeCloseTo(0.734, 2);
  rows[1].click();
  expect(view.model.saved).toEqual([{ target: 281, _ask: 1 }]);
  await nextFrame();
  expect(rows[1].ariaPressed).toBe("true");
  expect(view.find(".cnnw-question").textContent).toBe("Why tabby, tabby cat?");
});

test("typing searches all 1000 names and shows at most 50 of them", async () => {
  const view = await render(await tinyTraits());
  const [explain] = fields(view);
  type(explain, "variety");
  expect(options(view, 0).names.length).toBe(50);
  expect(options(view, 0).count).toMatch(/^\d{3} of 1000, first 50 shown$/);
  type(explain, "catamount");
  expect(options(view, 0)).toEqual({ open: true, names: ["lynx, catamount"], count: "1 of 1000" });
  type(explain, "no such class");
  expect(options(view, 0)).toEqual({ open: true, names: [], count: "0 of 1000" });
});

test("a class is found and chosen with the keyboard alone", async () => {
  const view = await render(await tinyTraits());
  const [explain] = fields(view);
  type(explain, "crane");
  const active = () => document.getElementById(explain.getAttribute("aria-activedescendant") ?? "");
  expect(explain.ariaExpanded).toBe("true");
  expect(active()?.textContent).toBe("crane (134)134");
  press(explain, "ArrowDown");
  expect(active()?.textContent).toBe("crane (517)517");
  press(explain, "Enter");
  expect(view.model.saved).toEqual([{ target: 517, _ask: 1 }]);
  expect(explain.ariaExpanded).toBe("false");
  await nextFrame();
  expect(explain.value).toBe("crane (517)");
});

test("Escape leaves everything as it was", async () => {
  const view = await render(await tinyTraits());
  const [explain] = fields(view);
  type(explain, "crane");
  press(explain, "Escape");
  expect(explain.value).toBe("Egyptian cat");
  expect(options(view, 0).open).toBe(false);
  expect(view.model.saved).toEqual([]);
});

test("a contrast is picked, named in the question and cleared", async () => {
  const view = await render(await tinyTraits());
  const [, contrast] = fields(view);
  type(contrast, "tabby, tabby");
  press(contrast, "Enter");
  await nextFrame();
  expect(view.model.get("instead_of")).toBe(281);
  expect(view.find(".cnnw-question").textContent).toBe("Why Egyptian cat instead of tabby, tabby cat?");
  view
    .all<HTMLButtonElement>(".cnnw-erase")
    .find((each) => each.checkVisibility())
    ?.click();
  await nextFrame();
  expect(view.model.get("instead_of")).toBe(null);
  expect(view.find(".cnnw-question").textContent).toBe("Why Egyptian cat?");
});

test("the explained class is not offered as its own contrast, and a contrast that becomes the target falls away", async () => {
  const view = await render(await tinyTraits({ instead_of: 281 }));
  const [, contrast] = fields(view);
  type(contrast, "Egyptian cat");
  expect(options(view, 1).names).not.toContain("Egyptian cat");
  view.all<HTMLButtonElement>(".cnnw-class")[1].click();
  expect(view.model.saved).toEqual([{ target: 281, instead_of: null, _ask: 1 }]);
});

test("without names classes go by number", async () => {
  const view = await render(await tinyTraits({ _class_names: [] }));
  expect(view.find(".cnnw-question").textContent).toBe("Why class 285?");
  const [explain] = fields(view);
  type(explain, "17");
  expect(options(view, 0).names).toEqual(["class 17"]);
  press(explain, "Enter");
  expect(view.model.get("target")).toBe(17);
});

test("a long name is cut off with dots and whole in the tooltip", async () => {
  const view = await render(await tinyTraits(), 360);
  const name = view.all(".cnnw-class-name")[4];
  expect(name.scrollWidth).toBeGreaterThan(name.clientWidth);
  expect(name.title).toBe("quilt, comforter, comfort, puff and every other warm bedspread");
});
