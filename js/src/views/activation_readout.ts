/** What is pointed at, in numbers and words; the space is always kept. */
import type { ActivationState, Sheet } from "../activation_state";
import { h, setAttribute, setClippedText, setText } from "../dom";
import { valueAt } from "../field";
import { significant, wholePercent, withUnits } from "../format";
import { cutOf } from "../highlight";
import { cellInLayer, mapOf, planeOf, statisticsOf } from "../sheet";
import { isSeen } from "../state";
import { type CellRange, cellAt, cellsSeeing, isEvery } from "../territory";
import { beforeCap, scoreWords } from "../tile_painter";
import { type ActivationContext, shownUnit, type Unit } from "./activation_context";
import { fieldOf } from "./activation_photo";
import type { Part } from "./context";
import { secondState } from "./second_picture";

interface Words {
  readonly value: string;
  readonly units: string;
  readonly place: string;
  readonly field: string;
}

const NOTHING: Words = { value: "", units: "", place: "", field: "" };

/** One value, or those of the first and the second picture. */
function inPictures(sheet: Sheet, value: (picture: number) => number): string {
  return sheet.grids.map((_, picture) => significant(value(picture))).join(" · ");
}

const unitsFor = ({ pictures, units }: Sheet) => (pictures > 1 ? `${units} (first · second picture)` : units);

const between = (low: number, high: number) => `${Math.round(low)}–${Math.round(high)}`;

function fieldWords(sheet: Sheet, { cell, picture }: Unit): string {
  if (!cell) return "";
  const [left, top, right, bottom] = fieldOf(sheet.grids[picture], cell);
  const part = `columns ${between(left, right)}, rows ${between(top, bottom)} of the picture`;
  const local = sheet.measured ? `Sees about ${part} (measured by the gradient)` : `Sees ${part}`;
  return sheet.sees_all ? `${local}, and the whole picture besides` : local;
}

function cellWords(sheet: Sheet, unit: Unit): Words {
  const [row, column] = unit.cell ?? [0, 0];
  const at = row * sheet.columns + column;
  const [layerRow, layerColumn] = cellInLayer(sheet, [row, column]);
  const merged = sheet.merged > 1 ? `, the largest of ${sheet.merged}×${sheet.merged} cells` : "";
  return {
    value: inPictures(sheet, (picture) => planeOf(sheet, picture, unit.channel)[at]),
    units: unitsFor(sheet),
    place: `channel ${unit.channel} · cell row ${layerRow}, column ${layerColumn}${merged}`,
    field: fieldWords(sheet, unit),
  };
}

/** "3rd of 512 by mean (0.12 activation)". */
function tileWords(context: ActivationContext, state: ActivationState, sheet: Sheet, unit: Unit): Words {
  const { channel } = unit;
  const { maximum, mean, active, dead } = statisticsOf(sheet);
  const ranking = context.rankingOf(sheet, state);
  const of = (values: Float32Array | Float64Array) => (picture: number) =>
    values[picture * sheet.channels + channel];
  const rank = ranking.order.indexOf(channel) + 1;
  const score = withUnits(scoreWords(ranking, channel), ranking.units === "share" ? "active" : ranking.units);
  const before = beforeCap(ranking, channel);
  const preactivation = before === null ? "" : `, before the cap ${before}`;
  const inFirst = sheet.pictures > 1 && ranking.by !== "difference" ? " in the first picture" : "";
  const ranked =
    ranking.scores && rank > 0
      ? ` · ${rank} of ${ranking.order.length} by ${ranking.by}${inFirst} (${score}${preactivation})`
      : "";
  const shares = sheet.grids.map((_, picture) => wholePercent(of(active)(picture))).join(" · ");
  const cut = () => significant(cutOf(sheet, channel, state.quantile));
  const highlight = state.quantile > 0 ? `, highlighted above ${cut()}` : "";
  return {
    value: inPictures(sheet, of(maximum)),
    units: `${unitsFor(sheet)}, maximum`,
    place: `channel ${channel}${ranked}`,
    field: dead[channel]
      ? "Dead: the same value in every cell"
      : `Mean ${inPictures(sheet, of(mean))}, above 0 in ${shares} of the cells${highlight}`,
  };
}

const rangeWords = (name: string, from: number, to: number) =>
  to - from === 1 ? `${name} ${from}` : `${name}s ${from}–${to - 1}`;

function seeingWords(sheet: Sheet, range: CellRange | null): string {
  if (!range) return sheet.sees_all ? "Seen by every cell, but by no local field" : "No cell sees this pixel";
  if (isEvery(sheet, range)) return "Seen by every cell";
  const [top, left] = cellInLayer(sheet, [range.top, range.left]);
  const [bottom, right] = cellInLayer(sheet, [range.bottom - 1, range.right - 1]);
  const local = `Seen by ${rangeWords("row", top, bottom + 1)}, ${rangeWords("column", left, right + 1)}`;
  return sheet.sees_all ? `${local}; the other cells see the whole picture besides` : local;
}

function pixelWords(
  context: ActivationContext,
  state: ActivationState,
  sheet: Sheet,
  picture: number,
): Words {
  const { point } = context.cursors[picture];
  if (!point) return NOTHING;
  const [x, y] = point;
  const seen = picture === 0 ? state : secondState(state);
  const where = `pixel ${Math.floor(x)}, ${Math.floor(y)}${picture === 1 ? " of the second picture" : ""}`;
  const cell = cellAt(sheet.grids[picture], x, y);
  const [row, column] = cell ? cellInLayer(sheet, [cell.top, cell.left]) : [0, 0];
  const place = cell ? `${where} · cell row ${row}, column ${column}` : where;
  if (!isSeen(seen, x, y)) return { ...NOTHING, units: "not seen by the network", place: where };
  const unit = shownUnit(context, state, sheet);
  const value = unit && valueAt(mapOf(sheet, picture, unit.channel, state), x, y);
  return {
    value: value === null ? "" : significant(value),
    units: unit
      ? `${sheet.units}, channel ${unit.channel} here`
      : "Point at a tile, or click one, to read its channel here",
    place,
    field: seeingWords(sheet, cellsSeeing(sheet.grids[picture], x, y)),
  };
}

/** What there is to do, for who sees the view for the first time. */
function hintFor({ tab }: ActivationState): Pick<Words, "units" | "place" | "field"> {
  if (tab === "filters") return { units: "Click a filter to pin its channel", place: "", field: "" };
  return {
    units: "Point at a tile to see its map on the picture",
    place: "Click to pin a channel and a cell.",
    field: "Point at the picture to see which cell lies there.",
  };
}

function wordsFor(context: ActivationContext, state: ActivationState): Words {
  const { sheet } = state;
  if (!sheet) return NOTHING;
  const picture = context.cursors.findIndex(({ point }) => point !== null);
  if (picture >= 0 && picture < sheet.pictures) return pixelWords(context, state, sheet, picture);
  const unit = shownUnit(context, state, sheet);
  if (unit) return unit.cell ? cellWords(sheet, unit) : tileWords(context, state, sheet, unit);
  return { ...NOTHING, ...hintFor(state) };
}

export function createActivationReadout(context: ActivationContext): Part<ActivationState> {
  const { pointing, cursors } = context;
  const value = h("span", { class: "cnnw-value" });
  const units = h("span", { class: "cnnw-value-units" });
  const place = h("p", { class: "cnnw-place" });
  const field = h("p", { class: "cnnw-place cnnw-field" });
  const line = h("p", { class: "cnnw-value-line" }, value, units);
  const element = h("div", { class: "cnnw-readout" }, line, place, field);

  return {
    element,
    update(state) {
      const byKeyboard = pointing.byKeyboard || cursors.some((cursor) => cursor.byKeyboard);
      // Spoken only when moved by keys: a pointer would talk without end.
      setAttribute(element, "aria-live", byKeyboard ? "polite" : "off");
      const words = wordsFor(context, state);
      setText(value, words.value);
      setClippedText(units, words.units);
      setClippedText(place, words.place);
      setClippedText(field, words.field);
    },
  };
}
