// What stands on the page just now: boxes with their texts, and lines.

import { KINDS, lineOf, shortName, sourceOf, titleOf } from "./graph.js";
import { layout } from "./layout.js";
import { countText } from "../../page_parts/elements.js";
import { clipped, numberText } from "./words.js";
import { piecesOf, wiresOf } from "./wires.js";

const FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
export const TITLE_FONT = `600 12px ${FONT}`;
export const TEXT_FONT = `11px ${FONT}`;
export const LINE_HEIGHT = 15;
export const PADDING = 9;

const measuring = document.createElement("canvas").getContext("2d");
const measured = new Map();

function widthOf(text, font) {
  const key = `${font}\n${text}`;
  let width = measured.get(key);
  if (width === undefined) {
    measuring.font = font;
    measured.set(key, (width = measuring.measureText(text).width));
  }
  return width;
}

/** The lines of text in a box, its title first. */
export function textsOf(graph, item) {
  if (item >= graph.count) return groupTexts(graph.groups[item - graph.count]);
  const kind = graph.kind[item];
  const texts = [clipped(titleOf(graph, item), 34)];
  const signature = graph.signatures[graph.signature[item]];
  if (kind === KINDS.leaf || kind === KINDS.constant || kind === KINDS.frozen) {
    texts.push(`${clipped(signature.output, 34)}${kind === KINDS.frozen ? ", frozen" : ""}`);
  } else if (graph.place[item] >= 0) {
    texts.push(clipped(sourceOf(graph, item) || lineOf(graph, item), 36));
  }
  if (graph.small && graph.value.at(item) !== null) {
    texts.push(`value ${numberText(graph.value.at(item))}`, `grad ${numberText(graph.incoming.at(item))}`);
  } else if (kind === KINDS.root && graph.loss !== null) texts.push(`= ${numberText(graph.loss)}`);
  return texts.filter((text, index) => index === 0 || text);
}

function groupTexts(group) {
  const texts = [`▸ ${clipped(shortName(group), 34)}`];
  if (group.class) texts.push(clipped(group.class, 34));
  texts.push(countText(group.size, "node"));
  return texts;
}

/** The title of the frame of an open group. */
export function frameTitle(group) {
  return `▾ ${clipped(shortName(group), 40)}${group.class ? `  ${clipped(group.class, 40)}` : ""}`;
}

/** The scene of what is open: boxes by item, those drawn as boxes, lines, wires and the size of it all. */
export function sceneOf(standing) {
  const { graph } = standing;
  const items = standing.standing();
  const firsts = new Map(); // by item the row that the forward came to first
  for (let row = 0; row < graph.count; row++) {
    const item = items[row];
    if (item >= 0 && !firsts.has(item)) firsts.set(item, firstOf(graph, row));
  }
  const wires = wiresOf(standing, items);
  const texts = new Map();
  const size = (item) => {
    const lines = textsOf(graph, item);
    texts.set(item, lines);
    const width = Math.max(...lines.map((line, index) => widthOf(line, index ? TEXT_FONT : TITLE_FONT)));
    return {
      width: Math.max(64, Math.ceil(width) + 2 * PADDING),
      height: lines.length * LINE_HEIGHT + PADDING,
      first: firsts.get(item),
    };
  };
  const titleWidth = (group) => Math.ceil(widthOf(frameTitle(graph.groups[group]), TITLE_FONT)) + 24;
  const shown = [...firsts.keys()].sort((a, b) => firsts.get(a) - firsts.get(b));
  const laid = layout(standing, shown, piecesOf(standing, wires), size, titleWidth);
  for (const box of laid.boxes.values()) {
    if (!box.frame) continue;
    box.title = frameTitle(graph.groups[box.item - graph.count]);
    box.titleWidth = widthOf(box.title, TITLE_FONT);
  }
  wires.forEach((wire, index) => (wire.index = index));
  for (const line of laid.lines) line.bounds = boundsOf(line.points);
  return { ...laid, items, wires, texts };
}

// a constant has no time of its own: it comes in with the first row that takes it
function firstOf(graph, row) {
  const kind = graph.kind[row];
  if (kind !== KINDS.constant && kind !== KINDS.frozen) return row;
  return graph.userStart[row] < graph.userStart[row + 1] ? graph.user[graph.userStart[row]] - 0.5 : row;
}

function boundsOf(points) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < points.length; at += 2) {
    left = Math.min(left, points[at]);
    right = Math.max(right, points[at]);
    top = Math.min(top, points[at + 1]);
    bottom = Math.max(bottom, points[at + 1]);
  }
  return [left, top, right, bottom];
}

/** The box at a point of the page, the innermost; null where there is none. */
export function boxAt(scene, x, y) {
  let found = null;
  for (const box of scene.boxes.values()) {
    if (x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height) found = box;
  }
  return found;
}
