// G.711 mu-law, 8 kHz, and base64 of its bytes. Pure; used in the page and in the audio worklet.

/** Silence. */
export const SILENCE = 0xff;
/** Bytes of 20 ms. */
export const FRAME = 160;

const BIAS = 132;
const CLIP = 32635;
const DECODED = new Float32Array(256).map((_, code) => decode(code) / 32768);

/** Samples from -1 to 1 as mu-law; beyond that they are clipped. */
export function encodeMulaw(samples) {
  const codes = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i++) codes[i] = encode(Math.round(samples[i] * 32767));
  return codes;
}

/** The sample of a code, from -1 to 1. */
export function decodeMulaw(code) {
  return DECODED[code];
}

function encode(sample) {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(sample), CLIP) + BIAS;
  const exponent = 24 - Math.clz32(magnitude); // 132..32767: bit 7..14
  const mantissa = (magnitude >> (exponent + 3)) & 15;
  return ~(sign | (exponent << 4) | mantissa) & 0xff;
}

function decode(code) {
  const inverted = ~code & 0xff;
  const magnitude = ((((inverted & 15) << 3) + BIAS) << ((inverted >> 4) & 7)) - BIAS;
  return inverted & 0x80 ? -magnitude : magnitude;
}

/** Bytes as base64. */
export function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** The bytes of base64. Throws for anything else. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
