// Numbers, and how they are printed.

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export const grouped = (number) => Math.round(number).toLocaleString('en-US');
export const rate = (number) => `${grouped(number)}/s`;
export const ms = (milliseconds) => (milliseconds < 10 ? `${milliseconds.toFixed(2)} ms` : milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(2)} s`);
export const us = (microseconds) => ms(microseconds / 1000);
export const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
export const seconds = (number) => `${number.toFixed(1)} s`;
export const times = (number) => `${number.toFixed(number < 10 ? 2 : 1)} ×`;

// The same numbers in every run of the same seed (mulberry32).
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
