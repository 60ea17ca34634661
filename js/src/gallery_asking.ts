/** What a hand does to the state of NeuronGallery, and when the kernel has to be asked for it. */
import { type Memory, orderedBy } from "./gallery_memory";
import {
  type GallerySession,
  type GalleryState,
  type GalleryView,
  type Mode,
  needsDrawing,
  needsOrdering,
  type Patch,
  type Wall,
} from "./gallery_state";

const asked = ({ state }: GallerySession) => ({ ask: state.ask + 1 });

/** Goes to another layer; the kernel knows which channel to begin with. */
export function chooseLayer(session: GallerySession, layer: string): void {
  if (layer === session.state.layer) return;
  // A held arrow key walks through layers faster than any can be sent: the kernel hears of the latest.
  session.show({ layer, channel: null, selection: null, alike: null, ...asked(session) });
}

/** Goes to the wall of a channel, perhaps of another layer. */
export function chooseChannel(session: GallerySession, channel: number, layer = session.state.layer): void {
  const { state } = session;
  if (channel === state.channel && layer === state.layer && state.view === "wall") return;
  const other = layer === state.layer ? {} : { layer, alike: null };
  session.show({ ...other, channel, view: "wall", selection: null, ...asked(session) });
}

export function chooseView(session: GallerySession, view: GalleryView): void {
  if (view !== session.state.view) session.put({ view, ...asked(session) });
}

export function chooseMode(session: GallerySession, memory: Memory, mode: Mode): void {
  const { state } = session;
  if (mode === state.mode) return;
  const known = !needsDrawing(mode) || memory.drawn(state.layer, state.channel, mode) !== null;
  session.put(known ? { mode } : { mode, ...asked(session) });
}

type Ordering = Partial<Pick<GalleryState, "order" | "alike" | "target">>;

export function chooseOrder(session: GallerySession, memory: Memory, changes: Ordering): void {
  const next = { ...session.state, ...changes };
  const known = !needsOrdering(next.order) || orderedBy(next) === null || memory.ordered(next) !== null;
  session.put(known ? changes : { ...changes, ...asked(session) });
}

/** Whether a patch is the one selected. */
export function isSelected({ selection }: GalleryState, wall: Wall, { kind, rank }: Patch): boolean {
  return (
    selection !== null &&
    selection.kind === kind &&
    selection.rank === rank &&
    selection.layer === wall.layer &&
    selection.channel === wall.channel
  );
}

/** Selects a patch, or lets it go if it is the selected one; null for none. */
export function select(session: GallerySession, wall: Wall, patch: Patch | null): void {
  const { state } = session;
  if (patch === null || isSelected(state, wall, patch)) {
    if (state.selection !== null) session.put({ selection: null });
    return;
  }
  const { image, source } = wall.pictures[patch.picture];
  const { kind, rank, cell } = patch;
  const { layer, channel } = wall;
  session.put({ selection: { kind, rank, image, source, layer, channel, y: cell[0], x: cell[1] } });
}
