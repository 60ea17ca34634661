/** Finds classes by name: every typed word must occur; beginnings rank before middles. */

export interface Hits {
  /** Class indices, best first, at most the limit. */
  readonly indices: readonly number[];
  /** How many classes match in all. */
  readonly total: number;
}

const MAX_INDEX = 1_000_000;

function rank(name: string, query: string): number {
  if (name === query) return 0;
  if (name.startsWith(query)) return 1;
  return name.includes(` ${query}`) ? 2 : 3;
}

/** Matches in ranking order, ties by index. A number also finds the class of that index. */
export function searchNames(names: readonly string[], query: string, limit: number): Hits {
  const wanted = query.trim().toLowerCase().replace(/\s+/g, " ");
  const words = wanted.split(" ");
  const ranked: [rank: number, index: number][] = [];
  names.forEach((original, index) => {
    const name = original.toLowerCase();
    if (String(index) === wanted) ranked.push([0, index]);
    else if (words.every((word) => name.includes(word))) ranked.push([rank(name, wanted), index]);
  });
  ranked.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return { indices: ranked.slice(0, limit).map(([, index]) => index), total: ranked.length };
}

/** Without names a class is found by its index alone: "17" or "class 17". */
export function searchIndex(query: string): Hits {
  const digits = /^\s*(?:class\s*)?(\d+)\s*$/i.exec(query)?.[1];
  const index = Number(digits);
  if (digits === undefined || index > MAX_INDEX) return { indices: [], total: 0 };
  return { indices: [index], total: 1 };
}
