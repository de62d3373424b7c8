// The page: what is open, selected, searched for and coloured, and what follows when that changes.

import { Camera } from "./camera.js";
import { scaleOf, showLegend } from "./colours.js";
import { draw, themeOf } from "./drawing.js";
import { KINDS, lineOf, readGraph, titleOf } from "./graph.js";
import { Standing } from "./groups.js";
import { listenToKeys, listenToPointer } from "./keys.js";
import { listenToOutline, showOutline } from "./outline.js";
import { showPanel } from "./panel.js";
import { pathsOf, rowsFrom } from "./paths.js";
import { sceneOf } from "./scene.js";
import { found } from "./search.js";
import { listenToSteps } from "./stepping.js";
import { countText, element } from "../../page_parts/elements.js";
import { clipped } from "./words.js";

const FIRST_PAGE = 60; // boxes that the first picture has at most
const MOST_BOXES = 20_000; // boxes that are opened without being asked again
const MOST_PATHS = 500; // leaves to choose from in the list of paths

const at = (id) => document.getElementById(id);

class Page {
  constructor(graph) {
    this.graph = graph;
    this.standing = new Standing(graph);
    this.camera = new Camera();
    this.canvas = at("canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.theme = themeOf(document.documentElement);
    this.selected = null;
    this.hovered = null;
    this.emphasis = null;
    this.stepping = null;
    this.steps = null;
    this.path = null;
    this.colour = graph.view.colour;
    this.hitList = [];
    this.hitAt = -1;
    this.hits = new Set();
    this.pointing();
  }

  get room() {
    return { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
  }

  /** What findings point at, and what rows have findings. */
  pointing() {
    const { graph } = this;
    this.pointed = new Map(graph.findings.map((each) => [each, []]));
    this.about = new Map(); // by row its findings
    const lines = new Map();
    const names = new Map();
    for (const each of graph.findings) {
      for (const line of each.lines.slice(0, 1)) lines.set(line, [...(lines.get(line) ?? []), each]);
      for (const name of each.subjects) names.set(name, [...(names.get(name) ?? []), each]);
    }
    for (let row = 0; row < graph.count && graph.findings.length; row++) {
      const named = graph.title[row] >= 0 ? names.get(graph.strings[graph.title[row]]) : undefined;
      const own = new Set([...(lines.get(lineOf(graph, row)) ?? []), ...(named ?? [])]);
      if (own.size === 0) continue;
      this.about.set(row, [...own]);
      for (const each of own) this.pointed.get(each).push(row);
    }
  }

  findingsOf(item) {
    if (item < this.graph.count) return this.about.get(item) ?? [];
    const inside = new Set();
    for (const [row, own] of this.about) if (this.scene.items[row] === item || this.isInside(row, item)) own.forEach((each) => inside.add(each));
    return [...inside];
  }

  isInside(row, item) {
    const wanted = item - this.graph.count;
    for (let group = this.graph.group[row]; group > 0; group = this.standing.parent[group]) if (group === wanted) return true;
    return false;
  }

  /** Lay out what is open. `anchor` is an item that is to stay where it is on the screen. */
  relayout(anchor = null) {
    const before = anchor !== null && this.scene ? this.scene.boxes.get(anchor) : null;
    const kept = before ? this.camera.screen(before.x + Math.min(before.width, 40) / 2, before.y) : null;
    this.scene = sceneOf(this.standing);
    this.scale = scaleOf(this.graph, [...this.scene.texts.keys()], this.colour);
    showLegend(at("legend"), this.scale);
    const after = kept ? this.scene.boxes.get(anchor) : null;
    if (after) {
      const [x, y] = this.camera.screen(after.x + Math.min(after.width, 40) / 2, after.y);
      this.camera.move(kept[0] - x, kept[1] - y);
    }
    this.mark();
    showOutline(at("outline"), this);
    this.redraw();
  }

  /** Everything that is marked on boxes: paths, hits, findings. */
  mark() {
    const centre = this.hovered ?? this.selected;
    const stands = centre !== null && this.scene.texts.has(centre);
    if (this.stepping) this.emphasis = { marks: this.stepping.marks(this.scene.wires), items: null };
    else this.emphasis = stands ? pathsOf(this.scene, centre) : null;
    this.hits = new Set(this.hitList.map((item) => this.standsFor(item)));
    this.severities = new Map();
    const rank = ["info", "warning", "error"];
    for (const [row, own] of this.about) {
      const item = this.scene.items[row];
      for (const { severity } of own) {
        if (item >= 0 && rank.indexOf(severity) > rank.indexOf(this.severities.get(item))) this.severities.set(item, severity);
      }
    }
  }

  standsFor(item) {
    if (!this.standing.isGroup(item)) return this.scene.items[item];
    if (this.scene.boxes.has(item)) return item;
    let shown = item;
    for (let group = this.standing.groupOf(item); group > 0; group = this.standing.parent[group]) {
      if (!this.standing.open[group]) shown = this.standing.itemOf(group);
    }
    return shown;
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint(ratio = window.devicePixelRatio || 1) {
    const { width, height } = this.room;
    if (this.canvas.width !== Math.round(width * ratio)) this.canvas.width = Math.round(width * ratio);
    if (this.canvas.height !== Math.round(height * ratio)) this.canvas.height = Math.round(height * ratio);
    draw(this.context, this, this.room, ratio);
  }

  hover(item) {
    if (item === this.hovered) return;
    this.hovered = item;
    this.mark();
    this.redraw();
  }

  select(item, follow = false) {
    this.selected = item;
    this.mark();
    showPanel(at("panel"), this);
    showOutline(at("outline"), this);
    if (item !== null) this.say(this.sentence(item));
    if (follow) this.show(item);
    this.redraw();
  }

  sentence(item) {
    const { graph } = this;
    if (item >= graph.count) {
      const group = graph.groups[item - graph.count];
      return `${group.name} ${group.class ?? ""}, ${countText(group.size, "node")}, ${this.standing.open[group.index] ? "open" : "closed"}`;
    }
    return `${clipped(titleOf(graph, item))} ${lineOf(graph, item)}`;
  }

  say(text) {
    at("said").textContent = text;
  }

  /** Bring a box into sight if it is out of it. */
  show(item) {
    const box = this.scene.boxes.get(item);
    if (!box) return;
    const [x, y] = this.camera.screen(box.x, box.y);
    const [width, height] = [box.width * this.camera.scale, box.height * this.camera.scale];
    const { room } = this;
    if (x < 10 || y < 10 || x + width > room.width - 10 || y + height > room.height - 10 || this.camera.scale < 0.4) this.camera.centre(box, room);
    this.redraw();
  }

  /** Open what is closed around an item; whether anything was. */
  uncover(item) {
    if (this.standing.mask !== null && item < this.graph.count && !this.standing.mask[item]) this.showEverything();
    if (!this.standing.reveal(item)) return false;
    this.relayout();
    return true;
  }

  /** Select an item, whatever is closed around it, and bring it to the middle. */
  go(item) {
    this.uncover(item);
    this.select(item);
    const box = this.scene.boxes.get(item);
    if (box) this.camera.centre(box, this.room);
    this.redraw();
  }

  toggle(item) {
    const group = this.standing.groupOf(item);
    this.standing.reveal(item);
    this.standing.open[group] ^= 1;
    this.relayout(item);
    this.select(item);
  }

  openTo(depth) {
    this.standing.openTo(depth);
    this.relayout();
    this.start();
  }

  start() {
    this.camera.start(this.scene, this.room);
    this.redraw();
  }

  fit() {
    this.camera.fit(this.scene, this.room);
    this.redraw();
  }

  zoom(factor, x, y) {
    this.camera.zoom(factor, x, y);
    this.redraw();
  }

  onlyPaths(row) {
    this.path = row;
    this.standing.mask = row === null ? null : rowsFrom(this.graph, row);
    at("path").value = row === null ? "" : String(row);
    at("all").hidden = row === null;
    this.relayout();
    this.select(this.selected);
    this.start();
  }

  showEverything() {
    this.path = null;
    this.standing.mask = null;
    at("path").value = "";
    at("all").hidden = true;
    this.relayout();
  }

  colourBy(colour) {
    this.colour = colour;
    this.scale = scaleOf(this.graph, [...this.scene.texts.keys()], colour);
    showLegend(at("legend"), this.scale);
    this.redraw();
  }

  search(text) {
    this.hitList = text.trim() ? found(this.graph, text) : [];
    this.hitAt = -1;
    this.mark();
    at("hits").textContent = text.trim() ? (this.hitList.length ? countText(this.hitList.length, "match", "matches") : "no match") : "";
    this.redraw();
  }

  nextHit(direction) {
    const { length } = this.hitList;
    if (length === 0) return;
    this.hitAt = this.hitAt < 0 ? (direction > 0 ? 0 : length - 1) : (this.hitAt + direction + length) % length;
    this.go(this.hitList[this.hitAt]);
    at("hits").textContent = `${(this.hitAt + 1).toLocaleString("en")} of ${length.toLocaleString("en")}`;
  }

  clear() {
    if (this.stepping) this.steps.end();
    else if (this.selected !== null) this.select(null);
    else at("search").value = "";
    if (at("search").value === "") this.search("");
  }
}

function fillChoices(page) {
  const { graph, standing } = page;
  const counts = standing.boxesAtDepths(MOST_BOXES);
  counts.forEach((boxes, depth) => {
    if (boxes <= MOST_BOXES) at("depth").append(element("option", { value: String(depth), text: `${depth === 0 ? "closed" : `depth ${depth}`}: ${countText(boxes, "box", "boxes")}` }));
  });
  at("depth").hidden = standing.deepest === 0;
  let leaves = 0;
  for (let row = 0; row < graph.count && leaves < MOST_PATHS; row++) {
    if (graph.kind[row] !== KINDS.leaf) continue;
    leaves++;
    at("path").append(element("option", { value: String(row), text: clipped(titleOf(graph, row), 48) }));
  }
  at("path").hidden = leaves < 2;
  return counts;
}

function firstDepth(view, counts) {
  const deepest = counts.reduce((most, boxes, each) => (boxes <= MOST_BOXES ? each : most), 0);
  if (view.depth !== null) return Math.min(view.depth, deepest);
  let depth = 0;
  counts.forEach((boxes, each) => {
    if (boxes <= FIRST_PAGE) depth = each;
  });
  return depth;
}

function listen(page) {
  const { canvas } = page;
  listenToPointer(canvas, page);
  listenToKeys(canvas, at("search"), page);
  listenToOutline(at("outline"), page);
  at("search").addEventListener("input", (event) => page.search(event.target.value));
  at("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter") page.nextHit(event.shiftKey ? -1 : 1);
  });
  at("next").addEventListener("click", () => page.nextHit(1));
  at("previous").addEventListener("click", () => page.nextHit(-1));
  at("depth").addEventListener("change", (event) => page.openTo(Number(event.target.value)));
  at("colour").addEventListener("change", (event) => page.colourBy(event.target.value));
  at("path").addEventListener("change", (event) => page.onlyPaths(event.target.value === "" ? null : Number(event.target.value)));
  at("all").addEventListener("click", () => page.onlyPaths(null));
  const middle = () => [canvas.clientWidth / 2, canvas.clientHeight / 2];
  at("in").addEventListener("click", () => page.zoom(1.25, ...middle()));
  at("out").addEventListener("click", () => page.zoom(0.8, ...middle()));
  at("fit").addEventListener("click", () => page.fit());
  new ResizeObserver(() => page.paint()).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    page.theme = themeOf(document.documentElement);
    page.redraw();
  });
  listenToPrint(page);
}

// On paper the whole of what is open, with the room that the paper has, sharper than a screen.
function listenToPrint(page) {
  let kept = null;
  window.addEventListener("beforeprint", () => {
    kept = { ...page.camera };
    page.fit();
    page.theme = themeOf(document.documentElement);
    page.paint(3);
  });
  window.addEventListener("afterprint", () => {
    Object.assign(page.camera, kept);
    page.theme = themeOf(document.documentElement);
    page.paint();
  });
}

const page = new Page(readGraph(JSON.parse(at("data").textContent)));
at("title").textContent = page.graph.target || "autograd graph";
at("figures").textContent = [countText(page.graph.nodes, "node"), page.graph.backward && `${page.graph.call} at ${page.graph.backward}`].filter(Boolean).join(" · ");
page.standing.fold = page.graph.view.fold;
const counts = fillChoices(page);
page.standing.openTo(firstDepth(page.graph.view, counts));
at("depth").value = String(Math.min(firstDepth(page.graph.view, counts), counts.length - 1));
at("colour").value = page.colour;
page.relayout();
page.steps = listenToSteps(at("steps"), at("listing"), page);
listen(page);
if (page.graph.view.path !== null) page.onlyPaths(page.graph.view.path);
page.select(null);
page.start();
page.paint();
// for the console of the browser, and for tests
window.gradscope = page;
