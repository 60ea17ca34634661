/** Binary traits arrive as `DataView`s into larger buffers: every reader here honours byteOffset and byteLength. */

/** One IEEE 754 half-precision number from its 16 bits. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halfTable: Float32Array | null = null;

/** All 65,536 halves, decoded once: a table look-up is several times faster than the arithmetic. */
function halves(): Float32Array {
  halfTable ??= Float32Array.from({ length: 0x10000 }, (_, bits) => halfToNumber(bits));
  return halfTable;
}

/** Little-endian float16 values, each multiplied by `scale`, as float32. */
export function decodeFloat16(data: DataView, scale: number): Float32Array {
  const table = halves();
  const values = new Float32Array(data.byteLength >> 1);
  for (let i = 0; i < values.length; i++) values[i] = table[data.getUint16(2 * i, true)] * scale;
  return values;
}

/** Little-endian float32 values. */
export function decodeFloat32(data: DataView): Float32Array {
  const values = new Float32Array(data.byteLength >> 2);
  for (let i = 0; i < values.length; i++) values[i] = data.getFloat32(4 * i, true);
  return values;
}

/** The bytes of a view, without copying. */
export function bytesOf(data: DataView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}
