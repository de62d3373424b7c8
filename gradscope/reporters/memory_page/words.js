// Sizes, shares and names as the page writes them.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** Bytes in powers of 1,024, to three significant digits: "14.7 GiB". */
export function sizeText(bytes) {
  if (bytes === null || bytes === undefined) return "";
  let power = 0;
  let scaled = bytes;
  while (Math.abs(scaled) >= 1023.5 && power < UNITS.length - 1) [scaled, power] = [scaled / 1024, power + 1];
  if (power === 0) return `${scaled} B`;
  return `${scaled.toFixed(Math.abs(scaled) < 9.995 ? 2 : Math.abs(scaled) < 99.95 ? 1 : 0)} ${UNITS[power]}`;
}

/** "83%", "<1%". */
export function shareText(part, whole) {
  if (!whole) return "";
  const percent = (100 * part) / whole;
  return percent > 0 && percent < 0.5 ? "<1%" : `${Math.round(percent)}%`;
}

/** "12.3 ms". */
export function secondsText(seconds) {
  if (seconds === null) return "";
  if (seconds >= 1) return `${Number(seconds.toPrecision(3))} s`;
  if (seconds >= 1e-3) return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  return `${Number((seconds * 1e6).toPrecision(3))} µs`;
}
