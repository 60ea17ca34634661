/** The state of HeatmapView: its own traits, how they are read, and what follows from them. */
import type { HeatMap, PictureState, Prediction } from "./protocol";
import {
  bool,
  EMPTY_PICTURE,
  entries,
  fields,
  heatMap,
  items,
  number,
  numberOrNull,
  PICTURE_READERS,
  prediction,
  type Readers,
  text,
  textOrNull,
} from "./readers";
import type { Session } from "./session";
import { className } from "./state";

export interface Method {
  readonly id: string;
  readonly label: string;
  readonly paper: string;
  readonly uses_layer: boolean;
  /** Why this method cannot be used on this network; empty if it can. */
  readonly unavailable: string;
}

export interface Layer {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What is asked of the kernel: a change starts work there. */
export interface Question {
  readonly method: string;
  readonly target: number;
  readonly instead_of: number | null;
  readonly layer: string | null;
  readonly compare: boolean;
}

export interface HeatmapState extends PictureState, Question {
  readonly maps: Readonly<Record<string, HeatMap>>;
  readonly predictions: readonly Prediction[];
  readonly methods: readonly Method[];
  readonly layers: readonly Layer[];
  readonly show_box: boolean;
  /** How often the browser has asked. */
  readonly ask: number;
}

export type HeatmapSession = Session<HeatmapState>;

function method(value: unknown, where: string): Method {
  const { id, label, paper, uses_layer, unavailable } = fields(value, where);
  return {
    id: text(id, `${where}.id`),
    label: text(label, `${where}.label`),
    paper: text(paper ?? "", `${where}.paper`),
    uses_layer: bool(uses_layer ?? false, `${where}.uses_layer`),
    unavailable: text(unavailable ?? "", `${where}.unavailable`),
  };
}

function layer(value: unknown, where: string): Layer {
  const { name, shape } = fields(value, where);
  return { name: text(name, `${where}.name`), shape: items(number)(shape, `${where}.shape`) };
}

/** What the views see before the first valid value of a trait. */
export const EMPTY: HeatmapState = {
  ...EMPTY_PICTURE,
  maps: {},
  predictions: [],
  methods: [],
  layers: [],
  method: "",
  target: 0,
  instead_of: null,
  layer: null,
  compare: false,
  show_box: false,
  ask: 0,
};

/** Where each part of the state lives on the model, and how it is read. */
export const READERS: Readers<HeatmapState> = {
  ...PICTURE_READERS,
  maps: { trait: "_maps", read: entries(heatMap) },
  predictions: { trait: "_predictions", read: items(prediction) },
  methods: { trait: "_methods", read: items(method) },
  layers: { trait: "_layers", read: items(layer) },
  method: { trait: "method", read: text },
  target: { trait: "target", read: number },
  instead_of: { trait: "instead_of", read: numberOrNull },
  layer: { trait: "layer", read: textOrNull },
  compare: { trait: "compare", read: bool },
  show_box: { trait: "show_box", read: bool },
  ask: { trait: "_ask", read: number },
};

/** Puts a new question to the kernel, under a new number. */
export function ask(session: HeatmapSession, changes: Partial<Question>): void {
  session.put({ ...changes, ask: session.state.ask + 1 });
}

export function methodById(state: HeatmapState, id: string): Method | null {
  return state.methods.find((method) => method.id === id) ?? null;
}

export function methodLabel(state: HeatmapState, id: string): string {
  return methodById(state, id)?.label ?? id;
}

/** The map of a method for the current question; null while it is not computed. */
export function mapOf(state: HeatmapState, id: string): HeatMap | null {
  return state.maps[id] ?? null;
}

/** "Why Egyptian cat instead of tabby?" */
export function questionInWords(state: HeatmapState): string {
  const target = className(state, state.target);
  if (state.instead_of === null) return `Why ${target}?`;
  return `Why ${target} instead of ${className(state, state.instead_of)}?`;
}
