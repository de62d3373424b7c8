// Search by op, module, parameter, or line ("train.py:41").

/** The items that a text names: groups and rows, in the order of the forward. */
export function found(graph, text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const line = /^\S*:\d+$/.test(text.trim()) ? text.trim().toLowerCase() : null;
  const tests = words.map((word) => tablesFor(graph, line === null ? (text) => text.includes(word) : (text) => endsAt(text, line)));
  const hits = [];
  const groupHits = graph.groups.map((group) => group.index > 0 && tests.every((test) => test.groups[group.index]));
  const firstRow = new Int32Array(graph.groups.length).fill(-1);
  for (let row = graph.count - 1; row >= 0; row--) firstRow[graph.group[row]] = row;
  for (let group = graph.groups.length - 1; group > 0; group--) {
    const parent = graph.groups[group].parent;
    if (firstRow[group] >= 0 && (firstRow[parent] < 0 || firstRow[group] < firstRow[parent])) firstRow[parent] = firstRow[group];
  }
  for (let group = 1; group < graph.groups.length; group++) {
    // of modules within modules that all match, the outer one stands for the rest
    if (groupHits[group] && !groupHits[graph.groups[group].parent]) hits.push([firstRow[group] - 0.5, graph.count + group]);
  }
  for (let row = 0; row < graph.count; row++) {
    let direct = false;
    const all = tests.every((test) => {
      const own = test.signatures[graph.signature[row]] || (graph.title[row] >= 0 && test.titles[graph.title[row]]) || (graph.place[row] >= 0 && test.places[graph.place[row]]);
      direct ||= own;
      return own || test.groups[graph.group[row]];
    });
    if (all && direct) hits.push([row, row]);
  }
  return hits.sort((a, b) => a[0] - b[0]).map(([, item]) => item);
}

function endsAt(text, line) {
  return text === line || text.endsWith(`/${line}`) || (line.startsWith(":") && text.endsWith(line));
}

function tablesFor(graph, matches) {
  const lower = (text) => matches((text ?? "").toLowerCase());
  const definition = (each) => graph.definitions[each.definition]?.name;
  return {
    signatures: graph.signatures.map((each) => lower(each.name) || lower(definition(each))),
    titles: graph.strings.map(lower),
    places: graph.places.map((each) => lower(each.line) || lower(each.expression) || lower(each.variable)),
    groups: graph.groups.map((each) => lower(each.path) || lower(each.class)),
  };
}
