// Where the points of ordered layers stand from left to right.
//
// A layer wants each point below (or above) its neighbours. What comes nearest to that without overlaps, in
// the sense of least squares, is an isotonic regression: blocks of points that stand as close as they may.

import { byEnd } from "./layers.js";

const GAP = 22; // between boxes
const NARROW_GAP = 12; // beside a line that passes

/** The x of each point's middle, from 0 on. */
export function across(parts, { points, layers, links }) {
  const half = Float64Array.from(points, ({ part }) => (part >= 0 ? parts[part].width / 2 : 0));
  const x = new Float64Array(points.length);
  const gap = (a, b) => half[a] + half[b] + (points[a].part >= 0 && points[b].part >= 0 ? GAP : NARROW_GAP);
  for (const line of layers) pack(line, gap, x);
  const above = weighted(parts, points, links, "head", "tail");
  const below = weighted(parts, points, links, "tail", "head");
  const sweeps = points.length > 20_000 ? 6 : 12;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const down = sweep % 2 === 0;
    for (let step = 0; step < layers.length; step++) {
      const line = layers[down ? step : layers.length - 1 - step];
      // the last sweeps weigh both sides, so that a box does not hang on one of them
      const both = sweep + 4 >= sweeps;
      place(line, both ? [above, below] : [down ? above : below], gap, x, both);
    }
  }
  let least = Infinity;
  for (let point = 0; point < points.length; point++) least = Math.min(least, x[point] - half[point]);
  for (let point = 0; point < points.length; point++) x[point] -= least;
  return x;
}

function pack(line, gap, x) {
  let at = 0;
  for (let index = 0; index < line.length; index++) {
    if (index > 0) at += gap(line[index - 1], line[index]);
    x[line[index]] = at;
  }
  for (const point of line) x[point] -= at / 2;
}

// Links by one end: the neighbour, by how much its end is off its middle and ours off ours, and the weight.
function weighted(parts, points, links, end, other) {
  const isFrame = (point) => points[point].part >= 0 && parts[points[point].part].frame !== undefined;
  const [endOffset, otherOffset] = end === "head" ? ["headOffset", "tailOffset"] : ["tailOffset", "headOffset"];
  const indexed = links.map((link, index) => ({ end: link[end], index }));
  const { start, found } = byEnd(points.length, indexed, "end", "index");
  const neighbour = new Int32Array(found.length);
  const shift = new Float64Array(found.length);
  const weight = new Float64Array(found.length);
  found.forEach((index, each) => {
    const link = links[index];
    neighbour[each] = link[other];
    // frames stand below one another, wherever lines leave them: else each would stand off from the one before
    shift[each] = isFrame(link.tail) && isFrame(link.head) ? 0 : link[otherOffset] - link[endOffset];
    const passing = (points[link.tail].part < 0 ? 1 : 0) + (points[link.head].part < 0 ? 1 : 0);
    weight[each] = [1, 2, 8][passing]; // long lines are to be straight
  });
  return { start, neighbour, shift, weight };
}

function place(line, sides, gap, x, straight) {
  const blocks = [];
  let offset = 0;
  for (let index = 0; index < line.length; index++) {
    const point = line[index];
    if (index > 0) offset += gap(line[index - 1], point);
    let [sum, weight] = [0, 0];
    for (const side of sides) {
      for (let each = side.start[point]; each < side.start[point + 1]; each++) {
        const wanted = x[side.neighbour[each]] + side.shift[each];
        // what is straight stays so, and one line bends much rather than many a little
        const share = side.weight[each] / (straight ? 3 + Math.abs(wanted - x[point]) : 1);
        sum += share * wanted;
        weight += share;
      }
    }
    if (weight === 0) [sum, weight] = [x[point] * 0.01, 0.01];
    let block = { sum: sum - weight * offset, weight, offsets: [[point, offset]] };
    while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].weight > block.sum / block.weight) {
      const before = blocks.pop();
      before.sum += block.sum;
      before.weight += block.weight;
      for (const each of block.offsets) before.offsets.push(each);
      block = before;
    }
    blocks.push(block);
  }
  for (const { sum, weight, offsets } of blocks) for (const [point, off] of offsets) x[point] = sum / weight + off;
}
