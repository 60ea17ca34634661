/** Buttons of which one is chosen (the ARIA radio group); one that cannot be used stays reachable and says why. */
import { h, setAttribute } from "../dom";
import { OWN_KEYS } from "./context";

export interface RadioOption {
  readonly value: string;
  readonly label: string;
  readonly title?: string | undefined;
  readonly disabled?: boolean;
  /** Stands before the label. */
  readonly icon?: Node;
}

export interface RadioRow {
  readonly element: HTMLElement;
  /** Builds the buttons anew; call only when the options have changed. */
  offer(options: readonly RadioOption[]): void;
  update(value: string): void;
}

const STEPS: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** `choose` hears of the chosen value too, and of one that is disabled. */
export function createRadioRow(
  label: string,
  choose: (value: string) => void,
  signal: AbortSignal,
): RadioRow {
  const element = h("div", { class: "cnnw-radios", role: "radiogroup", "aria-label": label, ...OWN_KEYS });
  let options: readonly RadioOption[] = [];
  let buttons: HTMLButtonElement[] = [];

  const positionOf = (event: Event) => buttons.findIndex((button) => button.contains(event.target as Node));

  element.addEventListener(
    "click",
    (event) => {
      const position = positionOf(event);
      if (position >= 0) choose(options[position].value);
    },
    { signal },
  );
  element.addEventListener(
    "keydown",
    (event) => {
      const position = positionOf(event);
      const step = STEPS[event.key];
      if (position < 0 || step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      const next = (position + step + buttons.length) % buttons.length;
      buttons[next].focus();
      choose(options[next].value);
    },
    { signal },
  );

  return {
    element,
    offer(offered) {
      options = offered;
      buttons = options.map(({ label: words, title, disabled, icon }) =>
        h(
          "button",
          {
            type: "button",
            class: "cnnw-button",
            role: "radio",
            title: title || undefined,
            "aria-disabled": disabled ? "true" : undefined,
          },
          ...(icon ? [icon] : []),
          words,
        ),
      );
      element.replaceChildren(...buttons);
    },
    update(value) {
      const checked = options.findIndex((option) => option.value === value);
      buttons.forEach((button, i) => {
        setAttribute(button, "aria-checked", String(i === checked));
        setAttribute(button, "tabindex", i === Math.max(0, checked) ? 0 : -1);
      });
    },
  };
}
