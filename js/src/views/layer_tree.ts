/** The network as a tree that can be searched (the ARIA tree pattern); one press goes to a layer. */
import { h, setAttribute } from "../dom";
import { factWords, layerWords, shapeWords } from "../layer_words";
import type { Layer, LayersState } from "../layers";
import { containersOf, type Entry, type Matches, matching, outlineOf, unfolded } from "../outline";
import { type LayersContext, OWN_KEYS, type Part } from "./context";
import { createSearchField } from "./search_field";

const INDENT = 12;
/** From so many rows on, those out of sight are left to the browser to skip. */
const MANY = 150;

export function createLayerTree({ choose, signal }: LayersContext): Part<LayersState> {
  const tree = h("div", { class: "cnnw-tree", role: "tree", "aria-label": "Layers", ...OWN_KEYS });

  let query = "";
  let found: Matches | null = null;
  let layers: readonly Layer[] = [];
  let current: Entry | undefined;
  /** What the hand has opened and closed; the way to the current layer is open by itself. */
  const folded = new Map<string, boolean>();
  const elements = new Map<Entry, HTMLElement>();
  let rows: readonly Entry[] = [];
  /** The row that the Tab key reaches. */
  let active: Entry | undefined;
  let onTheWay: ReadonlySet<Entry> = new Set();
  let stale = true;

  const isOpen = (entry: Entry) =>
    found ? found.open.has(entry) : (folded.get(entry.path) ?? onTheWay.has(entry));
  const isContainer = (entry: Entry) => entry.children.length > 0;

  const search = createSearchField({
    label: "Layers",
    placeholder: "Name, kind or shape",
    controls: tree,
    type(text) {
      query = text;
      stale = true;
      draw();
    },
    enter: () => pick(firstHit()),
    leave: () => firstHit() && focus(firstHit()),
    signal,
  });

  const firstHit = () => rows.find((row) => found?.hits.has(row)) ?? rows[0];

  const rowFor = (entry: Entry): HTMLElement => {
    const { label, layer, level } = entry;
    const row = h(
      "div",
      {
        class: "cnnw-tree-row",
        role: "treeitem",
        "aria-level": level,
        title: layer ? layerWords(layer) : entry.path,
        style: `padding-inline-start:${4 + INDENT * (level - 1)}px`,
      },
      h("span", { class: "cnnw-twisty", "aria-hidden": "true" }),
      h("span", { class: "cnnw-tree-name" }, label || "(the network)"),
      h("span", { class: "cnnw-tree-kind" }, layer?.kind ?? ""),
      h("span", { class: "cnnw-tree-shape" }, layer ? shapeWords(layer) : ""),
      h("span", { class: "cnnw-tree-facts" }, layer ? factWords(layer) : ""),
    );
    elements.set(entry, row);
    return row;
  };

  /** Scrolls the tree as far as it takes; with `amid`, far enough to see what stands around. */
  const reveal = (entry: Entry | undefined, amid = false) => {
    const row = entry && elements.get(entry);
    if (!row?.isConnected) return;
    // Not scrollIntoView: that would move the notebook, too.
    const { offsetTop: top, offsetHeight: height } = row;
    const room = tree.clientHeight - height;
    const nearest = Math.min(top, Math.max(tree.scrollTop, top - room));
    if (nearest !== tree.scrollTop) tree.scrollTop = amid ? top - room / 2 : nearest;
  };

  const activate = (entry: Entry | undefined) => {
    if (active) setAttribute(elements.get(active) ?? tree, "tabindex", -1);
    active = entry;
    const row = active && elements.get(active);
    if (row) setAttribute(row, "tabindex", 0);
  };

  const focus = (entry: Entry | undefined) => {
    if (!entry) return;
    activate(entry);
    elements.get(entry)?.focus({ preventScroll: true });
    reveal(entry);
  };

  const fold = (entry: Entry, open: boolean) => {
    // A search shows what it finds.
    if (found) return;
    folded.set(entry.path, open);
    stale = true;
    draw();
  };

  const pick = (entry: Entry | undefined) => {
    if (!entry) return;
    if (entry.layer) choose(entry.layer.name);
    else fold(entry, !isOpen(entry));
  };

  const draw = () => {
    if (!stale) return;
    stale = false;
    const outline = outlineOf(layers);
    found = query === "" ? null : matching(outline, query);
    rows = found?.rows ?? unfolded(outline.roots, isOpen);
    const wanted = rows.map((row) => elements.get(row) ?? rowFor(row));
    const focused = tree.matches(":focus-within");
    if (wanted.length !== tree.children.length || wanted.some((row, i) => row !== tree.children[i]))
      tree.replaceChildren(...wanted);
    rows.forEach((entry, i) => {
      const row = wanted[i];
      const siblings = entry.parent?.children ?? outline.roots;
      setAttribute(row, "aria-expanded", isContainer(entry) ? String(isOpen(entry)) : undefined);
      setAttribute(row, "aria-selected", String(entry === current));
      setAttribute(row, "aria-setsize", siblings.length);
      setAttribute(row, "aria-posinset", siblings.indexOf(entry) + 1);
      setAttribute(row, "data-hit", found?.hits.has(entry));
      setAttribute(row, "tabindex", -1);
    });
    setAttribute(tree, "data-searched", found !== null);
    setAttribute(tree, "data-many", rows.length > MANY);
    search.count(found ? `${found.hits.size} of ${layers.length} layers` : `${layers.length} layers`);
    const reachable = [active, current, ...containersOf(active)].find(
      (entry) => entry && rows.includes(entry),
    );
    activate(reachable ?? rows[0]);
    if (focused) focus(active);
  };

  const step = (by: number) =>
    focus(rows[Math.min(rows.length - 1, Math.max(0, (active ? rows.indexOf(active) : 0) + by))]);

  const keys: Readonly<Record<string, (entry: Entry) => void>> = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    PageDown: () => step(10),
    PageUp: () => step(-10),
    Home: () => step(-rows.length),
    End: () => step(rows.length),
    ArrowRight: (entry) => {
      if (isOpen(entry)) step(1);
      else if (isContainer(entry)) fold(entry, true);
    },
    ArrowLeft: (entry) => {
      if (isContainer(entry) && isOpen(entry) && !found) fold(entry, false);
      else if (entry.parent) focus(entry.parent);
    },
    Enter: pick,
    " ": pick,
    Escape: () => search.clear(),
  };

  tree.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !active) return;
      const act = keys[event.key];
      if (act) {
        event.preventDefault();
        event.stopPropagation();
        act(active);
      } else if (event.key.length === 1) search.focus();
    },
    { signal },
  );
  tree.addEventListener(
    "click",
    (event) => {
      const target = event.target as Element;
      const entry = rows.find((row) => elements.get(row)?.contains(target));
      if (!entry) return;
      focus(entry);
      if (target.classList.contains("cnnw-twisty") && isContainer(entry)) fold(entry, !isOpen(entry));
      else pick(entry);
    },
    { signal },
  );

  return {
    element: h("section", { class: "cnnw-layers" }, search.element, tree),
    update(state) {
      if (state.layers !== layers) {
        layers = state.layers;
        elements.clear();
        [current, active] = [undefined, undefined];
        stale = true;
      }
      const now = outlineOf(layers).entries.get(state.layer);
      const moved = now !== current;
      if (moved) {
        current = now;
        onTheWay = new Set(containersOf(now));
        for (const container of onTheWay) folded.delete(container.path);
        if (!tree.matches(":focus-within")) active = now;
        stale = true;
      }
      draw();
      if (moved) reveal(current, true);
    },
  };
}
