/** The layers of a network as a tree: modules contain what they call. */

import { nameOf, shapeWords } from "./layer_words";
import type { Layer } from "./layers";

export interface Entry {
  /** The dotted path; no two entries share one. */
  readonly path: string;
  /** Its last part. */
  readonly label: string;
  /** Null where a container has no map of its own. */
  readonly layer: Layer | null;
  readonly parent: Entry | null;
  readonly children: readonly Entry[];
  /** 1 for the outermost. */
  readonly level: number;
}

export interface Outline {
  readonly roots: readonly Entry[];
  readonly entries: ReadonlyMap<string, Entry>;
}

interface Growing extends Entry {
  layer: Layer | null;
  readonly children: Growing[];
}

const outlines = new WeakMap<readonly Layer[], Outline>();

function grow(layers: readonly Layer[]): Outline {
  const roots: Growing[] = [];
  const entries = new Map<string, Growing>();

  const entryAt = (path: string): Growing => {
    const known = entries.get(path);
    if (known) return known;
    const dot = path.lastIndexOf(".");
    const parent = dot < 0 ? null : entryAt(path.slice(0, dot));
    const level = (parent?.level ?? 0) + 1;
    const entry: Growing = { path, label: path.slice(dot + 1), layer: null, parent, children: [], level };
    entries.set(path, entry);
    (parent?.children ?? roots).push(entry);
    return entry;
  };

  for (const layer of layers) entryAt(layer.name).layer = layer;
  return { roots, entries };
}

/** In order of execution: an entry stands where its first layer is run. */
export function outlineOf(layers: readonly Layer[]): Outline {
  let outline = outlines.get(layers);
  if (!outline) {
    outline = grow(layers);
    outlines.set(layers, outline);
  }
  return outline;
}

/** The containers around an entry, the innermost first. */
export function containersOf(entry: Entry | undefined): Entry[] {
  const found: Entry[] = [];
  for (let outer = entry?.parent; outer; outer = outer.parent) found.push(outer);
  return found;
}

/** The entries on show, from top to bottom. */
export function unfolded(roots: readonly Entry[], isOpen: (entry: Entry) => boolean): Entry[] {
  const rows: Entry[] = [];
  const visit = (entry: Entry) => {
    rows.push(entry);
    if (isOpen(entry)) entry.children.forEach(visit);
  };
  roots.forEach(visit);
  return rows;
}

export interface Matches {
  /** Those that match, and the containers around them. */
  readonly rows: readonly Entry[];
  readonly hits: ReadonlySet<Entry>;
  /** The containers among the rows that have matches inside. */
  readonly open: ReadonlySet<Entry>;
}

/** Every typed word must occur in the name, the kind or the shape ("conv 512", "x7x7"). */
export function matching({ roots }: Outline, query: string): Matches {
  const words = query.toLowerCase().replaceAll("×", "x").split(/\s+/);
  const hits = new Set<Entry>();
  const open = new Set<Entry>();
  const visit = (entry: Entry) => {
    const { layer, children } = entry;
    if (layer) {
      const text = `${nameOf(layer)} ${layer.kind} ${shapeWords(layer)}`.toLowerCase().replaceAll("×", "x");
      if (words.every((word) => text.includes(word))) hits.add(entry);
    }
    children.forEach(visit);
  };
  roots.forEach(visit);
  for (const hit of hits) for (const container of containersOf(hit)) open.add(container);
  const rows = unfolded(roots, (entry) => open.has(entry)).filter((row) => hits.has(row) || open.has(row));
  return { rows, hits, open };
}
