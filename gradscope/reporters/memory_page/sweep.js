// The peak over depth, batch or sequence length: two lines, and the table of their points.

import { linear } from "../page_parts/axes.js";
import { drawSizes } from "./scales.js";
import { element, section, shape } from "../page_parts/elements.js";
import { shareText, sizeText } from "./words.js";

const AREA = { width: 560, height: 280, left: 70, right: 544, top: 14, bottom: 236 };
const BOTH_LINES = [["plain", "plain", "no checkpointing"], ["checkpointed", "recomputed", "every block"]];

/** Show the sweep, if there was one. */
export function showSweep(data) {
  const { sweep } = data;
  if (!sweep || !sweep.points.length) return;
  const place = section("sweep");
  place.querySelector("h2").textContent = `Peak by ${sweep.what}${sweep.fake ? " (fake tensors)" : ""}`;
  place.append(element("div", { className: "sweep" }, [lineDrawing(sweep), pointTable(sweep)]));
}

function lineDrawing(sweep) {
  const { points } = sweep;
  const svg = shape("svg", { viewBox: `0 0 ${AREA.width} ${AREA.height}`, role: "img", "aria-label": `Peak by ${sweep.what}` });
  const values = points.map((each) => each.value);
  const most = Math.max(1, ...points.flatMap((each) => [each.plain ?? 0, each.checkpointed ?? 0])) * 1.05;
  const x = linear([Math.min(0, ...values), Math.max(...values)], [AREA.left, AREA.right]);
  const y = linear([0, most], [AREA.bottom, AREA.top]);
  drawSizes(svg, y, most, AREA.left, AREA.right);
  let free = -Infinity;
  for (const value of values) {
    const text = value.toLocaleString("en");
    if (x(value) - 4 * text.length < free) continue;
    free = x(value) + 4 * text.length + 6;
    svg.append(shape("text", { x: x(value), y: AREA.bottom + 17, "text-anchor": value === values.at(-1) ? "end" : "middle" }, text));
  }
  svg.append(shape("text", { x: (AREA.left + AREA.right) / 2, y: AREA.height - 8, "text-anchor": "middle" }, sweep.what));
  BOTH_LINES.forEach(([field, style, name], index) => {
    const known = points.filter((each) => each[field] !== null);
    svg.append(shape("path", { class: `line-${style}`, d: known.map((each, n) => `${n ? "L" : "M"}${x(each.value)},${y(each[field])}`).join("") }));
    for (const each of known) {
      const dot = shape("circle", { class: `dot-${style}`, cx: x(each.value), cy: y(each[field]), r: each.value === sweep.current ? 6 : 3.5 });
      dot.append(shape("title", {}, `${name}, ${sweep.what} ${each.value.toLocaleString("en")}: ${sizeText(each[field])}`));
      svg.append(dot);
    }
    svg.append(shape("rect", { class: `dot-${style}`, x: AREA.left + 12, y: AREA.top + 4 + 18 * index, width: 11, height: 11 }));
    svg.append(shape("text", { x: AREA.left + 30, y: AREA.top + 13 + 18 * index }, name));
  });
  return svg;
}

function pointTable(sweep) {
  const head = element("tr", {}, [sweep.what, "no checkpointing", "every block", ""].map((text) => element("th", { text, className: text ? "number-cell" : "" })));
  const rows = sweep.points.map((each) => {
    const cells = [each.value.toLocaleString("en"), sizeText(each.plain) || "–", sizeText(each.checkpointed) || "–"];
    const share = each.plain !== null && each.checkpointed !== null ? shareText(each.checkpointed, each.plain) : "";
    const row = element("tr", {}, cells.map((text) => element("td", { text, className: "number-cell" })));
    const told = element("td", { className: each.failure ? "warn" : "faint", text: each.failure || share });
    if (each.value === sweep.current) told.append(element("span", { className: "tag", text: "now" }));
    row.append(told);
    return row;
  });
  return element("table", {}, [element("thead", {}, [head]), element("tbody", {}, rows)]);
}
