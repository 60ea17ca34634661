/** A text field with a list of suggestions (the ARIA combobox pattern): type, arrow keys, Enter, Escape. */
import { h, setAttribute, setText, uniqueId } from "../dom";
import { OWN_KEYS } from "./context";

export interface Choice {
  readonly index: number;
  readonly label: string;
}

export interface Suggestions {
  readonly choices: readonly Choice[];
  /** "12 of 1000". */
  readonly count: string;
}

export interface ComboboxOptions {
  readonly label: string;
  readonly placeholder: string;
  suggest(query: string): Suggestions;
  pick(index: number): void;
  /** Given: the field has a button that empties it. */
  clear?(): void;
  readonly signal: AbortSignal;
}

export interface Combobox {
  readonly element: HTMLElement;
  /** The chosen name, shown while nobody types. */
  update(chosen: string): void;
}

export function createCombobox(options: ComboboxOptions): Combobox {
  const { label, signal } = options;
  const inputId = uniqueId("field");
  const listId = uniqueId("list");
  const input = h("input", {
    id: inputId,
    class: "cnnw-input",
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: options.placeholder,
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": listId,
    ...OWN_KEYS,
  });
  const listing = h("ul", { id: listId, class: "cnnw-options", role: "listbox", "aria-label": label });
  const count = h("p", { class: "cnnw-count", "aria-live": "polite" });
  const popup = h("div", { class: "cnnw-popup", hidden: true }, listing, count);
  const field = h("div", { class: "cnnw-field" }, input, popup);
  const element = h(
    "div",
    { class: "cnnw-combobox" },
    h("label", { for: inputId, class: "cnnw-label" }, label),
    field,
  );

  let chosen = "";
  let typed = "";
  let choices: readonly Choice[] = [];
  let active = -1;

  const activate = (position: number) => {
    active = position;
    [...listing.children].forEach((option, i) => {
      setAttribute(option, "aria-selected", String(i === active));
    });
    const option = listing.children[active];
    setAttribute(input, "aria-activedescendant", option?.id);
    option?.scrollIntoView({ block: "nearest" });
  };

  const open = () => {
    const found = options.suggest(typed);
    choices = found.choices;
    listing.replaceChildren(
      ...choices.map(({ index, label: name }, i) =>
        h(
          "li",
          { id: `${listId}-${i}`, role: "option", class: "cnnw-option", title: name },
          h("span", { class: "cnnw-option-name" }, name),
          h("span", { class: "cnnw-option-index", "aria-hidden": "true" }, String(index)),
        ),
      ),
    );
    setText(count, found.count);
    popup.hidden = false;
    setAttribute(input, "aria-expanded", "true");
    activate(typed && choices.length ? 0 : -1);
  };

  const close = () => {
    popup.hidden = true;
    typed = "";
    input.value = chosen;
    setAttribute(input, "aria-expanded", "false");
    setAttribute(input, "aria-activedescendant", null);
  };

  const pick = (position: number) => {
    const choice = choices[position];
    if (!choice) return;
    chosen = choice.label;
    close();
    options.pick(choice.index);
  };

  const move = (step: number) => {
    if (popup.hidden) open();
    const last = choices.length - 1;
    const next = active < 0 ? (step > 0 ? 0 : last) : active + step;
    activate(Math.min(last, Math.max(0, next)));
  };

  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(8),
    PageUp: () => move(-8),
    Enter: () => pick(active),
    Escape: () => {
      close();
      input.select();
    },
  };

  const on = <K extends keyof HTMLElementEventMap>(
    target: HTMLElement,
    type: K,
    listener: (event: HTMLElementEventMap[K]) => void,
  ) => target.addEventListener(type, listener, { signal });

  on(input, "focus", () => {
    input.select();
    open();
  });
  on(input, "click", () => popup.hidden && open());
  on(input, "input", () => {
    typed = input.value.trim();
    open();
  });
  on(input, "blur", close);
  on(input, "keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  // Keeps the focus in the field, so that a press on the list or its scroll bar does not close it.
  on(popup, "mousedown", (event) => event.preventDefault());
  on(listing, "click", (event) => {
    pick([...listing.children].findIndex((option) => option.contains(event.target as Node)));
  });

  const { clear } = options;
  const erase = h("button", { type: "button", class: "cnnw-erase", "aria-label": `Clear: ${label}` }, "×");
  if (clear) {
    field.append(erase);
    field.classList.add("cnnw-clearable");
    on(erase, "click", () => {
      clear();
      erase.hidden = true;
      input.focus({ preventScroll: true });
      close();
    });
  }

  return {
    element,
    update(name) {
      erase.hidden = name === "";
      chosen = name;
      setAttribute(input, "title", name || undefined);
      if (popup.hidden && input.value !== name) input.value = name;
    },
  };
}
