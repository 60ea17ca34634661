/** Numbers and names as a person reads them. */

const MINUS = "\u2212";
const SUPERSCRIPTS: Record<string, string> = {
  "-": "⁻",
  "0": "⁰",
  "1": "¹",
  "2": "²",
  "3": "³",
  "4": "⁴",
  "5": "⁵",
  "6": "⁶",
  "7": "⁷",
  "8": "⁸",
  "9": "⁹",
};

const plain = new Intl.NumberFormat("en", {
  minimumSignificantDigits: 3,
  maximumSignificantDigits: 3,
  useGrouping: false,
});

const grouped = new Intl.NumberFormat("en");

/** "2,000". */
export const inGroups = (count: number): string => grouped.format(count);

/** Three significant digits: 0.0123, 9.31, 1230, 1.23×10⁻⁵. */
export function significant(value: number): string {
  if (Number.isNaN(value)) return "not a number";
  const sign = value < 0 ? MINUS : "";
  const magnitude = Math.abs(value);
  if (magnitude === 0) return "0";
  if (magnitude === Number.POSITIVE_INFINITY) return `${sign}∞`;
  if (magnitude >= 0.001 && magnitude < 99_950) return sign + plain.format(magnitude);
  const [mantissa, exponent] = magnitude.toExponential(2).split("e");
  const raised = [...exponent.replace("+", "")].map((digit) => SUPERSCRIPTS[digit]).join("");
  return `${sign}${mantissa}×10${raised}`;
}

/** A number with so many decimals, and no sign where nothing is left of it: "−0.04", "0.00". */
export function fixed(value: number, decimals: number): string {
  const digits = Math.abs(value).toFixed(decimals);
  return (value < 0 && Number(digits) > 0 ? MINUS : "") + digits;
}

/** A probability as a percentage with one decimal, never rounded to a false 0 or 100. */
export function percent(probability: number): string {
  const value = 100 * probability;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  if (value < 100 && value > 99.9) return "> 99.9 %";
  return `${value.toFixed(1)} %`;
}

/** A share as whole per cent. */
export function wholePercent(share: number): string {
  const value = Math.round(100 * share);
  return `${value < 0 ? MINUS : ""}${Math.abs(value)} %`;
}

/** A value with its units; dimensionless values stand alone. */
export function withUnits(value: string, units: string): string {
  return units ? `${value} ${units}` : value;
}

/** A change of a probability in percentage points, with its sign: "+3.2", "−24.1", "±0". */
export function points(change: number): string {
  const value = 100 * change;
  if (Math.abs(value) < 0.05) return "±0";
  return `${value < 0 ? MINUS : "+"}${Math.abs(value).toFixed(1)}`;
}

/** A length of time as a person says it: "31 ms", "1.8 s", "40 s", "3 min". */
export function seconds(time: number): string {
  if (time < 1) return `${Math.max(1, Math.round(1000 * time))} ms`;
  if (time < 10) return `${time.toFixed(1)} s`;
  return time < 90 ? `${Math.round(time)} s` : `${Math.round(time / 60)} min`;
}
