// The steps of a small scalar program: its forward, value by value, and its backward by the chain rule.

import { KINDS, lineOf, sourceOf, titleOf } from "./graph.js";
import { numberText } from "./words.js";

/** What a row is called in a sentence: the variable or leaf, else the op. */
export function nameOf(graph, row) {
  if (graph.kind[row] === KINDS.leaf) return titleOf(graph, row);
  const place = graph.places[graph.place[row]];
  // one line may make several nodes, and its variable is the last of them
  const last = place?.variable && lastOfPlace(graph, row);
  return last ? place.variable : place?.expression || titleOf(graph, row);
}

function lastOfPlace(graph, row) {
  for (let at = graph.userStart[row]; at < graph.userStart[row + 1]; at++) {
    if (graph.place[graph.user[at]] === graph.place[row]) return false;
  }
  return true;
}

const isNode = (graph, row) => graph.kind[row] < KINDS.constant;

/** All steps: { row, pass: "forward" | "backward", lines }, and for the backward the edges that it has passed. */
export function stepsOf(graph) {
  const rows = [];
  for (let row = 0; row < graph.count; row++) if (isNode(graph, row)) rows.push(row);
  const forward = rows.map((row) => ({ row, pass: "forward", line: lineOf(graph, row), lines: forwardLines(graph, row), edges: [] }));
  const reached = rows.filter((row) => graph.incoming.at(row) !== null).reverse();
  const backward = reached.map((row) => ({ row, pass: "backward", line: lineOf(graph, row), lines: backwardLines(graph, row), edges: edgesOf(graph, row) }));
  return [...forward, ...backward];
}

function edgesOf(graph, row) {
  const found = [];
  for (let edge = graph.inputStart[row]; edge < graph.inputStart[row + 1]; edge++) {
    if (graph.input[edge] >= 0 && isNode(graph, graph.input[edge]) && graph.outgoing.at(edge) !== null) found.push(edge);
  }
  return found;
}

function forwardLines(graph, row) {
  const value = numberText(graph.value.at(row));
  const known = value === "" ? "" : ` = ${value}`;
  if (graph.kind[row] === KINDS.leaf) return [`${nameOf(graph, row)}${known}`, "a leaf: the program gives its value"];
  const inputs = [];
  for (let edge = graph.inputStart[row]; edge < graph.inputStart[row + 1]; edge++) {
    const input = graph.input[edge];
    if (input >= 0 && isNode(graph, input) && graph.value.at(input) !== null) inputs.push(`${nameOf(graph, input)} = ${numberText(graph.value.at(input))}`);
  }
  const source = sourceOf(graph, row) || titleOf(graph, row);
  return [`${source}${known}`, [...new Set(inputs)].length ? `with ${[...new Set(inputs)].join(", ")}` : ""].filter(Boolean);
}

function backwardLines(graph, row) {
  const gradient = graph.incoming.at(row);
  const name = nameOf(graph, row);
  const arrived = arrivals(graph, row);
  const lines = [];
  const isLeaf = graph.kind[row] === KINDS.leaf;
  const sum = arrived.length > 1 ? `${arrived.map(signed).join(" + ")} = ` : "";
  const root = graph.roots.some(([each]) => each === row);
  lines.push(isLeaf ? `${name}.grad = ${sum}${numberText(gradient)}` : root && arrived.length === 0 ? `the backward begins: d${name}/d${name} = ${numberText(gradient)}` : `gradient of ${name}: ${sum}${numberText(gradient)}`);
  if (arrived.length > 1) lines.push(`the sum over ${arrived.length} paths`);
  for (const edge of edgesOf(graph, row)) lines.push(chainLine(graph, edge, gradient));
  return lines;
}

/** The chain rule at one edge: "x.grad += 14 * 3 = 42". */
export function chainLine(graph, edge, gradient) {
  const outgoing = graph.outgoing.at(edge);
  const input = graph.input[edge];
  const target = graph.kind[input] === KINDS.leaf ? `${nameOf(graph, input)}.grad` : `gradient of ${nameOf(graph, input)}`;
  if (gradient === 0) return `${target} += 0 * its local derivative = ${numberText(outgoing)}`;
  const local = outgoing / gradient;
  return `${target} += ${signed(gradient)} * ${signed(local)} = ${numberText(outgoing)}`;
}

function signed(value) {
  const text = numberText(value);
  return text.startsWith("-") ? `(${text})` : text;
}

function arrivals(graph, row) {
  const found = [];
  for (let at = graph.userStart[row]; at < graph.userStart[row + 1]; at++) {
    const given = graph.outgoing.at(graph.userEdge[at]);
    if (given !== null) found.push(given);
  }
  return found;
}
