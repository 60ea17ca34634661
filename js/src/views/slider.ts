/** A labelled slider from 0 to 1; it shows per cent, or what `wordsFor` says. */
import { h, setAttribute, setText, uniqueId } from "../dom";
import { wholePercent } from "../format";
import { OWN_KEYS } from "./context";

export interface Slider {
  readonly element: HTMLElement;
  update(value: number): void;
}

export function createSlider(
  label: string,
  move: (value: number) => void,
  signal: AbortSignal,
  wordsFor: (value: number) => string = wholePercent,
): Slider {
  const id = uniqueId("slider");
  const input = h("input", {
    id,
    class: "cnnw-slider",
    type: "range",
    min: 0,
    max: 100,
    step: 1,
    ...OWN_KEYS,
  });
  const output = h("output", { for: id, class: "cnnw-slider-value" });
  input.addEventListener("input", () => move(input.valueAsNumber / 100), { signal });

  return {
    element: h(
      "div",
      { class: "cnnw-slider-row" },
      h("label", { for: id, class: "cnnw-label" }, label),
      input,
      output,
    ),
    update(value) {
      const position = String(Math.round(100 * value));
      if (input.value !== position) input.value = position;
      input.style.setProperty("--cnnw-filled", `${100 * value}%`);
      const words = wordsFor(value);
      setText(output, words);
      setAttribute(input, "aria-valuetext", words);
    },
  };
}
