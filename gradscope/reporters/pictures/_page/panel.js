// The side panel: all that is known of the box that was clicked.

import { KIND_NAMES, KINDS, lineOf, sourceOf, titleOf } from "./graph.js";
import { countText, element } from "../../page_parts/elements.js";
import { bytesText, clipped, longText, numberText, secondsText } from "./words.js";

const WHAT = {
  op: "op of torch", leaf: "leaf", custom: "custom autograd.Function", checkpoint: "reentrant checkpoint",
  compiled: "region of torch.compile", value: "node of the program's own engine", constant: "input without a gradient",
  frozen: "frozen parameter", root: "what is differentiated", cut: "where the gradient is cut", lost: "gets no gradient",
};
const HOW = { shared: "counted elsewhere", recomputed: "recomputed by a checkpoint", packed: "packed by a hook of the program" };
const GROUPS = {
  module: "module", function: "nodes of one function", line: "nodes of one line", name: "nodes of one name", leaves: "leaves",
  blocks: "equal modules in a row", span: "nodes that follow one another",
};
const MOST_LINKS = 40;

/** Fill the panel for an item, null for the graph as a whole. */
export function showPanel(place, page) {
  const { graph, selected } = page;
  const parts = selected === null ? wholeParts(page) : selected >= graph.count ? groupParts(page, selected) : rowParts(page, selected);
  place.replaceChildren(...parts.filter(Boolean));
  place.scrollTop = 0;
}

function table(rows) {
  const shown = rows.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const list = element("dl");
  for (const [name, value] of shown) {
    list.append(element("dt", { text: name }), element("dd", {}, [typeof value === "string" ? longText(value) : value]));
  }
  return list;
}

function titled(title, children) {
  return children.length ? element("section", {}, [element("h3", { text: title }), ...children]) : null;
}

function link(page, item, after = "") {
  const text = item >= page.graph.count ? page.graph.groups[item - page.graph.count].path : titleOf(page.graph, item);
  const button = element("button", { className: "link", type: "button", text: clipped(text, 48) });
  button.addEventListener("click", () => page.go(item));
  return element("li", {}, after ? [button, element("span", { className: "faint", text: ` ${after}` })] : [button]);
}

function links(page, found) {
  const list = element("ul", { className: "links" });
  for (const [item, after] of found.slice(0, MOST_LINKS)) list.append(link(page, item, after));
  if (found.length > MOST_LINKS) list.append(element("li", { className: "faint", text: `and ${(found.length - MOST_LINKS).toLocaleString("en")} more` }));
  return list;
}

function button(text, act) {
  const made = element("button", { type: "button", text });
  made.addEventListener("click", act);
  return made;
}

function wholeParts(page) {
  const { graph } = page;
  return [
    element("h2", { text: graph.target || "autograd graph" }),
    table([
      [graph.call === "grad" ? "autograd.grad at" : "backward at", graph.backward],
      ["loss", numberText(graph.loss)],
      ["nodes", graph.nodes.toLocaleString("en")],
    ]),
    titled("Findings", graph.findings.map((each) => finding(page, each))),
    titled("Notes", graph.notes.map((text) => element("p", { className: "faint", text }))),
    titled("How to read it", [element("p", { className: "faint", text: "Arrows go the way of the forward, from the leaves to the loss; gradients come back along them. Click a box for its line, shapes, formula and gradient; click a module's title to open or close it." })]),
  ];
}

function finding(page, each) {
  const head = element("p", { className: `finding ${each.severity}` }, [element("strong", { text: `${each.code} ` }), longText(each.message, 400)]);
  const rest = [...each.lines.slice(0, 4).map((text) => element("p", { className: "mono", text }))];
  for (const [heading, text] of each.notes) rest.push(element("p", { className: "faint" }, [longText(`${heading}: ${text}`, 300)]));
  if (each.fix) rest.push(element("p", {}, [longText(`fix: ${each.fix}`, 400)]));
  const items = page.pointed.get(each) ?? [];
  if (items.length) rest.push(links(page, items.map((item) => [item, lineOf(page.graph, item)])));
  return element("div", { className: "card" }, [head, ...rest]);
}

function groupParts(page, item) {
  const { graph, standing } = page;
  const group = graph.groups[item - graph.count];
  const open = standing.open[group.index] === 1;
  return [
    element("h2", {}, [longText(group.name, 80)]),
    element("p", { className: "faint", text: GROUPS[group.kind] }),
    element("p", {}, [button(open ? "Close" : "Open", () => page.toggle(item))]),
    table([
      ["path", group.path !== group.name ? group.path : ""],
      ["class", group.class ?? ""],
      ["nodes", group.size.toLocaleString("en")],
      ["parameters", group.parameters ? group.parameters.toLocaleString("en") : ""],
      ["gradient", group.norm === null ? "" : `${numberText(typeof group.norm === "string" ? Number(group.norm.replace("inf", "Infinity")) : group.norm)} (2-norm)`],
      ["saved", group.bytes ? bytesText(group.bytes) : ""],
      ["backward", secondsText(group.seconds)],
    ]),
    titled("Findings", page.findingsOf(item).map((each) => finding(page, each))),
    ...wiresParts(page, item),
  ];
}

function wiresParts(page, item) {
  const into = page.scene.wires.filter((wire) => wire.head === item).map((wire) => [wire.tail, countText(wire.count, "edge")]);
  const from = page.scene.wires.filter((wire) => wire.tail === item).map((wire) => [wire.head, countText(wire.count, "edge")]);
  return [titled("Comes from", into.length ? [links(page, into)] : []), titled("Leads to", from.length ? [links(page, from)] : [])];
}

function rowParts(page, row) {
  const { graph } = page;
  const signature = graph.signatures[graph.signature[row]];
  const kind = graph.kind[row];
  const definition = graph.definitions[signature.definition];
  const place = graph.places[graph.place[row]];
  const signed = graph.small ? "" : " (2-norm)";
  const gradient = graph.incoming.at(row);
  const group = graph.group[row];
  return [
    element("h2", {}, [longText(titleOf(graph, row), 80)]),
    element("p", { className: "faint", text: whatIs(signature, kind) }),
    kind === KINDS.leaf ? element("p", {}, [button(page.path === row ? "Show everything" : "Only its paths", () => page.onlyPaths(page.path === row ? null : row))]) : null,
    sourceOf(graph, row) ? element("pre", { text: clipped(sourceOf(graph, row), 400) }) : null,
    table([
      ["line", lineOf(graph, row)],
      ["module", place?.module ?? ""],
      ["function", definition ? `${definition.name}${definition.line ? `, backward at ${definition.line}` : ""}` : ""],
      ["derivative of", signature.parent ? `${signature.parent}, order ${signature.order}` : ""],
      ["output", signature.output],
      ["value", numberText(graph.value.at(row))],
      [kind === KINDS.leaf ? "gradient" : "gradient in", gradient === null ? "" : numberText(gradient) + signed],
      ["saved", graph.bytes.at(row) ? bytesText(graph.bytes.at(row)) : ""],
      ["backward", secondsText(graph.seconds.at(row))],
      ["sequence nr", graph.sequence[row] >= 0 ? String(graph.sequence[row]) : ""],
    ]),
    titled("Findings", page.findingsOf(row).map((each) => finding(page, each))),
    titled("Inputs", inputsOf(page, row)),
    titled("Used by", usersOf(page, row)),
    titled("Saved for the backward", savedOf(signature.saved)),
    titled("Derivative", formulaOf(graph.formulas[signature.name])),
    group > 0 ? titled("In", [links(page, [[graph.count + group, graph.groups[group].class ?? ""]])]) : null,
  ];
}

function whatIs(signature, kind) {
  if (kind === KINDS.leaf) return signature.parameter ? "parameter: its .grad is written here" : "leaf: its .grad is written here";
  return WHAT[KIND_NAMES[kind]];
}

function inputsOf(page, row) {
  const { graph } = page;
  const found = [];
  let untracked = 0;
  for (let edge = graph.inputStart[row]; edge < graph.inputStart[row + 1]; edge++) {
    const input = graph.input[edge];
    if (input < 0) {
      untracked++;
      continue;
    }
    const given = graph.outgoing.at(edge);
    const nr = graph.outputNr[edge] ? `output ${graph.outputNr[edge]} ` : "";
    found.push([input, `${nr}${given === null ? "" : `gradient out ${numberText(given)}`}`]);
  }
  const parts = found.length ? [links(page, found)] : [];
  if (untracked && graph.kind[row] < KINDS.constant) parts.push(element("p", { className: "faint", text: countText(untracked, "input without a gradient", "inputs without a gradient") }));
  return parts;
}

function usersOf(page, row) {
  const { graph } = page;
  const found = [];
  for (let at = graph.userStart[row]; at < graph.userStart[row + 1]; at++) {
    const given = graph.outgoing.at(graph.userEdge[at]);
    found.push([graph.user[at], given === null ? lineOf(graph, graph.user[at]) : `gives back ${numberText(given)}`]);
  }
  return found.length ? [links(page, found)] : [];
}

function savedOf(saved) {
  return saved.map((each) =>
    element("p", {}, [
      element("span", { className: "mono", text: `${clipped(each.name, 60)} ` }),
      element("span", { text: [each.output, each.how ? "" : bytesText(each.bytes)].filter(Boolean).join(", ") }),
      element("span", { className: "faint", text: each.how ? ` ${HOW[each.how]}` : "" }),
    ]),
  );
}

function formulaOf(formula) {
  if (!formula) return [];
  const parts = [];
  if (formula.op) parts.push(element("p", { className: "faint", text: `of ${formula.op}${formula.only ? `, ${formula.only}` : ""}; grad is the gradient in` }));
  for (const [input, expression] of formula.plain) parts.push(element("pre", { text: `d${input} = ${expression}` }));
  for (const [name, expression] of formula.where) parts.push(element("pre", { className: "faint", text: `where ${name} = ${expression}` }));
  if (formula.broadcasts) parts.push(element("p", { className: "faint", text: "summed over the copies of an input that was broadcast" }));
  if (formula.torch.length) {
    const own = element("details", {}, [element("summary", { text: "torch's own formula" })]);
    for (const [inputs, expression] of formula.torch) own.append(element("pre", { text: `${inputs}: ${expression}` }));
    own.open = formula.plain.length === 0;
    parts.push(own);
  }
  if (formula.reason) parts.push(element("p", { text: formula.reason }));
  return parts;
}
