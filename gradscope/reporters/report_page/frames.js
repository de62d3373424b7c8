// Code frames: whole lines that never wrap, what is marked in them underlined, and below it why.

import { element } from "../page_parts/elements.js";

const LEAD = 120; // pixels of code that stay in view before what is marked

/** One file's lines, with the place above them. */
export function frameOf(frame) {
  const caption = element("figcaption", {}, [element("span", { className: "mono", text: frame.at })]);
  if (frame.inside) caption.append(element("span", { className: "faint", text: ` ${frame.inside}` }));
  const made = element("figure", { className: "frame" }, [caption]);
  if (frame.lines.length) {
    const lines = frame.lines.flatMap(linesOf);
    const inner = element("div", { className: "lines" }, lines);
    const source = element("div", { className: "source scroll", tabindex: 0, role: "region", "aria-label": `Source, ${frame.at}` }, [inner]);
    made.append(source);
    requestAnimationFrame(() => bringIntoView(source)); // when it has its place in the page
  }
  for (const [at, text] of frame.told) {
    const where = at === frame.at && !frame.lines.length ? [] : [element("span", { className: "mono", text: at }), " "];
    made.append(element("p", { className: "elsewhere" }, [...where, element("span", { text })]));
  }
  return made;
}

/** Scroll long lines to what is marked in them. */
function bringIntoView(source) {
  const mark = source.querySelector("mark.primary") ?? source.querySelector("mark");
  if (!mark) return;
  const [room, box] = [source.getBoundingClientRect(), mark.getBoundingClientRect()];
  if (box.right > room.right) source.scrollLeft += Math.min(box.left - room.left - LEAD, box.right - room.right + LEAD);
}

function linesOf({ number, text, marks, afterGap }) {
  const gap = afterGap ? [element("div", { className: "row gap" }, [element("span", { className: "nr", text: "···" })])] : [];
  const code = element("code", {}, piecesOf(text, marks));
  const row = element("div", { className: "row" }, [element("span", { className: "nr", text: String(number) }), code]);
  const labelled = marks.filter((mark) => mark.label).sort((a, b) => b.start - a.start || Number(b.primary) - Number(a.primary));
  return [...gap, row, ...labelled.map((mark) => labelOf(mark, text))];
}

/** The line cut where a mark begins or ends, so that marks may lie in one another. */
function piecesOf(text, marks) {
  const characters = [...text];
  const last = Math.max(characters.length, ...marks.map((mark) => mark.end));
  while (characters.length < last) characters.push(" ");
  const cuts = [...new Set([0, ...marks.flatMap(({ start, end }) => [start, end]), characters.length])].sort((a, b) => a - b);
  return cuts.slice(0, -1).map((from, index) => {
    const piece = characters.slice(from, cuts[index + 1]).join("");
    const over = marks.filter(({ start, end }) => start <= from && end >= cuts[index + 1]);
    if (!over.length) return document.createTextNode(piece);
    return element("mark", { className: over.some((mark) => mark.primary) ? "primary" : "second", text: piece });
  });
}

/** The label under the first character of its mark; what pushes it there is the line itself, unseen. */
function labelOf({ start, label, primary }, text) {
  const pad = element("span", { className: "pad", "data-pad": [...text].slice(0, start).join("").padEnd(start), "aria-hidden": "true" });
  const told = element("span", { className: primary ? "label primary" : "label second" }, [primary ? "^" : "-", element("span", { text: label })]);
  return element("div", { className: "row" }, [element("span", { className: "nr" }), pad, told]);
}
