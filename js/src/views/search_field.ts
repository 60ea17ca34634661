/** A labelled field that filters what stands below it; Escape and a button empty it. */
import { h, setText, uniqueId } from "../dom";
import { OWN_KEYS } from "./context";

export interface SearchFieldOptions {
  readonly label: string;
  readonly placeholder: string;
  /** What is filtered. */
  readonly controls: HTMLElement;
  /** Hears of every change, without spaces around it. */
  type(text: string): void;
  enter(): void;
  /** The arrow key down. */
  leave(): void;
  readonly signal: AbortSignal;
}

export interface SearchField {
  readonly element: HTMLElement;
  /** Says how much is found. */
  count(words: string): void;
  clear(): void;
  focus(): void;
  /** What was searched for by other means than the field; it is not `type`d. */
  show(text: string): void;
}

export function createSearchField(options: SearchFieldOptions): SearchField {
  const { label, placeholder, controls, signal } = options;
  const id = uniqueId("search");
  controls.id = uniqueId("found");
  const input = h("input", {
    id,
    class: "cnnw-input",
    type: "text",
    role: "searchbox",
    autocomplete: "off",
    spellcheck: "false",
    placeholder,
    "aria-controls": controls.id,
    ...OWN_KEYS,
  });
  const erase = h("button", { type: "button", class: "cnnw-erase", "aria-label": "Clear the search" }, "×");
  const count = h("span", { class: "cnnw-quiet", "aria-live": "polite" });
  erase.hidden = true;

  const changed = () => {
    erase.hidden = input.value === "";
    options.type(input.value.trim());
  };
  const clear = () => {
    if (input.value === "") return;
    input.value = "";
    changed();
  };
  const keys: Readonly<Record<string, () => void>> = {
    Enter: options.enter,
    ArrowDown: options.leave,
    Escape: clear,
  };

  input.addEventListener("input", changed, { signal });
  input.addEventListener(
    "keydown",
    (event) => {
      const act = keys[event.key];
      if (!act || event.isComposing) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    },
    { signal },
  );
  erase.addEventListener(
    "click",
    () => {
      clear();
      input.focus({ preventScroll: true });
    },
    { signal },
  );

  return {
    element: h(
      "div",
      { class: "cnnw-search" },
      h("div", { class: "cnnw-search-head" }, h("label", { for: id, class: "cnnw-label" }, label), count),
      h("div", { class: "cnnw-field cnnw-clearable" }, input, erase),
    ),
    count: (words) => setText(count, words),
    clear,
    focus: () => input.focus({ preventScroll: true }),
    show(text) {
      if (input.value.trim() === text) return;
      input.value = text;
      erase.hidden = text === "";
    },
  };
}
