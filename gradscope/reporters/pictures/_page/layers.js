// Parts into layers: every edge leads from a layer to a lower one, as far as that goes.

/** The edges as heads by tail, in two arrays: those of part p stand from start[p] up to start[p + 1]. */
export function byEnd(count, edges, end, other) {
  const start = new Int32Array(count + 1);
  for (const edge of edges) start[edge[end] + 1]++;
  for (let part = 0; part < count; part++) start[part + 1] += start[part];
  const next = start.slice(0, count);
  const found = new Int32Array(edges.length);
  for (const edge of edges) found[next[edge[end]]++] = edge[other];
  return { start, found };
}

/**
 * An order in which tails stand before heads. Where closed modules make a circle, the part that the forward
 * came to first goes first, and the edges that then lead back are the ones that `isBack` marks.
 */
function ordered(parts, edges) {
  const { start, found } = byEnd(parts.length, edges, "tail", "head");
  const waiting = new Int32Array(parts.length);
  for (const edge of edges) waiting[edge.head]++;
  const byFirst = Int32Array.from(parts.keys()).sort((a, b) => parts[a].first - parts[b].first);
  const order = [];
  const position = new Int32Array(parts.length).fill(-1);
  const ready = [...byFirst].filter((part) => waiting[part] === 0).reverse();
  let oldest = 0;
  while (order.length < parts.length) {
    if (ready.length === 0) {
      while (position[byFirst[oldest]] >= 0) oldest++;
      ready.push(byFirst[oldest]);
    }
    const part = ready.pop();
    if (position[part] >= 0) continue;
    position[part] = order.length;
    order.push(part);
    for (let each = start[part]; each < start[part + 1]; each++) {
      if (--waiting[found[each]] === 0 && position[found[each]] < 0) ready.push(found[each]);
    }
  }
  return { order, position };
}

/**
 * The layer of each part, from 0. `parts` have `first`, the row that the forward came to first, and `port`:
 * "in" at the upper edge, "out" at the lower one. Edges are marked `back` where they lead upwards.
 */
export function layersOf(parts, edges) {
  const { order, position } = ordered(parts, edges);
  for (const edge of edges) edge.back = position[edge.tail] > position[edge.head];
  const forward = edges.filter((edge) => !edge.back);
  const heads = byEnd(parts.length, forward, "tail", "head");
  const tails = byEnd(parts.length, forward, "head", "tail");
  const layer = new Int32Array(parts.length);
  if (parts.some((part) => part.port === "in")) {
    // ports that lead in have the upper layer to themselves
    for (let part = 0; part < parts.length; part++) layer[part] = parts[part].port === "in" ? 0 : 1;
  }
  for (const part of order) {
    for (let each = heads.start[part]; each < heads.start[part + 1]; each++) {
      const head = heads.found[each];
      layer[head] = Math.max(layer[head], layer[part] + 1);
    }
  }
  const isSource = (part) => tails.start[part] === tails.start[part + 1] && parts[part].port !== "in";
  for (let index = order.length - 1; index >= 0; index--) {
    const part = order[index];
    const outs = heads.start[part + 1] - heads.start[part];
    let ins = 0;
    for (let each = tails.start[part]; each < tails.start[part + 1]; each++) ins += isSource(tails.found[each]) ? 0 : 1;
    // a leaf stands right above where it is used, not at the top of the page
    if (outs <= ins || parts[part].port === "in") continue;
    let lowest = Infinity;
    for (let each = heads.start[part]; each < heads.start[part + 1]; each++) {
      lowest = Math.min(lowest, layer[heads.found[each]] - 1);
    }
    layer[part] = lowest;
  }
  settlePorts(parts, layer);
  return layer;
}

// Ports that lead out have the lowest layer to themselves.
function settlePorts(parts, layer) {
  let last = 0;
  for (let part = 0; part < parts.length; part++) if (!parts[part].port) last = Math.max(last, layer[part]);
  for (let part = 0; part < parts.length; part++) if (parts[part].port === "out") layer[part] = last + 1;
  compress(layer);
}

/** Close the layers that nothing stands in. */
function compress(layer) {
  const used = new Uint8Array(layer.reduce((most, each) => Math.max(most, each), 0) + 1);
  for (const each of layer) used[each] = 1;
  const renumbered = new Int32Array(used.length);
  let count = 0;
  for (let each = 0; each < used.length; each++) {
    renumbered[each] = count;
    count += used[each];
  }
  for (let part = 0; part < layer.length; part++) layer[part] = renumbered[layer[part]];
}
