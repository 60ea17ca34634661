/** The raw value under the pointer or the cross-hair, with where it is; the space is always kept. */
import { h, setAttribute, setClippedText, setText } from "../dom";
import { cellAt, valueAt } from "../field";
import { significant } from "../format";
import type { HeatmapState } from "../protocol";
import { isSeen, mapOf } from "../state";
import type { Part, ViewContext } from "./context";

const HINT = "Point at the picture for values";

function wordsFor(state: HeatmapState, [x, y]: readonly [number, number]) {
  const place = `pixel ${Math.floor(x)}, ${Math.floor(y)}`;
  const map = mapOf(state, state.method);
  if (!isSeen(state, x, y)) return { value: "", units: "not seen by the network", place };
  if (!map) return { value: "", units: "not computed yet", place };
  const { row, column } = cellAt(map, x, y);
  return {
    value: significant(valueAt(map, x, y)),
    units: map.units,
    place: `${place} · cell row ${row}, column ${column} of ${map.rows}×${map.columns}`,
  };
}

export function createReadout({ cursor }: ViewContext): Part {
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
    update(state) {
      // Spoken only when moved by keys: a pointer would talk without end.
      setAttribute(element, "aria-live", cursor.byKeyboard ? "polite" : "off");
      const words = cursor.point ? wordsFor(state, cursor.point) : { value: "", units: HINT, place: "" };
      setText(value, words.value);
      setClippedText(units, words.units);
      setClippedText(place, words.place);
    },
  };
}
