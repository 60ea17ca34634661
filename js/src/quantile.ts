/** Sliders of quantiles give the rare, high ones room: a third of the way is one power of ten. */

/** The last position stands for the highest 0.1 %. */
const FINEST = 3;

export const quantileAt = (position: number): number => (position > 0 ? 1 - 10 ** (-FINEST * position) : 0);

export const quantilePosition = (quantile: number): number =>
  Math.min(1, -Math.log10(Math.max(1e-9, 1 - quantile)) / FINEST);

/** "top 0.5 %". */
export function quantileWords(position: number): string {
  const share = 100 * (1 - quantileAt(position));
  return position > 0 ? `top ${Number(share.toPrecision(2))} %` : "off";
}
