// Frames within frames: each open group is laid out on its own, its children as boxes of known size.

import { across } from "./coordinates.js";
import { layersOf } from "./layers.js";
import { pointsOf, untangle } from "./order.js";

export const HEADER = 26; // the bar at the top of a frame, with its title
const MARGIN = 14;
const BETWEEN_LAYERS = 30;
const MOST_BETWEEN_LAYERS = 90;

/**
 * Boxes and lines of the page, in its own units.
 *
 * `size(item)` gives the width and height of a box, `titleWidth(group)` how wide a frame must be, `pieces` what `piecesOf` found, `shown` the items that
 * are boxes. Returns `boxes` (a Map from item to {x, y, width, height, frame}; x, y are the upper left
 * corner), `lines` ({piece, points}) and the size of the page. Points of a line are [x, y, x, y, ...] in
 * pairs: a line goes straight down within a pair, and bends between two.
 */
export function layout(standing, shown, pieces, size, titleWidth) {
  const inside = new Map([[0, []]]);
  for (const item of shown) hang(standing, inside, item);
  const open = [...inside.keys()].sort((a, b) => a - b);
  const drafts = new Map();
  for (let index = open.length - 1; index >= 0; index--) {
    const group = open[index];
    const least = group > 0 ? titleWidth(group) : 0;
    drafts.set(group, draft(standing, inside.get(group), pieces.get(group) ?? [], drafts, size, least));
  }
  return composed(standing, open, drafts);
}

function hang(standing, inside, item) {
  let each = item;
  for (;;) {
    const group = standing.around(each);
    const known = inside.get(group);
    if (known !== undefined) {
      known.push(each);
      return;
    }
    inside.set(group, [each]);
    each = standing.itemOf(group);
  }
}

function draft(standing, children, pieces, drafts, size, least) {
  const parts = [];
  const index = new Map();
  for (const item of children) {
    index.set(item, parts.length);
    const frame = standing.isGroup(item) ? drafts.get(standing.groupOf(item)) : undefined;
    parts.push(frame ? { item, frame, width: frame.width, height: frame.height, first: frame.first } : { item, ...size(item) });
  }
  const port = (kind, source) => {
    const key = `${kind} ${source}`;
    if (!index.has(key)) {
      index.set(key, parts.length);
      parts.push({ port: kind, source, width: 0, height: 0, first: source });
    }
    return index.get(key);
  };
  const edges = pieces.map((piece) => {
    const tail = piece.tail < 0 ? port("in", piece.source) : index.get(piece.tail);
    const head = piece.head < 0 ? port("out", piece.source) : index.get(piece.head);
    const tailOffset = piece.exit ? parts[tail].frame.exits.get(piece.source) : 0;
    const headOffset = piece.entry ? parts[head].frame.entries.get(piece.source) : 0;
    // what comes out of a frame is told apart by where it comes from
    return { piece, tail, head, tailOffset, headOffset, source: piece.exit ? piece.source : undefined };
  });
  const layer = layersOf(parts, edges);
  const net = pointsOf(parts, layer, edges);
  untangle(parts, net);
  return drawn(parts, edges, net, across(parts, net), least);
}

function drawn(parts, edges, net, x, least) {
  const { points, layers, via } = net;
  const tops = [];
  const bottoms = [];
  let y = HEADER + MARGIN;
  const bends = bendsOf(layers.length, points, net.links, x);
  layers.forEach((line, number) => {
    const height = line.reduce((most, point) => Math.max(most, points[point].part >= 0 ? parts[points[point].part].height : 0), 0);
    const onlyPorts = height === 0 && line.every((point) => points[point].part < 0 || parts[points[point].part].port);
    if (number === 0 && onlyPorts) y = HEADER;
    tops.push(y);
    bottoms.push(y + height);
    y += height + Math.min(MOST_BETWEEN_LAYERS, BETWEEN_LAYERS + bends[number] * 0.12);
    if (number === 0 && onlyPorts) y = Math.max(HEADER + MARGIN, HEADER + 18);
  });
  const lastOnlyPorts = layers.length > 0 && bottoms[layers.length - 1] === tops[layers.length - 1];
  const height = layers.length === 0 ? HEADER + MARGIN : bottoms[layers.length - 1] + (lastOnlyPorts ? 0 : MARGIN);
  let width = 0;
  for (let point = 0; point < points.length; point++) width = Math.max(width, x[point] + (parts[point]?.width ?? 0) / 2 + 2 * MARGIN);
  if (width < least) {
    for (let point = 0; point < points.length; point++) x[point] += (least - width) / 2;
    width = least;
  }
  const place = parts.map((part, index) => {
    const middle = x[index] + MARGIN;
    const top = part.port === "in" ? 0 : part.port === "out" ? height : tops[points[index].layer] + (bottoms[points[index].layer] - tops[points[index].layer] - part.height) / 2;
    return { middle, top, bottom: top + part.height };
  });
  const lines = edges.map((edge, index) => {
    const [tail, head] = [place[edge.tail], place[edge.head]];
    const path = [tail.middle + edge.tailOffset, tail.bottom];
    if (parts[edge.tail].port === "in") path.push(tail.middle, HEADER);
    else path.push(tail.middle + edge.tailOffset, bottoms[points[edge.tail].layer] > tail.bottom ? Math.min(bottoms[points[edge.tail].layer], tail.bottom + 400) : tail.bottom);
    if (!edge.back) {
      for (const point of via[index] ?? []) {
        path.push(x[point] + MARGIN, tops[points[point].layer], x[point] + MARGIN, bottoms[points[point].layer]);
      }
    }
    const over = edge.back || parts[edge.head].port === "out" ? head.top : Math.min(head.top, tops[points[edge.head].layer]);
    path.push(head.middle + edge.headOffset, over, head.middle + edge.headOffset, head.top);
    return { piece: edge.piece, points: path, back: edge.back };
  });
  return {
    parts, place, lines, width, height,
    first: parts.reduce((least, part) => (part.port ? least : Math.min(least, part.first)), Infinity),
    entries: offsetsOfPorts("in", parts, place, width),
    exits: offsetsOfPorts("out", parts, place, width),
  };
}

// By how much lines lean below each layer: wide bends need room.
function bendsOf(count, points, links, x) {
  const widest = new Float64Array(count);
  for (const { tail, head, tailOffset, headOffset } of links) {
    const lean = Math.abs(x[tail] + tailOffset - x[head] - headOffset);
    widest[points[tail].layer] = Math.max(widest[points[tail].layer], lean);
  }
  return widest;
}

function offsetsOfPorts(kind, parts, place, width) {
  const found = new Map();
  parts.forEach((part, index) => {
    if (part.port === kind) found.set(part.source, place[index].middle - width / 2);
  });
  return found;
}

function composed(standing, open, drafts) {
  const boxes = new Map();
  const lines = [];
  const origin = new Map([[0, [0, -HEADER]]]);
  for (const group of open) {
    const [left, top] = origin.get(group);
    const { parts, place, lines: own } = drafts.get(group);
    parts.forEach((part, index) => {
      if (part.port) return;
      const box = { item: part.item, x: left + place[index].middle - part.width / 2, y: top + place[index].top, width: part.width, height: part.height, frame: Boolean(part.frame) };
      boxes.set(part.item, box);
      if (part.frame) origin.set(standing.groupOf(part.item), [box.x, box.y]);
    });
    for (const { piece, points, back } of own) {
      lines.push({ piece, group, back, points: points.map((value, index) => value + (index % 2 ? top : left)) });
    }
  }
  const page = drafts.get(0);
  return { boxes, lines, width: page.width, height: page.height - HEADER };
}
