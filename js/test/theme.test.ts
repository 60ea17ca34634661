import { expect, test } from "vitest";
import { onRecoloured } from "../src/theme";
import { nextFrame, until } from "./harness";

test("colours that are set after a transition was cut short are seen a little later", async () => {
  const element = document.createElement("div");
  element.style.cssText = "color: #000; transition: color 1ms";
  document.body.append(element);
  const stop = new AbortController();
  const seen: string[] = [];
  onRecoloured(element, () => seen.push(getComputedStyle(element).color), stop.signal);
  await nextFrame();
  element.dispatchEvent(new Event("transitioncancel"));
  expect(seen).toEqual(["rgb(0, 0, 0)"]);
  element.style.cssText = "color: #fff; transition: none";
  await until(() => seen.at(-1) === "rgb(255, 255, 255)", "the last colour is seen");
  const { length } = seen;
  stop.abort();
  element.dispatchEvent(new Event("transitionend"));
  expect(seen.length).toBe(length);
  element.remove();
});
