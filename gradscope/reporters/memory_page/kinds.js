// What memory is used for: colours, a stacked bar, and its legend.

import { element } from "../page_parts/elements.js";
import { shareText, sizeText } from "./words.js";

/** A small square in the colour of a kind. */
export function swatch(key) {
  const made = element("i", { className: "swatch" });
  made.style.background = `var(--${key})`;
  return made;
}

/** One bar of all kinds, and a legend of those there are. */
export function stack(kinds, sizes) {
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  const order = sizes.map((_, index) => index).filter((index) => sizes[index] > 0);
  order.sort((a, b) => sizes[b] - sizes[a]);
  const bar = element("div", { className: "stack", role: "img", "aria-label": "What the peak consists of" });
  const legend = element("div", { className: "legend" });
  for (const index of order) {
    const [key, name] = kinds[index];
    const text = `${name} ${sizeText(sizes[index])}`;
    const part = element("i", { title: text });
    part.style.background = `var(--${key})`;
    part.style.width = `${(100 * sizes[index]) / whole}%`;
    bar.append(part);
    legend.append(element("span", {}, [swatch(key), text, element("span", { className: "faint", text: `  ${shareText(sizes[index], whole)}` })]));
  }
  return [bar, legend];
}
