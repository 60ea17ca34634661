/** The raw value under the pointer or the cross-hair, with where it is; the space is always kept. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import { cellAt, valueAt } from "../field";
import { significant } from "../format";
import type { HeatMap, PictureState } from "../protocol";
import { isSeen } from "../state";
import type { ViewContext } from "./context";

const HINT = "Point at the picture for values";
export const NOT_COMPUTED = "not computed yet";

export interface Readout {
  readonly element: HTMLElement;
  /** `missing` says why a place has no value. */
  update(state: PictureState, map: HeatMap | null, missing: string): void;
}

function wordsFor(
  state: PictureState,
  map: HeatMap | null,
  missing: string,
  [x, y]: readonly [number, number],
) {
  const place = `pixel ${Math.floor(x)}, ${Math.floor(y)}`;
  if (!isSeen(state, x, y)) return { value: "", units: "not seen by the network", place };
  const value = map ? valueAt(map, x, y) : Number.NaN;
  if (!map || (map.blocks && Number.isNaN(value))) return { value: "", units: missing, place };
  const { row, column } = cellAt(map, x, y);
  const cell = `${place} · cell row ${row}, column ${column} of ${map.rows}×${map.columns}`;
  if (Number.isNaN(value)) return { value: "", units: NOT_COMPUTED, place: cell };
  return { value: significant(value), units: map.units, place: cell };
}

export function createReadout({ cursor }: ViewContext): Readout {
  const value = h("span", { class: "cnnw-value" });
  const units = h("span", { class: "cnnw-value-units" });
  const place = h("p", { class: "cnnw-place" });
  const element = h(
    "div",
    { class: "cnnw-readout" },
    h("p", { class: "cnnw-value-line" }, value, units),
    place,
  );

  return {
    element,
    update(state, map, missing) {
      // Spoken only when moved by keys: a pointer would talk without end.
      setAttribute(element, "aria-live", cursor.byKeyboard ? "polite" : "off");
      const words = cursor.point
        ? wordsFor(state, map, missing, cursor.point)
        : { value: "", units: map ? HINT : "", place: "" };
      setText(value, words.value);
      setClippedText(units, words.units);
      setClippedText(place, words.place);
    },
  };
}
