// Numbers and names as the page writes them.

import { element } from "../../page_parts/elements.js";

export const MOST_SHOWN = 60; // characters of a name where there is no room for all of it

/** A number to four digits: "0.1234", "1.2e-7"; "not measured" has no number. */
export function numberText(value) {
  if (value === null || value === undefined) return "";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Inf" : "-Inf";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) return String(Number(value.toPrecision(4)));
  return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
}

/** "1.5 MB", with 1 kB as 1000 bytes. */
export function bytesText(bytes) {
  if (bytes === null) return "";
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** "12.3 ms". */
export function secondsText(seconds) {
  if (seconds === null) return "";
  if (seconds >= 1) return `${Number(seconds.toPrecision(3))} s`;
  if (seconds >= 1e-3) return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  return `${Number((seconds * 1e6).toPrecision(3))} µs`;
}

/** The beginning of a text, with "…" where something is left out. */
export function clipped(text, most = MOST_SHOWN) {
  if (text.length <= most) return text;
  const characters = Array.from(text.slice(0, 2 * most));
  return characters.length <= most && text.length <= 2 * most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

/** A text that is cut where it is long, and shown whole on a click. */
export function longText(text, most = 200) {
  if (text.length <= most) return element("span", { text });
  const shown = element("span", { text: clipped(text, most) });
  const more = element("button", { className: "more", text: `all ${text.length.toLocaleString("en")} characters`, type: "button" });
  more.addEventListener("click", () => {
    shown.textContent = text;
    more.remove();
  });
  return element("span", { className: "long" }, [shown, " ", more]);
}
