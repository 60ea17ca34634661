/** Names of classes, layers and files are the user's: any characters in them are shown, and none does harm. */
import { expect, test } from "vitest";
import { displayable, h, setAttribute, setClippedText, setText } from "../src/dom";

const NAMES: readonly [string, string][] = [
  ["do\ngs\r\n", "do gs "],
  ["abc\u202egnp.exe", "abc\ufffdgnp.exe"],
  ["a\u0000b\u001bc", "a\ufffdb\ufffdc"],
  ["half \ud83d, whole \u{1f431}", "half \ufffd, whole \u{1f431}"],
  ["US$ <b>&", "US$ <b>&"],
  ["חתול", "חתול"],
];

test.each(NAMES)("%j is shown as %j", (name, shown) => {
  expect(displayable(name)).toBe(shown);
  const element = h("span", { title: name, "aria-label": name, "data-name": name }, name);
  expect(element.textContent).toBe(shown);
  expect(element.childElementCount).toBe(0);
  const lines = name.split("\n").map(displayable).join("\n");
  expect(element.title).toBe(lines);
  expect(element.getAttribute("aria-label")).toBe(lines);
  setText(element, name);
  expect(element.textContent).toBe(shown);
});

test("what is a key stays as it is", () => {
  const option = h("option", { value: "do\ngs" }, "do\ngs");
  expect(option.value).toBe("do\ngs");
  expect(option.textContent).toBe("do gs");
});

test("a name that was set already does not touch the page again", async () => {
  const element = h("span");
  setClippedText(element, "do\ngs");
  let touched = 0;
  const observer = new MutationObserver((records) => {
    touched += records.length;
  });
  observer.observe(element, { childList: true, attributes: true, characterData: true, subtree: true });
  setClippedText(element, "do\ngs");
  setAttribute(element, "title", "do\ngs");
  await Promise.resolve();
  expect(touched).toBe(0);
  observer.disconnect();
});
