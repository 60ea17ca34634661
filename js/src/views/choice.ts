/** A labelled drop-down list, native so that it works everywhere. */
import { h, setAttribute, uniqueId } from "../dom";
import { OWN_KEYS } from "./context";

export interface Option {
  readonly value: string;
  readonly label: string;
}

export interface Choice {
  readonly element: HTMLElement;
  update(options: readonly Option[], value: string, disabled?: boolean): void;
}

export function createChoice(label: string, pick: (value: string) => void, signal: AbortSignal): Choice {
  const id = uniqueId("choice");
  const select = h("select", { id, class: "cnnw-select", ...OWN_KEYS });
  select.addEventListener("change", () => pick(select.value), { signal });
  let shown = "";

  return {
    element: h(
      "div",
      { class: "cnnw-choice" },
      h("label", { for: id, class: "cnnw-label" }, label),
      h("div", { class: "cnnw-select-frame" }, select),
    ),
    update(options, value, disabled = false) {
      const wanted = JSON.stringify(options);
      if (wanted !== shown) {
        shown = wanted;
        select.replaceChildren(
          ...options.map((option) => h("option", { value: option.value }, option.label)),
        );
      }
      if (select.value !== value) select.value = value;
      setAttribute(select, "disabled", disabled);
    },
  };
}
