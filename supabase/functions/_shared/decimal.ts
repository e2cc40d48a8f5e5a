/** Exact comparisons of numbers as they were written: nothing passes through a double. */

// The strict reader admits 32 characters and exponents up to 20: 10^-60 is finer than any number it lets in.
const SCALE = 60;
const NUMBER = /^(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;

/** `text` (a number in JSON's grammar) in units of 10^-60. */
export function exact(text: string): bigint {
  const [, sign, whole, fraction = "", exponent = "0"] = NUMBER.exec(text)!;
  const size = BigInt(whole! + fraction) * 10n ** BigInt(SCALE + Number(exponent) - fraction.length);
  return sign === "-" ? -size : size;
}

/** A small whole number in the same units. */
export function whole(value: number): bigint {
  return BigInt(value) * 10n ** BigInt(SCALE);
}
