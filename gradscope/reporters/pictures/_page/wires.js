// From edges between rows to wires between what stands on the page.
//
// A wire may leave frames and enter others. In each frame that it crosses it has a piece of its own: within
// the frame it leaves, up to a port at its lower edge; between frames, in the frame around both; and within
// the one it enters, from a port at the upper edge. Wires from one box share their ports.

import { EDGE } from "./graph.js";

/** The wires of the page: tail and head are items, `count` the edges they stand for, `kind` an EDGE. */
export function wiresOf(standing, items) {
  const { graph } = standing;
  const { inputStart, input, edgeKind, count } = graph;
  const found = new Map();
  const span = count + graph.groups.length;
  for (let row = 0; row < count; row++) {
    const head = items[row];
    if (head < 0) continue;
    for (let edge = inputStart[row]; edge < inputStart[row + 1]; edge++) {
      const tail = input[edge] < 0 ? -1 : items[input[edge]];
      if (tail < 0 || tail === head) continue;
      const key = tail * span + head;
      const wire = found.get(key);
      if (wire === undefined) {
        found.set(key, { tail, head, count: 1, kind: edgeKind[edge], edge });
        continue;
      }
      wire.count++;
      // a cut is shown even where other edges go the same way
      if (wire.kind !== edgeKind[edge]) wire.kind = Math.max(wire.kind, edgeKind[edge]) === EDGE.cut ? EDGE.cut : EDGE.plain;
    }
  }
  return [...found.values()];
}

class Piece {
  constructor(tail, head, source, exit, entry) {
    this.tail = tail; // an item, -1 for a port at the upper edge
    this.head = head; // an item, -1 for a port at the lower edge
    this.source = source; // the item whose port it is
    this.exit = exit; // whether the tail is an open frame that the wire comes out of
    this.entry = entry; // whether the head is an open frame that the wire goes into
    this.wires = [];
  }
}

/** The pieces of all wires by the group in which they lie: a Map from group to its pieces. */
export function piecesOf(standing, wires) {
  const byGroup = new Map();
  const keyed = new Map();
  const take = (group, tail, head, source, exit, entry, wire) => {
    let known = keyed.get(group);
    if (known === undefined) {
      keyed.set(group, (known = new Map()));
      byGroup.set(group, []);
    }
    const key = `${tail} ${head} ${exit || entry || tail < 0 || head < 0 ? source : ""}`;
    let piece = known.get(key);
    if (piece === undefined) {
      known.set(key, (piece = new Piece(tail, head, source, exit, entry)));
      byGroup.get(group).push(piece);
    }
    piece.wires.push(wire);
  };
  for (const wire of wires) {
    let [tail, head] = [wire.tail, wire.head];
    let [above, around] = [standing.around(tail), standing.around(head)];
    while (above !== around) {
      if (standing.depth[above] >= standing.depth[around]) {
        take(above, tail, -1, wire.tail, tail !== wire.tail, false, wire);
        tail = standing.itemOf(above);
        above = standing.parent[above];
      } else {
        take(around, -1, head, wire.tail, false, head !== wire.head, wire);
        head = standing.itemOf(around);
        around = standing.parent[around];
      }
    }
    take(above, tail, head, wire.tail, tail !== wire.tail, head !== wire.head, wire);
  }
  return byGroup;
}
