/** What the kernel has sent of late, so that going back shows at once what was there. */
import {
  type Drawn,
  type GalleryState,
  type Mode,
  needsOrdering,
  type Ordered,
  type Overview,
  type Tiles,
  type Wall,
} from "./gallery_state";
import { createRecent } from "./recent";

export interface Memory {
  /** Takes up what a state holds; forgets all when the index is another one. */
  learn(state: GalleryState): void;
  wall(layer: string, channel: number | null): Wall | null;
  drawn(layer: string, channel: number | null, mode: Mode): Drawn | null;
  overview(layer: string): Overview | null;
  /** The order that a state asks for; null while it is not known. */
  ordered(state: GalleryState): Ordered | null;
}

const MEGABYTE = 2 ** 20;
const MOST = { walls: 32 * MEGABYTE, drawn: 32 * MEGABYTE, overviews: 4 * MEGABYTE, ordered: 2 * MEGABYTE };

const bytesOf = (tiles: Tiles | null) => tiles?.file.bytes.length ?? 0;

const orderKey = (layer: string, by: string, of: number | string | null) => JSON.stringify([layer, by, of]);

/** What an order is by: the channel or the class. */
export function orderedBy({ order, alike, channel, target }: GalleryState): number | string | null {
  return order === "likeness" ? (alike ?? channel) : order === "class" ? target : null;
}

export function createMemory(): Memory {
  const walls = createRecent<string, Wall>(
    MOST.walls,
    ({ images, crops }) => bytesOf(images) + bytesOf(crops),
  );
  const drawings = createRecent<string, Drawn>(
    MOST.drawn,
    ({ tiles, maps }) => bytesOf(tiles) + (maps?.values.byteLength ?? 0),
  );
  const overviews = createRecent<string, Overview>(MOST.overviews, ({ labels }) => labels.byteLength);
  const orders = createRecent<string, Ordered>(MOST.ordered, ({ channels }) => 2 * channels.byteLength);
  let generation: number | null = null;

  return {
    learn({ wall, drawn, overview, ordered, generation: now }) {
      if (now !== generation) for (const known of [walls, drawings, overviews, orders]) known.clear();
      generation = now;
      if (wall) {
        const key = `${wall.channel} ${wall.layer}`;
        // One comes first without its pictures: those that are known stay on show until they come again.
        if (wall.images || !walls.get(key)?.images) walls.set(key, wall);
      }
      if (drawn) drawings.set(`${drawn.mode} ${drawn.channel} ${drawn.layer}`, drawn);
      if (overview) overviews.set(overview.layer, overview);
      if (ordered) orders.set(orderKey(ordered.layer, ordered.by, ordered.of), ordered);
    },
    wall: (layer, channel) => walls.get(`${channel} ${layer}`) ?? null,
    drawn: (layer, channel, mode) => drawings.get(`${mode} ${channel} ${layer}`) ?? null,
    overview: (layer) => overviews.get(layer) ?? null,
    ordered(state) {
      if (!needsOrdering(state.order)) return null;
      return orders.get(orderKey(state.layer, state.order, orderedBy(state))) ?? null;
    },
  };
}
