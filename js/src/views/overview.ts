/** Every channel of a layer as a row of its best patches; only the rows in view exist (the ARIA list box pattern). */
import { h, setAttribute, setText, uniqueId } from "../dom";
import { significant } from "../format";
import { chooseChannel } from "../gallery_asking";
import { createPictures } from "../gallery_pictures";
import { createRows } from "../gallery_rows";
import type { GalleryState, Overview } from "../gallery_state";
import { commonest, countOf, createLister, type Listing } from "../overview_order";
import { onRecoloured } from "../theme";
import { OWN_KEYS } from "./context";
import type { GalleryContext } from "./gallery_context";
import { createOverviewControls } from "./overview_controls";
import { createOverviewRow, type OverviewRow, ROW_HEIGHT, tilesIn } from "./overview_row";

export interface OverviewPane {
  readonly element: HTMLElement;
  update(state: GalleryState): void;
  /** What the kernel owes. */
  readonly owed: object | null;
  /** Rows in view that are there, and all that are in view: "9/9"; empty while nothing is listed. */
  readonly filled: string;
}

/** Pixels of the rows that are kept decoded. */
const MOST_PIXELS = 12_000_000;
/** Rows beyond those in view that are asked for. */
const AHEAD = 4;
/** Must be what the style sheet gives the words of a row, with its gaps. */
const WORDS = 156;
const KEYS = "Arrow keys walk the channels, Enter shows the patches of one.";

export function createOverview(context: GalleryContext): OverviewPane {
  const { session, signal, refresh, memory } = context;
  const rows = createRows(session, refresh, signal);
  const pictures = createPictures(MOST_PIXELS, refresh, signal);
  const listing = createLister(memory);
  const sizer = h("div", { class: "cnnw-rows-sizer" });
  const scroller = h("div", { class: "cnnw-rows", role: "listbox", tabindex: 0, ...OWN_KEYS }, sizer);
  const controls = createOverviewControls(context, scroller);
  const note = h("p", { class: "cnnw-quiet", "aria-live": "polite" });
  const again = h("button", { type: "button", class: "cnnw-button" }, "Try again");
  const trouble = h("p", { class: "cnnw-trouble", role: "status" });
  const troubles = h("div", { class: "cnnw-troubles" }, trouble, again);
  const id = uniqueId("row");
  const pool: OverviewRow[] = [];
  let shown: Listing | null = null;
  let layer = "";
  /** The channel that the keys are at. */
  let active: number | null = null;
  let filled = "";

  signal.addEventListener(
    "abort",
    () => {
      for (const row of pool.splice(0)) row.end();
    },
    { once: true },
  );
  again.addEventListener("click", () => rows.retry(), { signal });
  scroller.addEventListener("scroll", refresh, { signal, passive: true });
  // "missing" is painted in its colours.
  onRecoloured(scroller, refresh, signal);

  const reveal = (position: number) => {
    const top = position * ROW_HEIGHT;
    const { scrollTop, clientHeight } = scroller;
    if (top < scrollTop) scroller.scrollTop = top;
    else if (top + ROW_HEIGHT > scrollTop + clientHeight)
      scroller.scrollTop = top + ROW_HEIGHT - clientHeight;
  };
  const walk = (by: number) => {
    const channels = shown?.channels ?? [];
    if (channels.length === 0) return;
    const from = active === null ? -1 : channels.indexOf(active);
    // The keys begin where the eye is, and nothing moves for it.
    const first = Math.ceil(scroller.scrollTop / ROW_HEIGHT);
    const to = Math.min(channels.length - 1, Math.max(0, from < 0 ? first : from + by));
    active = channels[to];
    reveal(to);
    refresh();
  };
  const page = () => Math.max(1, Math.floor(scroller.clientHeight / ROW_HEIGHT) - 1);
  const keys: Readonly<Record<string, () => void>> = {
    ArrowDown: () => walk(1),
    ArrowUp: () => walk(-1),
    PageDown: () => walk(page()),
    PageUp: () => walk(-page()),
    Home: () => walk(Number.NEGATIVE_INFINITY),
    End: () => walk(Number.POSITIVE_INFINITY),
    Enter: () => active !== null && chooseChannel(session, active),
    " ": () => active !== null && chooseChannel(session, active),
  };
  scroller.addEventListener(
    "keydown",
    (event) => {
      const act = keys[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    },
    { signal },
  );
  scroller.addEventListener("focus", () => active === null && walk(0), { signal });
  const rowAt = (event: Event) => pool.find((row) => row.element.contains(event.target as Node));
  scroller.addEventListener(
    "pointerdown",
    (event) => {
      // Before the focus comes, which would begin with another row.
      const channel = rowAt(event)?.element.dataset.channel;
      if (channel !== undefined) active = Number(channel);
    },
    { signal },
  );
  scroller.addEventListener(
    "click",
    (event) => {
      const channel = rowAt(event)?.element.dataset.channel;
      if (channel !== undefined) chooseChannel(session, Number(channel));
    },
    { signal },
  );
  scroller.addEventListener(
    "pointermove",
    (event) => {
      const row = rowAt(event);
      const canvas = row?.element.querySelector("canvas");
      if (!row || !canvas) return;
      const words = row.wordsAt(event.clientX - canvas.getBoundingClientRect().left);
      setAttribute(row.element, "title", words || undefined);
    },
    { signal },
  );

  const scoreWords = ({ scores }: Listing, { maximum }: Overview, channel: number): string =>
    significant(scores?.get(channel) ?? maximum[channel]);

  const classWords = (state: GalleryState, overview: Overview, { wanted }: Listing, channel: number) => {
    if (wanted) return `${countOf(overview, channel, wanted)} of ${overview.k} patches`;
    const found = commonest(overview, channel);
    // A class may be called by a number, as digits are.
    return found ? `${found.count} of ${overview.k}: ${state.classes[found.label] ?? ""}` : "";
  };

  const draw = (state: GalleryState, overview: Overview, now: Listing) => {
    const { channels } = now;
    sizer.style.height = `${channels.length * ROW_HEIGHT}px`;
    const { scrollTop, clientHeight, clientWidth } = scroller;
    const from = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT));
    const to = Math.min(channels.length, Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT));
    const room = tilesIn(clientWidth - WORDS);
    while (pool.length < to - from) pool.push(createOverviewRow(`${id}-${pool.length}`));
    let there = 0;
    for (let position = from; position < to; position++) {
      const channel = channels[position];
      const row = rows.row(state.layer, channel);
      const dead = overview.dead[channel] === 1;
      if (row || dead) there += 1;
      // A row keeps its element while it is scrolled past.
      const slot = pool[position % Math.max(1, pool.length)];
      slot.update({
        channel,
        position,
        count: channels.length,
        score: scoreWords(now, overview, channel),
        classes: dead ? "" : classWords(state, overview, now, channel),
        dead,
        row,
        pictures,
        room,
        pinned: channel === state.channel,
        active: channel === active,
      });
      if (slot.element.parentNode !== sizer) sizer.append(slot.element);
      if (channel === active) setAttribute(scroller, "aria-activedescendant", slot.element.id);
    }
    const used = new Set(Array.from({ length: to - from }, (_, i) => pool[(from + i) % pool.length]));
    for (const row of pool) if (!used.has(row)) row.element.remove();
    filled = `${there}/${to - from}`;
    const asked = [...channels.slice(from, to), ...channels.slice(to, to + AHEAD)];
    rows.want(
      state.layer,
      asked.filter((channel) => overview.dead[channel] === 0),
    );
  };

  return {
    element: h("div", { class: "cnnw-overview" }, controls.element, note, troubles, scroller),
    get owed() {
      return rows.owed;
    },
    get filled() {
      return filled;
    },
    update(state) {
      controls.update(state);
      const overview = memory.overview(state.layer);
      const now = overview && listing(state, overview);
      setText(note, now?.note ?? "");
      setText(trouble, rows.trouble);
      troubles.hidden = rows.trouble === "";
      setAttribute(scroller, "aria-label", `Channels of ${state.layer}. ${KEYS}`);
      setAttribute(scroller, "aria-busy", overview === null ? "true" : undefined);
      filled = "";
      if (!overview || !now) {
        sizer.replaceChildren();
        shown = null;
        return;
      }
      const anew = now !== shown;
      shown = now;
      if (layer !== state.layer || (active !== null && !now.channels.includes(active))) active = null;
      if (anew) {
        const pinned =
          layer === state.layer || state.channel === null ? -1 : now.channels.indexOf(state.channel);
        scroller.scrollTop = 0;
        sizer.style.height = `${now.channels.length * ROW_HEIGHT}px`;
        // What is pinned stays in sight when the overview is opened by its number.
        if (pinned >= 0 && state.order === "channel") reveal(pinned);
        layer = state.layer;
      }
      draw(state, overview, now);
    },
  };
}
