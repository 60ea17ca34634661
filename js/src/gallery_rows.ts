/** The rows of the overview: asked for a few at a time, answered once, kept as long as there is room. */
import { bytesOf } from "./buffers";
import { createFlight } from "./flight";
import { readPlaces } from "./gallery_readers";
import type { GallerySession, Tiles } from "./gallery_state";
import {
  binary,
  fields,
  isEmpty,
  items,
  number,
  optional,
  ProtocolError,
  record,
  text,
  textOrNull,
} from "./readers";
import { createRecent } from "./recent";

export interface RowPatch {
  readonly value: number;
  readonly source: string;
  readonly label: string | null;
  readonly missing: string;
}

/** The best patches of one channel; patch i is tile `first + i`. */
export interface Row {
  readonly patches: readonly RowPatch[];
  readonly tiles: Tiles | null;
  readonly first: number;
}

export interface Rows {
  /** Null while it is not there. */
  row(layer: string, channel: number): Row | null;
  /** Asks for those that are not there, in this order. */
  want(layer: string, channels: readonly number[]): void;
  /** Why rows could not be had, in words; empty while all could. */
  readonly trouble: string;
  /** Asks again for what could not be had. */
  retry(): void;
  /** The kernel owes rows: told by identity from one wait to the next; null for nothing. */
  readonly owed: object | null;
}

/** Patches in a row at most. */
export const PER_ROW = 12;
/** Rows that one question asks for. */
const PER_QUESTION = 8;
/** Bytes of pictures that are kept. */
const MOST_BYTES = 24 * 2 ** 20;

interface Wanted {
  readonly layer: string;
  readonly channels: readonly number[];
}

const rowOf = record({
  channel: number,
  patches: items(
    record<RowPatch>({ value: number, source: text, label: textOrNull, missing: optional(text, "") }),
  ),
});
const troubleOf = record({ message: text, remedy: optional(text, "") });

/** A sheet whose bytes travel beside the message. */
function tilesOf(sheet: unknown, buffers: readonly DataView[]): Tiles | null {
  if (isEmpty(sheet)) return null;
  const { mime, places } = record({ mime: text, places: readPlaces })(sheet, "rows.sheet");
  return { file: { mime, bytes: bytesOf(binary(buffers[0], "rows.buffers[0]")) }, places };
}

export function createRows(session: GallerySession, wake: () => void, signal: AbortSignal): Rows {
  const known = createRecent<string, Row>(
    MOST_BYTES,
    // The rows of one answer share its file.
    ({ tiles }) => 200 + (tiles ? tiles.file.bytes.length / PER_QUESTION : 0),
  );
  const failed = new Set<string>();
  let trouble = "";
  let generation = session.state.generation;
  const keyOf = (layer: string, channel: number) => `${channel} ${layer}`;

  const flight = createFlight<Wanted>(({ id, layer, channels }) => {
    session.send({ kind: "rows", id, layer, channels, count: PER_ROW });
  }, signal);

  const take = (content: Record<string, unknown>, buffers: readonly DataView[]) => {
    const layer = text(content.layer, "rows.layer");
    const tiles = tilesOf(content.sheet, buffers);
    let first = 0;
    for (const { channel, patches } of items(rowOf)(content.rows, "rows.rows")) {
      known.set(keyOf(layer, channel), { patches, tiles, first });
      first += patches.length;
    }
  };

  const fail = (asked: Wanted | null, words: string) => {
    if (!asked) return;
    for (const channel of asked.channels) failed.add(keyOf(asked.layer, channel));
    trouble = words;
  };

  session.listen((message, buffers) => {
    const content = fields(message ?? {}, "message");
    if (content.kind !== "rows" || typeof content.id !== "number") return;
    const asked = flight.answer(content.id);
    try {
      if (isEmpty(content.error)) take(content, buffers);
      else {
        const { message: words, remedy } = troubleOf(content.error, "rows.error");
        fail(asked, `${words} ${remedy}`.trim());
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      fail(asked, error.message);
    }
    wake();
  });

  /** Another index: nothing that is known holds any more. */
  const renew = () => {
    if (session.state.generation === generation) return;
    generation = session.state.generation;
    known.clear();
    failed.clear();
    trouble = "";
  };

  return {
    row(layer, channel) {
      renew();
      return known.get(keyOf(layer, channel)) ?? null;
    },
    want(layer, channels) {
      renew();
      const { current } = flight;
      const flying = new Set(current?.layer === layer ? current.channels : []);
      const missing = channels.filter((channel) => {
        const key = keyOf(layer, channel);
        return !flying.has(channel) && !failed.has(key) && !known.get(key);
      });
      if (missing.length > 0) flight.place({ layer, channels: missing.slice(0, PER_QUESTION) });
    },
    get trouble() {
      return trouble;
    },
    retry() {
      failed.clear();
      trouble = "";
      wake();
    },
    get owed() {
      return flight.owed;
    },
  };
}
