/** What a tile of weights holds, in numbers, beside the tile. */
import type { Weights } from "../activation_state";
import type { Rectangle } from "../canvas";
import { h, setText } from "../dom";
import { fixed, significant, withUnits } from "../format";
import { rangeOf, valuesAt } from "../weights";

export interface TipScene {
  readonly weights: Weights;
  readonly tile: number;
  /** The name of the tile. */
  readonly label: string;
  readonly place: readonly [row: number, column: number] | null;
  /** The tile, in CSS pixels of the element around both. */
  readonly around: Rectangle;
}

export interface WeightTip {
  readonly element: HTMLElement;
  update(scene: TipScene | null): void;
}

export const COLOURS: readonly string[] = ["red", "green", "blue"];
/** More numbers than these are no help: then only the one at the pointer is told. */
const MOST = 49;
const GAP = 6;

/** Three digits for the largest weight, and as many decimals for all others: the columns of a table line up. */
function decimalsOf({ scale }: Weights): number {
  return scale > 0 ? Math.min(9, Math.max(0, 2 - Math.floor(Math.log10(scale)))) : 0;
}

function tableFor({ weights, tile, place }: TipScene, colour: number): HTMLElement {
  const decimals = decimalsOf(weights);
  const { rows, columns, colours } = weights;
  const caption = colours === 3 ? [h("caption", {}, COLOURS[colour])] : [];
  const lines = Array.from({ length: rows }, (_, row) =>
    h(
      "tr",
      {},
      ...Array.from({ length: columns }, (_, column) =>
        h(
          "td",
          { "data-here": place?.[0] === row && place[1] === column },
          fixed(valuesAt(weights, tile, row, column)[colour], decimals),
        ),
      ),
    ),
  );
  return h("table", {}, ...caption, h("tbody", {}, ...lines));
}

function placeWords({ weights, tile, place }: TipScene): string {
  // A single number is its own range.
  if (!place || weights.rows * weights.columns * weights.colours === 1) return "";
  const values = [...valuesAt(weights, tile, ...place)].map(significant);
  const words =
    weights.colours === 3 ? values.map((value, i) => `${COLOURS[i]} ${value}`).join(", ") : values[0];
  return `row ${place[0]}, column ${place[1]}: ${words}`;
}

/** "channel 12: −0.31 to 0.42 weight". */
function rangeWords({ weights, tile, label }: TipScene): string {
  const [low, high] = rangeOf(weights, tile);
  const range = low === high ? significant(low) : `${significant(low)} to ${significant(high)}`;
  return withUnits(`${label}: ${range}`, weights.units);
}

/** "channel 12: −0.31 to 0.42 weight; row 1, column 2: 0.12". */
export function tileWords(scene: TipScene): string {
  return [rangeWords(scene), placeWords(scene)].filter((part) => part).join("; ");
}

export function createWeightTip(): WeightTip {
  const words = h("p", { class: "cnnw-tip-words" });
  const tables = h("div", { class: "cnnw-tip-tables" });
  const element = h("div", { class: "cnnw-tip", "aria-hidden": "true", hidden: true }, words, tables);
  let shown = "";

  return {
    element,
    update(scene) {
      element.hidden = scene === null;
      if (!scene) return;
      const { weights, around } = scene;
      const numbers = weights.rows * weights.columns * weights.colours;
      // A single one stands in the words.
      const few = numbers > 1 && numbers <= MOST;
      const text = tileWords(scene);
      if (shown !== text) {
        shown = text;
        // In a table the place is marked.
        setText(words, few ? rangeWords(scene) : text);
        tables.replaceChildren(
          ...(few ? Array.from({ length: weights.colours }, (_, colour) => tableFor(scene, colour)) : []),
        );
      }
      const [left, top, width, height] = around;
      const { clientWidth = 0, clientHeight = 0 } = element.parentElement ?? {};
      const { offsetWidth, offsetHeight } = element;
      const right = left + width + GAP;
      const x = right + offsetWidth <= clientWidth ? right : left - GAP - offsetWidth;
      const y = Math.min(top, clientHeight - offsetHeight);
      // Where neither side has room: below the tile, as far as there is any.
      element.style.left = `${Math.max(0, x)}px`;
      element.style.top = `${Math.max(0, x < 0 ? top + height + GAP : y)}px`;
    },
  };
}
