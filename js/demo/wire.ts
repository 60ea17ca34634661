/** Encodes values the way the kernel sends them: `DataView`s into larger buffers, little-endian float16 planes. */

const float32 = new Float32Array(1);
const bits32 = new Uint32Array(float32.buffer);

/** The nearest half-precision number, as bits; too large becomes infinite. */
function halfBits(value: number): number {
  float32[0] = value;
  const bits = bits32[0];
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  if (Number.isNaN(value)) return 0x7e00;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent <= 0) return sign | Math.round(Math.abs(value) * 2 ** 24);
  // A carry out of the fraction runs into the exponent, as it should.
  return sign | ((((exponent << 23) | (bits & 0x7fffff)) + 0xfff + ((bits >>> 13) & 1)) >>> 13);
}

/** A view that starts inside its buffer, as views on the wire do. */
export function viewOf(bytes: Uint8Array): DataView {
  const padding = 6;
  const buffer = new ArrayBuffer(bytes.length + 2 * padding);
  new Uint8Array(buffer, padding).set(bytes);
  return new DataView(buffer, padding, bytes.length);
}

export function float16View(values: ArrayLike<number>): DataView {
  const view = viewOf(new Uint8Array(2 * values.length));
  for (let i = 0; i < values.length; i++) view.setUint16(2 * i, halfBits(values[i]), true);
  return view;
}

export interface MapOptions {
  readonly units?: string;
  readonly layer?: string | null;
  readonly score?: string;
  readonly box?: readonly number[] | null;
  readonly partial?: boolean;
  readonly caption?: string;
}

/** One entry of `_maps`. Values are scaled to 1 before they become float16, as the kernel does. */
export function wireMap(
  values: ArrayLike<number>,
  xs: readonly number[],
  ys: readonly number[],
  options: MapOptions = {},
) {
  const scale = Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0) || 1;
  return {
    data: float16View(Array.from(values, (value) => value / scale)),
    shape: [ys.length, xs.length],
    scale,
    xs,
    ys,
    units: options.units ?? "logit",
    layer: options.layer ?? null,
    score: options.score ?? "",
    box: options.box ?? null,
    partial: options.partial ?? false,
    caption: options.caption ?? "",
  };
}

/** A picture as the kernel sends it. */
export async function wirePhoto(
  canvas: HTMLCanvasElement,
  title: string,
  size?: { width: number; height: number },
) {
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (!blob) throw new Error("The canvas could not be encoded as PNG.");
  const data = viewOf(new Uint8Array(await blob.arrayBuffer()));
  return { data, mime: "image/png", width: canvas.width, height: canvas.height, title, ...size };
}
