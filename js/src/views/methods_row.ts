/** The methods as one radio group: a method that cannot be used stays reachable and says why. */
import { h, setAttribute } from "../dom";
import type { HeatmapState, Method } from "../protocol";
import { OWN_KEYS, type Part, type ViewContext } from "./context";

const STEPS: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

function tooltip({ label, paper, unavailable }: Method): string {
  return unavailable ? `${label} cannot be used here: ${unavailable}` : paper;
}

export function createMethodsRow(context: ViewContext, onUnavailable: (method: Method) => void): Part {
  const { session, signal } = context;
  const element = h("div", {
    class: "cnnw-methods",
    role: "radiogroup",
    "aria-label": "Method",
    ...OWN_KEYS,
  });
  let methods: readonly Method[] = [];
  let buttons: HTMLButtonElement[] = [];

  const choose = (position: number) => {
    const method = methods[position];
    if (method.unavailable) onUnavailable(method);
    else if (method.id !== session.state.method) session.ask({ method: method.id });
  };

  const rebuild = (state: HeatmapState) => {
    methods = state.methods;
    buttons = methods.map((method) =>
      h(
        "button",
        {
          type: "button",
          class: "cnnw-button",
          role: "radio",
          title: tooltip(method) || undefined,
          "aria-disabled": method.unavailable ? "true" : undefined,
        },
        method.label,
      ),
    );
    element.replaceChildren(...buttons);
  };

  const positionOf = (event: Event) => buttons.findIndex((button) => button.contains(event.target as Node));

  element.addEventListener(
    "click",
    (event) => {
      const position = positionOf(event);
      if (position >= 0) choose(position);
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
      choose(next);
    },
    { signal },
  );

  return {
    element,
    update(state) {
      if (state.methods !== methods) rebuild(state);
      const checked = methods.findIndex((method) => method.id === state.method);
      buttons.forEach((button, i) => {
        setAttribute(button, "aria-checked", String(i === checked));
        setAttribute(button, "tabindex", i === Math.max(0, checked) ? 0 : -1);
      });
    },
  };
}
