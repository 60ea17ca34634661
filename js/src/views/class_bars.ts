/** Classes as bars, with the change against the untouched picture where there is one; one click picks a class. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import { percent, points } from "../format";
import type { Looked } from "../protocol";
import { className } from "../state";

export interface ClassBar {
  readonly index: number;
  readonly probability: number;
  /** The probability on the untouched picture: a tick on the bar, and the change in words. */
  readonly clean?: number;
  readonly pressed: boolean;
  /** The class that the pressed one is set against. */
  readonly contrast?: boolean;
}

export interface ClassBars {
  readonly element: HTMLElement;
  update(state: Looked, bars: readonly ClassBar[]): void;
}

function createRow() {
  const name = h("span", { class: "cnnw-class-name" });
  const change = h("span", { class: "cnnw-class-change" });
  const share = h("span", { class: "cnnw-class-share" });
  const fill = h("span", { class: "cnnw-bar-fill" });
  const tick = h("span", { class: "cnnw-bar-tick" });
  const bar = h("span", { class: "cnnw-bar", "aria-hidden": "true" }, fill, tick);
  const button = h("button", { type: "button", class: "cnnw-class" }, name, change, share, bar);
  return { name, change, share, fill, tick, button };
}

export function createClassBars(pick: (index: number) => void, signal: AbortSignal): ClassBars {
  const element = h("div", { class: "cnnw-classes", role: "group", "aria-label": "Most probable classes" });
  const rows: ReturnType<typeof createRow>[] = [];
  let shown: readonly ClassBar[] = [];

  element.addEventListener(
    "click",
    (event) => {
      const bar = shown[rows.findIndex((row) => row.button.contains(event.target as Node))];
      if (bar && !bar.pressed) pick(bar.index);
    },
    { signal },
  );

  return {
    element,
    update(state, bars) {
      shown = bars;
      while (rows.length < bars.length) {
        const row = createRow();
        rows.push(row);
        element.append(row.button);
      }
      for (const row of rows.splice(bars.length)) row.button.remove();
      bars.forEach(({ index, probability, clean, pressed, contrast }, i) => {
        const { name, change, share, fill, tick, button } = rows[i];
        setClippedText(name, className(state, index));
        setText(change, clean === undefined ? "" : points(probability - clean));
        setText(share, percent(probability));
        fill.style.width = `${100 * probability}%`;
        tick.hidden = clean === undefined;
        if (clean !== undefined) tick.style.left = `${100 * clean}%`;
        setAttribute(button, "aria-pressed", String(pressed));
        setAttribute(button, "data-contrast", contrast);
      });
    },
  };
}
