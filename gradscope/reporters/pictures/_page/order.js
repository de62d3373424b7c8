// The order of the parts within their layers: few crossings, by the barycenter method.
//
// An edge that passes layers passes through a point in each. All edges out of one port share these points,
// so that a weight used in a thousand steps is one line along them, not a thousand.

import { byEnd } from "./layers.js";

const MOST_POINTS = 60_000;
const MOST_TO_COUNT = 3_000; // crossings are counted, and the best order kept, up to so many parts

/**
 * The points of the layout: the parts first, and then those that edges pass through. `layers` lists the
 * points of each layer; `links` join points of neighbouring layers; `via` gives, for each edge, the points
 * between its tail and its head, null where it is drawn straight.
 */
export function pointsOf(parts, layer, edges) {
  const points = parts.map((part, index) => ({ part: index, layer: layer[index] }));
  const links = [];
  const rails = new Map();
  const via = new Array(edges.length).fill(null);
  const bySpan = edges.map((_, index) => index).filter((index) => !edges[index].back);
  bySpan.sort((a, b) => span(edges[a], layer) - span(edges[b], layer));
  for (const index of bySpan) {
    const edge = edges[index];
    const key = `${edge.tail} ${edge.source ?? ""}`;
    let rail = rails.get(key);
    if (rail === undefined) rails.set(key, (rail = []));
    const needed = span(edge, layer) - 1;
    if (points.length + needed - rail.length > MOST_POINTS) continue;
    while (rail.length < needed) {
      const point = points.length;
      const before = rail.length ? rail[rail.length - 1] : edge.tail;
      points.push({ part: -1, layer: layer[edge.tail] + rail.length + 1 });
      links.push({ tail: before, head: point, tailOffset: rail.length ? 0 : edge.tailOffset, headOffset: 0 });
      rail.push(point);
    }
    via[index] = rail.slice(0, needed);
    const last = needed > 0 ? rail[needed - 1] : edge.tail;
    links.push({ tail: last, head: edge.head, tailOffset: needed > 0 ? 0 : edge.tailOffset, headOffset: edge.headOffset });
  }
  const layers = Array.from({ length: 1 + layer.reduce((most, each) => Math.max(most, each), 0) }, () => []);
  points.forEach((point, index) => layers[point.layer].push(index));
  return { points, layers, links, via };
}

const span = (edge, layer) => layer[edge.head] - layer[edge.tail];

/** Put the points of each layer in order; `layers` is changed. */
export function untangle(parts, { points, layers, links }) {
  const above = byEnd(points.length, links, "head", "tail");
  const below = byEnd(points.length, links, "tail", "head");
  const offsets = offsetsOf(parts, points, links);
  const position = new Float64Array(points.length);
  startOrder(parts, points, layers, above);
  const settle = (line) => line.forEach((point, index) => (position[point] = index));
  layers.forEach(settle);
  const counted = points.length <= MOST_TO_COUNT;
  let best = counted ? layers.map((line) => line.slice()) : null;
  let fewest = counted ? crossings(layers, below, position) : 0;
  const sweeps = counted ? 8 : 4;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const down = sweep % 2 === 0;
    for (let step = 0; step < layers.length; step++) {
      const line = layers[down ? step : layers.length - 1 - step];
      sortLine(line, down ? above : below, position, offsets);
      settle(line);
    }
    if (!counted) continue;
    const found = crossings(layers, below, position);
    if (found < fewest) [fewest, best] = [found, layers.map((line) => line.slice())];
    if (fewest === 0) break;
  }
  if (best) best.forEach((line, index) => (layers[index] = line));
}

// Where on a wide frame its edges are, as parts of its width: from -0.5 to 0.5.
function offsetsOf(parts, points, links) {
  const sums = new Float64Array(points.length);
  const counts = new Int32Array(points.length);
  for (const { tail, head, tailOffset, headOffset } of links) {
    for (const [point, offset] of [[tail, tailOffset], [head, headOffset]]) {
      const part = points[point].part;
      if (part < 0 || !parts[part].width) continue;
      sums[point] += offset / parts[part].width;
      counts[point]++;
    }
  }
  return sums.map((sum, point) => (counts[point] ? sum / counts[point] : 0));
}

// The first order: as the forward came to them, what passes a layer beside what it comes from.
function startOrder(parts, points, layers, above) {
  const first = new Float64Array(points.length);
  for (let point = 0; point < points.length; point++) {
    const { part } = points[point];
    first[point] = part >= 0 ? parts[part].first : first[above.found[above.start[point]]];
  }
  for (const line of layers) line.sort((a, b) => first[a] - first[b] || a - b);
}

function sortLine(line, neighbours, position, offsets) {
  if (line.length < 2) return;
  const wanted = new Map();
  for (const point of line) {
    const [from, to] = [neighbours.start[point], neighbours.start[point + 1]];
    let sum = 0;
    for (let each = from; each < to; each++) {
      const other = neighbours.found[each];
      sum += position[other] + offsets[other];
    }
    wanted.set(point, from === to ? position[point] : sum / (to - from));
  }
  line.sort((a, b) => wanted.get(a) - wanted.get(b) || position[a] - position[b]);
}

/** How many pairs of links cross, counted layer by layer with a tree of sums. */
function crossings(layers, below, position) {
  let total = 0;
  for (let index = 0; index + 1 < layers.length; index++) {
    const width = layers[index + 1].length;
    const sums = new Int32Array(width + 1);
    let seen = 0;
    for (const point of layers[index]) {
      const heads = [];
      for (let each = below.start[point]; each < below.start[point + 1]; each++) heads.push(position[below.found[each]]);
      for (const head of heads) {
        let before = 0;
        for (let at = head + 1; at > 0; at -= at & -at) before += sums[at];
        total += seen - before;
      }
      for (const head of heads) {
        for (let at = head + 1; at <= width; at += at & -at) sums[at]++;
        seen++;
      }
    }
  }
  return total;
}
