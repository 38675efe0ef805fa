// Streaming conversion of a sample rate, by windowed-sinc interpolation. Pure; used in the audio worklet.
//
// The output has a fixed delay of `HALF` samples of the lower rate. What lies above the lower rate's band is removed, so
// that nothing folds back into a telephone's 4 kHz.

const HALF = 20; // zero crossings on each side
const BAND = 0.93; // of half the lower rate

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

export class Resampler {
  /** Rates in Hz, whole numbers. */
  constructor(from, to) {
    const common = gcd(from, to);
    this._up = to / common;
    this._down = from / common;
    const scale = Math.min(1, to / from) * BAND; // cut-off, in units of half the input rate
    this._half = Math.ceil(HALF / scale);
    this._taps = filter(this._up, this._half, scale);
    this._width = 2 * this._half;
    this._history = new Float32Array(this._width);
    this._phase = 0; // of the next output sample, between two input samples
    this._ahead = 0; // input samples to skip before the next output
  }

  /** The samples that these inputs complete. */
  push(input) {
    const width = this._width;
    const all = new Float32Array(width + input.length);
    all.set(this._history);
    all.set(input, width);
    const output = [];
    let at = this._ahead;
    while (at < input.length) {
      output.push(this._sample(all, at + 1));
      this._phase += this._down;
      at += Math.floor(this._phase / this._up);
      this._phase %= this._up;
    }
    this._ahead = at - input.length;
    this._history = all.slice(input.length);
    return Float32Array.from(output);
  }

  _sample(all, start) {
    const taps = this._taps[this._phase];
    let sum = 0;
    for (let k = 0; k < taps.length; k++) sum += taps[k] * all[start + k];
    return sum;
  }
}

// For each phase, the weights of the input samples around it; each phase's weights sum to 1, so that silence and
// loudness stay what they are.
function filter(phases, half, scale) {
  return Array.from({ length: phases }, (_, phase) => {
    const taps = Float64Array.from({ length: 2 * half }, (_, k) => {
      const distance = k - (half - 1) - phase / phases;
      return sinc(distance * scale) * window(distance / half);
    });
    const sum = taps.reduce((total, tap) => total + tap, 0);
    return taps.map((tap) => tap / sum);
  });
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

// Blackman's window.
function window(x) {
  if (Math.abs(x) >= 1) return 0;
  return 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}
