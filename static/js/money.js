// Amounts are whole numbers of base units in a BigInt; digits exist only at the edge.

const AMOUNT = /^(0|[1-9][0-9]{0,18})(?:\.([0-9]{1,18}))?$/;

/** Read plain digits into base units; null for any other spelling. */
export function parseUnits(text, decimals) {
  const match = AMOUNT.exec(text);
  if (!match || (match[2] || "").length > decimals) return null;
  return BigInt(match[1] + (match[2] || "").padEnd(decimals, "0"));
}

/** Write base units as plain digits with at least `placesMin` decimals. */
export function formatUnits(units, decimals, placesMin = 0) {
  const sign = units < 0n ? "-" : "";
  const digits = (units < 0n ? -units : units).toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  let fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  fraction = fraction.padEnd(Math.min(placesMin, decimals), "0");
  return fraction ? `${sign}${whole}.${fraction}` : `${sign}${whole}`;
}

/** Cut to `places` decimals, towards zero: what is shown is never more than there is. */
export function truncateUnits(units, decimals, places) {
  return formatUnits(units / 10n ** BigInt(decimals - places), places, places);
}

/** Plain digits with a comma every three. */
export function grouped(text) {
  const [whole, fraction] = text.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

export function ceilDiv(numerator, denominator) {
  return (numerator + denominator - 1n) / denominator;
}

/**
 * What somebody typed, as plain digits. A comma is understood where it can mean one
 * thing only: "1,234" could be a thousand or one and a bit, so it stays as it is and
 * is refused in words.
 */
export function plainDigits(typed) {
  const text = typed.replace(/[\s\u00a0\u202f']/g, "");
  if (/^\d{1,3}(,\d{3})+\.\d+$|^\d{1,3}(,\d{3}){2,}$/.test(text)) return text.replaceAll(",", "");
  if (/^\d{1,3}(\.\d{3})+,\d+$/.test(text)) return text.replaceAll(".", "").replace(",", ".");
  if (/^0,\d+$|^\d+,(\d{1,2}|\d{4,})$/.test(text)) return text.replace(",", ".");
  return text;
}
