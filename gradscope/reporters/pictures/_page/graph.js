// The graph as the file brings it: columns of numbers, and tables that rows refer to by index.
//
// A row is a node of the graph, or a box that is none: a constant, the loss, what was cut off. A column is
// an array, or one value where all rows have the same.

export const KINDS = {
  op: 0, leaf: 1, custom: 2, checkpoint: 3, compiled: 4, value: 5, constant: 6, frozen: 7, root: 8, cut: 9, lost: 10,
};
export const KIND_NAMES = Object.keys(KINDS);
export const EDGE = { plain: 0, constant: 1, cut: 2 };

const SPELLED = { nan: NaN, inf: Infinity, "-inf": -Infinity };

const number = (value) => (typeof value === "string" ? SPELLED[value] : value);

function integers(column, count) {
  const found = new Int32Array(count);
  return Array.isArray(column) ? (found.set(column), found) : found.fill(column);
}

// null and undefined stay NaN's opposite here: `absent` marks what was not measured
function numbers(column, count) {
  const found = new Float64Array(count);
  const absent = new Uint8Array(count);
  for (let row = 0; row < count; row++) {
    const value = number(Array.isArray(column) ? column[row] : column);
    if (value === null || value === undefined) absent[row] = 1;
    else found[row] = value;
  }
  return { at: (row) => (absent[row] ? null : found[row]) };
}

function starts(degrees) {
  const found = new Int32Array(degrees.length + 1);
  for (let row = 0; row < degrees.length; row++) found[row + 1] = found[row] + degrees[row];
  return found;
}

// Edges lead from a row to its inputs: row `r` has those from inputStart[r] up to inputStart[r + 1].
function edges(data, count) {
  const inputStart = starts(integers(data.degree, count));
  const total = inputStart[count];
  const input = new Int32Array(total);
  for (let row = 0; row < count; row++) {
    for (let edge = inputStart[row]; edge < inputStart[row + 1]; edge++) {
      // told relative to the row; 0 is an input that is not tracked
      const back = data.back[edge];
      input[edge] = back === 0 ? -1 : row - back;
    }
  }
  return {
    inputStart,
    input,
    edgeKind: integers(data.kind, total),
    outputNr: integers(data.nr, total),
    outgoing: numbers(data.outgoing, total),
  };
}

function users({ inputStart, input }, count) {
  const degrees = new Int32Array(count);
  for (const row of input) if (row >= 0) degrees[row]++;
  const userStart = starts(degrees);
  const next = userStart.slice(0, count);
  const user = new Int32Array(userStart[count]);
  const userEdge = new Int32Array(userStart[count]);
  for (let row = 0; row < count; row++) {
    for (let edge = inputStart[row]; edge < inputStart[row + 1]; edge++) {
      const from = input[edge];
      if (from < 0) continue;
      user[next[from]] = row;
      userEdge[next[from]++] = edge;
    }
  }
  return { userStart, user, userEdge };
}

/** The tables and columns of the file, ready to be asked. */
export function readGraph(data) {
  const rows = data.rows;
  const count = rows.count;
  const found = edges(data.edges, count);
  const graph = {
    ...data,
    count,
    signature: integers(rows.signature, count),
    place: integers(rows.place, count),
    group: integers(rows.group, count),
    title: integers(rows.title, count),
    sequence: integers(rows.sequence, count),
    incoming: numbers(rows.incoming, count),
    seconds: numbers(rows.seconds, count),
    value: numbers(rows.value, count),
    bytes: numbers(rows.bytes, count),
    ...found,
    ...users(found, count),
    groups: data.groups.map((group, index) => ({ ...group, index })),
  };
  const kinds = graph.signatures.map((each) => KINDS[each.kind]);
  graph.kind = Int32Array.from(graph.signature, (each) => kinds[each]);
  return graph;
}

/** The full title of a row: the name of a leaf, or of a node. */
export function titleOf(graph, row) {
  const title = graph.title[row];
  return title >= 0 ? graph.strings[title] : graph.signatures[graph.signature[row]].name;
}

/** "train.py:41", or "" where the line of a row is not known. */
export function lineOf(graph, row) {
  const place = graph.place[row];
  return place >= 0 ? graph.places[place].line : "";
}

/** What the source says there: "a = x * 3". */
export function sourceOf(graph, row) {
  const place = graph.places[graph.place[row]];
  if (!place || !place.expression) return "";
  return place.variable ? `${place.variable} = ${place.expression}` : place.expression;
}

/** What a group is called where there is little room: a line without the folders of its file. */
export function shortName(group) {
  return group.kind === "line" ? group.name.slice(group.name.lastIndexOf("/") + 1) : group.name;
}
