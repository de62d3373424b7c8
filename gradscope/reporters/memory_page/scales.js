// The axis of bytes.

import { ticks } from "../page_parts/axes.js";
import { shape } from "../page_parts/elements.js";
import { sizeText } from "./words.js";

/** Draw the axis of bytes with its lines. */
export function drawSizes(svg, y, most, left, right) {
  for (const value of ticks(most, 5, true)) {
    svg.append(shape("line", { class: "axis", x1: left, x2: right, y1: y(value), y2: y(value) }));
    const label = value ? sizeText(value).replace(/\.0+ /, " ") : "0";
    svg.append(shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, label));
  }
}
