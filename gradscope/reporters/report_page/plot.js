// Curves over names in order or over numbers, with a read-out of the place below the pointer.

import { linear, roundStep } from "../page_parts/axes.js";
import { element, shape } from "../page_parts/elements.js";
import { valueText } from "./numbers.js";

const HEIGHT = 260;
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 14, 12, 40];
const EDGE = 12; // room for marks of what has no place on the axis
const FEW_POINTS = 80; // up to which each point of a line is a dot too
const NAME_LETTERS = 7; // pixels of a letter

const SPELLED = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const read = (value) => (value === null ? null : (SPELLED[value] ?? value));

/** One plot, drawn anew for every width. */
export class Plot {
  constructor(plot) {
    this.plot = plot;
    this.curves = plot.curves.map((curve) => ({ ...curve, y: curve.y.map(read) }));
    this.count = this.curves[0].y.length;
    this.places = plot.x.length ? plot.x.map(read) : Array.from({ length: this.count }, (_, index) => index);
    this.at = null;
    this.svg = shape("svg", { class: "plot", tabindex: 0, role: "img", "aria-label": `${plot.title}. Arrow keys go from point to point.` });
    this.told = element("p", { className: "told", role: "status" });
    this.missing = plot.missing ? this.places.map((_, at) => at).filter((at) => this.curves.every(({ y }) => y[at] === null)) : [];
    const keys = this.curves.map(({ label, dots }, index) => key(dots ? shape("circle", { cx: 11, cy: 5, r: 3.5 }) : shape("line", { x1: 0, x2: 22, y1: 5, y2: 5 }), `curve-${index}`, label));
    if (this.missing.length) keys.push(key(shape("line", { x1: 11, x2: 11, y1: 1, y2: 10 }), "missing", plot.missing));
    const head = element("div", { className: "legend" }, keys);
    const note = plot.note && this.hasOutside() ? [element("p", { className: "faint", text: plot.note })] : [];
    this.figure = element("figure", { className: "chart" }, [element("figcaption", { text: plot.title }), head, this.svg, this.told, ...note]);
    this.listen();
  }

  /** Whether a value has no place between the ends of the axis. */
  outside(value) {
    return value !== null && (!Number.isFinite(value) || (this.plot.logY && value <= 0));
  }

  hasOutside() {
    return this.curves.some(({ y }) => y.some((value) => this.outside(value)));
  }

  draw() {
    const { svg, plot } = this;
    this.width = Math.max(260, svg.clientWidth || 600);
    svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    svg.replaceChildren();
    this.x = axis(this.places, plot.logX, [LEFT + 6, this.width - RIGHT - 6]);
    const values = this.curves.flatMap(({ y }) => y.filter((value) => value !== null && !this.outside(value)));
    this.y = axis(values, plot.logY, [HEIGHT - BOTTOM - EDGE, TOP + EDGE], true);
    this.drawAxes();
    for (const at of this.missing) svg.append(shape("line", { class: "missing", x1: this.x(at), x2: this.x(at), y1: HEIGHT - BOTTOM - 8, y2: HEIGHT - BOTTOM }));
    this.curves.forEach((curve, index) => this.drawCurve(curve, index));
    this.rule = shape("line", { class: "rule", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    svg.append(this.rule);
    this.show(this.at);
  }

  drawAxes() {
    const { svg, plot, y, x } = this;
    const floor = HEIGHT - BOTTOM;
    for (const [value, text] of y.ticks(6)) {
      svg.append(shape("line", { class: "axis", x1: LEFT, x2: this.width - RIGHT, y1: y(value), y2: y(value) }));
      svg.append(shape("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, text));
    }
    svg.append(shape("line", { class: "floor", x1: LEFT, x2: this.width - RIGHT, y1: floor, y2: floor }));
    if (plot.names.length) this.drawEnds(floor);
    else {
      for (const [value, text] of x.ticks(Math.max(2, this.width / 90))) {
        svg.append(shape("line", { class: "floor", x1: x(value), x2: x(value), y1: floor, y2: floor + 4 }));
        svg.append(shape("text", { x: x(value), y: floor + 16, "text-anchor": "middle" }, text));
      }
    }
    svg.append(shape("text", { x: (LEFT + this.width - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, fitting(plot.xLabel, this.width - 80)));
    svg.append(shape("text", { class: "upright", x: -(HEIGHT - BOTTOM + TOP) / 2, y: 11, "text-anchor": "middle", transform: "rotate(-90)" }, plot.yLabel));
  }

  /** The first and the last name, at their places. */
  drawEnds(floor) {
    const { names } = this.plot;
    const room = (this.width - LEFT - RIGHT) / 2 - 12;
    this.svg.append(shape("text", { x: LEFT, y: floor + 16 }, fitting(names[0], room)));
    if (names.length > 1) this.svg.append(shape("text", { x: this.width - RIGHT, y: floor + 16, "text-anchor": "end" }, fitting(names.at(-1), room)));
  }

  drawCurve({ y, dots }, index) {
    const line = [];
    let isOn = false;
    y.forEach((value, at) => {
      if (value === null || this.outside(value) || this.places[at] === null) {
        isOn = false;
        return;
      }
      line.push(`${isOn ? "L" : "M"}${this.x(this.places[at]).toFixed(1)},${this.y(value).toFixed(1)}`);
      isOn = true;
    });
    if (!dots) this.svg.append(shape("path", { class: `curve curve-${index}`, d: line.join("") }));
    y.forEach((value, at) => {
      if (value === null) return;
      const x = this.x(this.places[at]);
      if (this.outside(value)) this.svg.append(this.outsideMark(value, x, index));
      else if (dots || this.count <= FEW_POINTS) this.svg.append(shape("circle", { class: `dot curve-${index}`, cx: x, cy: this.y(value), r: dots ? 3 : 2.2 }));
    });
  }

  /** Zero and minus infinity lie at the lower end, NaN and infinity at the upper one. */
  outsideMark(value, x, index) {
    const isLow = value <= 0;
    const y = isLow ? HEIGHT - BOTTOM - 5 : TOP + 4;
    const text = value === 0 ? "0" : Number.isNaN(value) ? "NaN" : "Inf";
    const mark = shape("path", { class: `outside ${isLow ? "low" : "high"} curve-${index}`, d: isLow ? `M${x - 3},${y - 3}h6v6h-6z` : `M${x - 4},${y - 4}l8,8m0,-8l-8,8` });
    mark.append(shape("title", {}, text));
    return mark;
  }

  listen() {
    const { svg } = this;
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      this.show(this.nearest(((event.clientX - box.left) * this.width) / box.width));
    });
    svg.addEventListener("pointerleave", () => this.show(null));
    svg.addEventListener("keydown", (event) => {
      const from = this.at ?? (event.key === "ArrowLeft" ? this.count : -1);
      const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: this.count - 1, Escape: null }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.show(to === null ? null : Math.max(0, Math.min(this.count - 1, to)));
    });
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  nearest(x) {
    let [best, gap] = [0, Infinity];
    this.places.forEach((place, index) => {
      const off = place === null ? Infinity : Math.abs(this.x(place) - x);
      if (off < gap) [best, gap] = [index, off];
    });
    return best;
  }

  /** Read out one place; null for none. */
  show(index) {
    this.at = index;
    if (!this.rule) return;
    this.rule.setAttribute("visibility", index === null ? "hidden" : "visible");
    if (index === null) {
      this.told.textContent = "\u00a0";
      return;
    }
    const x = this.x(this.places[index]);
    this.rule.setAttribute("x1", x);
    this.rule.setAttribute("x2", x);
    const { names, xLabel } = this.plot;
    const values = this.curves.map(({ label, y }) => `${label} ${y[index] === null ? "none" : valueText(y[index])}`);
    const name = names.length ? names[index] : `${xLabel} ${valueText(this.places[index])}`;
    this.told.replaceChildren(element("span", { className: "mono", text: name }), `  ${values.join(" · ")}`);
  }
}

/** A sign of the legend with its label. */
function key(mark, className, label) {
  mark.setAttribute("class", className);
  const sign = shape("svg", { width: 22, height: 10, "aria-hidden": "true" });
  sign.append(mark);
  return element("span", {}, [sign, ` ${label}`]);
}

/** The beginning of a text that is too long for so many pixels. */
function fitting(text, room) {
  const most = Math.max(4, Math.floor(room / NAME_LETTERS));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** A scale with its ticks, logarithmic in whole powers of ten, else with a little room. */
function axis(values, isLog, range, room = false) {
  const known = values.filter((value) => Number.isFinite(value) && (!isLog || value > 0));
  let [low, high] = known.length ? known.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]) : isLog ? [1, 10] : [0, 1];
  if (isLog) [low, high] = [Math.log10(low), Math.log10(high)];
  if (isLog && room) [low, high] = [Math.floor(low), Math.ceil(high)];
  if (low === high) [low, high] = isLog ? [low - 1, high + 1] : [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
  const scale = linear([low, high], range);
  const placed = isLog ? (value) => scale(Math.log10(value)) : scale;
  placed.ticks = (count) => (isLog ? powers(low, high, count) : rounds(low, high, count));
  return placed;
}

function powers(low, high, count) {
  const stride = Math.max(1, Math.ceil((high - low) / count));
  const found = [];
  for (let power = Math.ceil(low); power <= high; power += stride) found.push([10 ** power, `1e${power}`]);
  return found;
}

function rounds(low, high, count) {
  const step = roundStep((high - low) / count);
  const found = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + 1e-9 * step; index++) found.push([index * step, valueText(Number((index * step).toPrecision(4)))]);
  return found;
}
