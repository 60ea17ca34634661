/** A small data set, painted on the spot: landscapes of four classes, with things at known places. */
import { blank } from "./pictures";

export const CLASSES = ["dawn", "meadow", "night", "dunes"] as const;

export interface DemoItem {
  readonly canvas: HTMLCanvasElement;
  readonly source: string;
  readonly label: string;
  /** Where each thing stands, in pixels: the centre of what a channel may look for. */
  readonly things: readonly (readonly [x: number, y: number])[];
}

export const THINGS = 4;
export const ITEMS = 40;

const PALETTES: Readonly<Record<string, readonly [sky: string, glow: string, land: string, disc: string]>> = {
  dawn: ["#5f86ad", "#f2c99a", "#5d7a5c", "#fff1c9"],
  meadow: ["#7fb4e6", "#dff0fa", "#4f8a3d", "#fffbe0"],
  night: ["#0d1430", "#31406b", "#1d2f2c", "#e8ecf4"],
  dunes: ["#d7a86c", "#f6e3b8", "#b87f3e", "#fff5d8"],
};

/** A repeatable number in 0..1. */
export function chance(...seeds: number[]): number {
  const seed = seeds.reduce((sum, each, i) => sum + each * (12.9898 + 65.11 * i), 0.5);
  const wave = 43758.5453 * Math.sin(seed % 6283);
  return wave - Math.floor(wave);
}

function paint(number: number): DemoItem {
  const label = CLASSES[number % CLASSES.length];
  const [width, height] = number % 5 === 3 ? [200, 280] : [320, 220];
  const [canvas, context] = blank(width, height);
  const [sky, glow, land, disc] = PALETTES[label];
  const at = (seed: number, low: number, high: number) => low + (high - low) * chance(number, seed);
  const gradient = context.createLinearGradient(0, 0, 0, height);
  gradient.addColorStop(0, sky);
  gradient.addColorStop(0.7, glow);
  context.fillStyle = gradient;
  context.fillRect(0, 0, width, height);
  const sun = [at(1, 0.15, 0.85) * width, at(2, 0.12, 0.38) * height] as const;
  context.fillStyle = disc;
  context.beginPath();
  context.arc(...sun, at(3, 0.05, 0.09) * width, 0, 7);
  context.fill();
  const ridge = at(4, 0.5, 0.62) * height;
  context.fillStyle = land;
  context.beginPath();
  context.moveTo(0, height);
  for (let x = 0; x <= width; x += 2)
    context.lineTo(x, ridge + 0.06 * height * Math.sin((x / width) * at(5, 4, 9) + number));
  context.lineTo(width, height);
  context.fill();
  const trunk = [at(6, 0.12, 0.88) * width, at(7, 0.66, 0.78) * height] as const;
  context.fillStyle = "#4a3426";
  context.fillRect(trunk[0] - 4, trunk[1] - 10, 8, 44);
  context.fillStyle = "#27472d";
  context.beginPath();
  context.arc(trunk[0], trunk[1] - 18, 22, 0, 7);
  context.fill();
  const rock = [at(8, 0.1, 0.9) * width, at(9, 0.84, 0.93) * height] as const;
  context.fillStyle = "#8b8d92";
  context.beginPath();
  context.ellipse(...rock, 16, 10, 0, 0, 7);
  context.fill();
  return {
    canvas,
    source: `${label}/${String(number).padStart(4, "0")}.jpg`,
    label,
    things: [sun, [trunk[0], trunk[1] - 14], [width * 0.5, ridge], rock],
  };
}

let painted: readonly DemoItem[] | undefined;

/** The data set; painted once. */
export function demoItems(): readonly DemoItem[] {
  painted ??= Array.from({ length: ITEMS }, (_, number) => paint(number));
  return painted;
}
