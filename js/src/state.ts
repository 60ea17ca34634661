/** What follows from the state: names, the map on show, the question in words. */
import type { HeatMap, HeatmapState, Method } from "./protocol";

const repeated = new WeakMap<readonly string[], ReadonlySet<string>>();

/** Names that more than one class has (ImageNet has two cranes). */
function repeatedNames(names: readonly string[]): ReadonlySet<string> {
  let found = repeated.get(names);
  if (!found) {
    const once = new Set<string>();
    found = new Set(names.filter((name) => once.has(name) || !once.add(name)));
    repeated.set(names, found);
  }
  return found;
}

/** The name of a class; its index is added where the name alone would be ambiguous. */
export function className(state: HeatmapState, index: number): string {
  const name = state.class_names[index];
  if (!name) return `class ${index}`;
  return repeatedNames(state.class_names).has(name) ? `${name} (${index})` : name;
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

/** Whether a picture point lies in the region that the network saw. */
export function isSeen(state: HeatmapState, x: number, y: number): boolean {
  const [left, top, right, bottom] = state.seen;
  return x >= left && x < right && y >= top && y < bottom;
}
