// What a gradient passes through: the ways from a box to the leaves and to what is differentiated.

/** For the wires of a scene: 1 those that lead to `item`, 2 those that it leads to, 0 others; and the items. */
export function pathsOf(scene, item) {
  const marks = new Uint8Array(scene.wires.length);
  const items = new Set([item]);
  const into = new Map();
  const from = new Map();
  for (const wire of scene.wires) {
    push(into, wire.head, wire);
    push(from, wire.tail, wire);
  }
  walk(item, into, "tail", 1, marks, items);
  walk(item, from, "head", 2, marks, items);
  return { marks, items };
}

function push(map, key, wire) {
  const known = map.get(key);
  if (known) known.push(wire);
  else map.set(key, [wire]);
}

function walk(start, wires, end, mark, marks, items) {
  const seen = new Set([start]);
  const stack = [start];
  while (stack.length) {
    for (const wire of wires.get(stack.pop()) ?? []) {
      marks[wire.index] = mark;
      if (seen.has(wire[end])) continue;
      seen.add(wire[end]);
      items.add(wire[end]);
      stack.push(wire[end]);
    }
  }
}

/** The rows between one row and what is differentiated, itself included, as a mask. */
export function rowsFrom(graph, row) {
  const mask = new Uint8Array(graph.count);
  const stack = [row];
  mask[row] = 1;
  while (stack.length) {
    const each = stack.pop();
    for (let at = graph.userStart[each]; at < graph.userStart[each + 1]; at++) {
      const user = graph.user[at];
      if (mask[user]) continue;
      mask[user] = 1;
      stack.push(user);
    }
  }
  return mask;
}
