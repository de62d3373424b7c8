// From values to places of a drawing, and round values for its axes.

import { shape, sizeText } from "./words.js";

/** Round steps from 0 to `most`, at most about `count`; of sizes each is a whole of 1,024. */
export function ticks(most, count, binary = false) {
  if (!(most > 0)) return [];
  const unit = binary ? 1024 ** Math.min(5, Math.floor(Math.log(most) / Math.log(1024))) : 1;
  const raw = most / unit / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((digit) => digit * power).find((each) => each >= raw * 0.999) * unit;
  const found = [];
  for (let at = 0; at <= most * 1.0001; at += step) found.push(at);
  return found;
}

/** A linear scale from values to places. */
export function linear([low, high], [from, to]) {
  const span = high - low || 1;
  const scale = (value) => from + ((value - low) / span) * (to - from);
  scale.back = (place) => low + ((place - from) / (to - from)) * span;
  return scale;
}

/** Draw the axis of bytes with its lines. */
export function drawSizes(svg, y, most, left, right) {
  for (const value of ticks(most, 5, true)) {
    svg.append(shape("line", { class: "axis", x1: left, x2: right, y1: y(value), y2: y(value) }));
    const label = value ? sizeText(value).replace(/\.0+ /, " ") : "0";
    svg.append(shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, label));
  }
}
