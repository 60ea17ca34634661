/** Renders ActivationGrid on the mock model, points at tiles and photographs, and reads its canvases. */
import { lookedAt } from "../demo/activation_example";
import { COLORMAPS } from "../demo/colormaps";
import type { Traits } from "../demo/example";
import { MockModel } from "../demo/mock_model";
import { float16View, wirePhoto } from "../demo/wire";
import { flat, nextFrame, type Rendered, type Rgba, renderOn, until } from "./harness";

export const SEEN = [10, 0, 50, 40] as const;

type Shape = readonly [pictures: number, channels: number, rows: number, columns: number];

/** A sheet as it travels; cells divide the seen region, and each sees as much again on every side. */
export function wireSheet(values: ArrayLike<number>, shape: Shape, more: Traits = {}): Traits {
  const [pictures, , rows, columns] = shape;
  const scale = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const [left, top, right, bottom] = SEEN;
  const along = (from: number, to: number, count: number) => {
    const step = (to - from) / count;
    const cells = Array.from({ length: count }, (_, i) => from + i * step);
    return {
      centres: cells.map((start) => start + step / 2),
      low: cells.map((start) => Math.max(from, start - step)),
      high: cells.map((start) => Math.min(to, start + 2 * step)),
      edges: [...cells, to],
    };
  };
  const [x, y] = [along(left, right, columns), along(top, bottom, rows)];
  const each = <T>(value: T) => Array.from({ length: pictures }, () => value);
  return {
    layer: "conv",
    data: float16View(Array.from(values, (value) => value / scale)),
    scale,
    shape,
    merged: 1,
    units: "activation",
    cell_rows: y.centres.map((_, i) => i),
    cell_columns: x.centres.map((_, i) => i),
    xs: each(x.centres),
    ys: each(y.centres),
    lefts: each(x.low),
    rights: each(x.high),
    tops: each(y.low),
    bottoms: each(y.high),
    x_edges: each(x.edges),
    y_edges: each(y.edges),
    sees_all: false,
    measured: false,
    filters: "conv",
    ...more,
  };
}

/** Channel 0: the columns 0 1 2 3; 1: all 0; 2: its only cell 8 at row 0, column 3; 3: 1 in the two upper rows. */
export const CHANNELS = [
  ...[0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
  ...Array.from({ length: 16 }, () => 0),
  ...[0, 0, 0, 8, ...Array.from({ length: 12 }, () => 0)],
  ...Array.from({ length: 16 }, (_, i) => (i < 8 ? 1 : 0)),
];

const layer = (name: string, channels: number, side: number, call: number) => ({
  name,
  kind: "Conv2d",
  shape: [channels, side, side],
  parameters: 9,
  stride: [10, 10],
  field: [30, 30],
  sees_all: false,
  call,
});

/** A grey picture of 60 by 40 pixels of which the network saw 40 by 40, and four channels of 4 by 4 cells. */
export async function tinyActivations(change: Traits = {}): Promise<Traits> {
  const traits = await lookedAt([], "conv", flat(60, 40));
  return {
    ...traits,
    _seen: SEEN,
    _layers: [layer("conv", 4, 4, 0), layer("later", 2, 2, 1)],
    _sheet: wireSheet(CHANNELS, [1, 4, 4, 4]),
    _contributions: {},
    _filters: {},
    _kernel: {},
    _colormaps: { ...COLORMAPS, inferno: COLORMAPS.gray },
    opacity: 1,
    sort: "channel",
    ...change,
  };
}

/** The same with a second picture, whose maps are those of the first times a half. */
export async function twoPictures(change: Traits = {}): Promise<Traits> {
  const values = [...CHANNELS, ...CHANNELS.map((value) => value / 2)];
  return tinyActivations({
    _other_photo: await wirePhoto(flat(60, 40, 200).canvas, "other"),
    _other_seen: SEEN,
    _sheet: wireSheet(values, [2, 4, 4, 4]),
    ...change,
  });
}

export interface Activating extends Rendered {
  readonly tiles: HTMLElement;
  readonly photo: HTMLElement;
  /** The colour of a cell of the tile at a position in the order: the middle of the cell on screen. */
  cellAt(position: number, row: number, column: number, picture?: number): Rgba;
  /** The colour of the tiles' canvas at a point of the pane. */
  cellAtScreen(x: number, y: number): Rgba;
  /** Whether anything is outlined on the edge of a cell. */
  outlined(position: number, row: number, column: number): boolean;
  photoAt(x: number, y: number, picture?: number): Rgba;
  strokeAt(x: number, y: number): Rgba;
  pointAtCell(type: string, position: number, row: number, column: number, more?: PointerEventInit): void;
  pointAtPhoto(type: string, x: number, y: number, more?: PointerEventInit): void;
  press(target: HTMLElement, key: string, more?: KeyboardEventInit): void;
  readonly readout: () => string[];
  readonly order: () => string | null;
}

/** Must be what `tilingFor` makes of maps of 72 pixels. */
const [MARGIN, STEP_Y, SIDE] = [4, 92, 72];

export function activatingOn(model: MockModel, width = 1100): Activating {
  const rendered = renderOn(model, width);
  const tiles = rendered.find(".cnnw-tiles-scroll");
  const [base, marks] = rendered.all<HTMLCanvasElement>(".cnnw-tiles canvas");
  const panes = rendered.all(".cnnw-photos > .cnnw-pane");
  for (const pane of panes) pane.setPointerCapture = () => undefined;

  const read = (canvas: HTMLCanvasElement, x: number, y: number) => {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("no canvas");
    const ratio = devicePixelRatio;
    return [...context.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data] as Rgba;
  };
  const tileWidth = () => (model.get("_sheet") as { shape: number[] }).shape[0] * (SIDE + 2) - 2;
  const place = (position: number, row: number, column: number, picture = 0) => {
    const [, , rows, columns] = (model.get("_sheet") as { shape: number[] }).shape;
    const perRow = Math.floor((tiles.clientWidth - 2 * MARGIN + 6) / (tileWidth() + 6));
    const x =
      MARGIN + (position % perRow) * Number(rendered.find(".cnnw").dataset.step) + picture * (SIDE + 2);
    const y = MARGIN + Math.floor(position / perRow) * STEP_Y - tiles.scrollTop;
    return [x + ((column + 0.5) * SIDE) / columns, y + ((row + 0.5) * SIDE) / rows] as const;
  };
  const dispatch = (element: HTMLElement, type: string, x: number, y: number, more: PointerEventInit) => {
    const frame = element.getBoundingClientRect();
    const init = { bubbles: true, cancelable: true, isPrimary: true, pointerId: 1, ...more };
    const at = { clientX: frame.left + x, clientY: frame.top + y };
    element.dispatchEvent(
      type === "click"
        ? new MouseEvent(type, { ...init, ...at })
        : new PointerEvent(type, { ...init, ...at }),
    );
  };
  const scale = (picture: number) => panes[picture].clientWidth / 60;
  const canvasOf = (picture: number, which: number) => panes[picture].querySelectorAll("canvas")[which];

  return {
    ...rendered,
    tiles,
    photo: panes[0],
    cellAt: (position, row, column, picture) => read(base, ...place(position, row, column, picture)),
    cellAtScreen: (x, y) => read(base, x, y),
    outlined(position, row, column) {
      const [, , , columns] = (model.get("_sheet") as { shape: number[] }).shape;
      const [x, y] = place(position, row, column);
      return read(marks, x - SIDE / columns / 2, y)[3] > 0;
    },
    photoAt: (x, y, picture = 0) => read(canvasOf(picture, 0), x * scale(picture), y * scale(picture)),
    strokeAt: (x, y) => read(canvasOf(0, 1), x * scale(0), y * scale(0)),
    pointAtCell: (type, position, row, column, more = {}) =>
      dispatch(tiles, type, ...place(position, row, column), more),
    pointAtPhoto: (type, x, y, more = {}) => dispatch(panes[0], type, x * scale(0), y * scale(0), more),
    press: (target, key, more = {}) =>
      target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more })),
    readout: () => rendered.all(".cnnw-readout > *").map((line) => line.textContent),
    order: () => rendered.find(".cnnw").getAttribute("data-first"),
  };
}

/** Renders, and waits until photograph and tiles are painted. */
export async function renderActivations(traits: Traits, width?: number): Promise<Activating> {
  const view = activatingOn(new MockModel(traits), width);
  await until(() => view.photoAt(30, 20)[3] === 255, "the photograph is painted");
  await until(
    () =>
      view.find(".cnnw").dataset.painted !== undefined || Object.keys(traits._sheet as object).length === 0,
    "the tiles are painted",
  );
  await nextFrame();
  return view;
}
