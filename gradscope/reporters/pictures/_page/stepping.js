// The step buttons: first, back, forward, last, play; what is known so far is all that the picture shows.

import { KINDS } from "./graph.js";
import { textsOf } from "./scene.js";
import { stepsOf } from "./steps.js";
import { element } from "../../page_parts/elements.js";
import { numberText } from "./words.js";

const PAUSE = 1200; // milliseconds of a step that plays by itself

/** Where in its steps a program stands. */
class Stepping {
  constructor(graph, steps, at) {
    this.graph = graph;
    this.current = steps[at].row;
    this.valued = new Set();
    this.passed = new Set(); // edges that a gradient has gone back along
    this.reached = new Set();
    for (const { row, pass, edges } of steps.slice(0, at + 1)) {
      (pass === "forward" ? this.valued : this.reached).add(row);
      for (const edge of edges) this.passed.add(edge);
    }
    this.fresh = new Set(steps[at].edges.map((edge) => graph.input[edge]));
  }

  /** For the wires of a scene 2 where the gradient of this step goes back, 0 for others. */
  marks(wires) {
    return Uint8Array.from(wires, ({ tail, head }) => (head === this.current && this.fresh.has(tail) ? 2 : 0));
  }

  hides(item) {
    return item < this.graph.count && this.graph.kind[item] < KINDS.constant && !this.valued.has(item);
  }

  /** The gradient of a row as far as it has come: a sum over the paths that were gone. */
  gradient(row) {
    if (this.reached.has(row)) return this.graph.incoming.at(row);
    let sum = null;
    for (let at = this.graph.userStart[row]; at < this.graph.userStart[row + 1]; at++) {
      const edge = this.graph.userEdge[at];
      if (this.passed.has(edge)) sum = (sum ?? 0) + this.graph.outgoing.at(edge);
    }
    return sum;
  }

  textsOf(item) {
    const { graph } = this;
    const texts = textsOf(graph, item);
    if (item >= graph.count || graph.kind[item] >= KINDS.constant) return texts;
    const gradient = this.gradient(item);
    return texts.map((text) => {
      if (text.startsWith("value ")) return this.valued.has(item) ? text : "value ?";
      return text.startsWith("grad ") ? (gradient === null ? "" : `grad ${numberText(gradient)}`) : text;
    });
  }
}

/** Make the step bar and the listing of a small program work; does nothing for others. */
export function listenToSteps(bar, listing, page) {
  const { graph } = page;
  const steps = graph.small ? stepsOf(graph) : [];
  if (steps.length === 0) return null;
  bar.hidden = false;
  showListing(listing, graph);
  const said = bar.querySelector("[data-said]");
  const count = bar.querySelector("[data-count]");
  const play = bar.querySelector("[data-step=play]");
  let at = -1;
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ play";
  };
  const show = (next) => {
    at = Math.max(-1, Math.min(steps.length - 1, next));
    if (at === steps.length - 1) stop();
    page.stepping = at < 0 ? null : new Stepping(graph, steps, at);
    const step = steps[at];
    count.textContent = step ? `${step.pass} · ${at + 1} of ${steps.length}` : `${steps.length} steps`;
    said.replaceChildren(...(step ? step.lines : ["Step through the forward, and back through the backward."]).map((text, index) => element("div", { text, className: index ? "" : "first" })));
    for (const row of listing.querySelectorAll("[data-line]")) row.classList.toggle("current", step !== undefined && row.dataset.line === step.line);
    listing.querySelector(".current")?.scrollIntoView({ block: "nearest" });
    if (step) page.uncover(step.row);
    page.mark();
    document.getElementById("legend").hidden = page.stepping !== null || page.scale.ends === null;
    if (step) page.show(step.row);
    page.redraw();
  };
  const acts = {
    first: () => show(0),
    back: () => show(at - 1),
    forward: () => show(at + 1),
    last: () => show(steps.length - 1),
    play: () => {
      if (timer !== null) return stop();
      if (at === steps.length - 1) at = -1;
      show(at + 1);
      play.textContent = "⏸ pause";
      timer = setInterval(() => show(at + 1), PAUSE);
      return undefined;
    },
    end: () => show(-1),
  };
  bar.addEventListener("click", (event) => {
    const step = event.target.closest("[data-step]")?.dataset.step;
    if (!step) return;
    if (step !== "play") stop();
    acts[step]();
  });
  show(-1);
  return acts;
}

function showListing(place, graph) {
  if (graph.listing.length === 0) return;
  place.parentElement.hidden = false;
  for (const { file, lines } of graph.listing) {
    if (graph.listing.length > 1) place.append(element("div", { className: "faint", text: file }));
    let before = null;
    for (const [number, text, line] of lines) {
      if (before !== null && number > before + 1) place.append(element("div", { className: "faint", text: "⋮" }));
      before = number;
      place.append(element("div", { className: "source", "data-line": line }, [element("span", { className: "nr", text: String(number) }), element("span", { text })]));
    }
  }
}
