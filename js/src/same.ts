/** Whether two lists hold the same values: what was made from the one need not be made again. */
export function sameValues(now: readonly unknown[], before: readonly unknown[]): boolean {
  return now.length === before.length && now.every((value, i) => Object.is(value, before[i]));
}
