// The memory of the run over time: areas by kind, phases behind them, and a read-out of one moment.

import { swatch } from "./kinds.js";
import { linear, ticks } from "../page_parts/axes.js";
import { drawSizes } from "./scales.js";
import { element, section, shape } from "../page_parts/elements.js";
import { secondsText, sizeText } from "./words.js";

const HEIGHT = 320;
const LEFT = 70;
const RIGHT = 12;
const TOP = 26;
const BOTTOM = 26;

/** The chart of a curve, drawn anew for every width. */
export class Curve {
  constructor(data) {
    this.data = data;
    this.svg = document.getElementById("curve");
    this.told = document.getElementById("moment");
    const { at, kinds } = data.curve;
    this.totals = at.map((_, index) => kinds.reduce((sum, sizes) => sum + sizes[index], 0));
    this.shown = data.kinds.map((_, n) => n).filter((n) => kinds[n].some((size) => size > 0));
    this.peak = this.totals.indexOf(Math.max(...this.totals));
    this.most = Math.max(this.totals[this.peak], data.plan?.budget ?? 0) * 1.04;
    this.at = this.peak;
    section("time");
    this.draw();
    this.listen();
    this.show(this.peak);
  }

  get width() {
    return Math.max(320, this.svg.clientWidth);
  }

  draw() {
    const { svg, data } = this;
    const { at } = data.curve;
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.x = linear([at[0], at.at(-1)], [LEFT, this.width - RIGHT]);
    this.y = linear([0, this.most], [HEIGHT - BOTTOM, TOP]);
    this.drawPhases();
    drawSizes(svg, this.y, this.most, LEFT, this.width - RIGHT);
    this.drawAreas();
    this.drawTime();
    this.drawBudget();
    this.drawPeak();
    this.rule = shape("line", { class: "rule", y1: TOP, y2: HEIGHT - BOTTOM });
    svg.append(this.rule);
  }

  drawPhases() {
    const { at, phases } = this.data.curve;
    for (const [name, first, last] of phases) {
      const [from, to] = [this.x(at[first]), this.x(at[Math.min(last + 1, at.length - 1)])];
      const box = shape("rect", { x: from, y: TOP, width: Math.max(0, to - from), height: HEIGHT - TOP - BOTTOM, "data-phase": name });
      box.style.fill = `var(--${name})`;
      this.svg.append(box);
      if (to - from > 7 * name.length) this.svg.append(shape("text", { x: from + 4, y: TOP - 8 }, name));
    }
  }

  drawAreas() {
    const { at, kinds } = this.data.curve;
    const below = new Array(at.length).fill(0);
    for (const index of this.shown) {
      const lower = at.map((place, n) => `${this.x(place).toFixed(1)},${this.y(below[n]).toFixed(1)}`);
      kinds[index].forEach((size, n) => (below[n] += size));
      const upper = at.map((place, n) => `${this.x(place).toFixed(1)},${this.y(below[n]).toFixed(1)}`);
      const [key] = this.data.kinds[index];
      const area = shape("path", { d: `M${upper.join("L")}L${lower.reverse().join("L")}Z`, "data-kind": key });
      area.style.fill = `var(--${key})`;
      this.svg.append(area);
      this.top = upper;
    }
    if (this.top) this.svg.append(shape("path", { class: "top", d: `M${this.top.join("L")}` }));
  }

  drawTime() {
    const { at, timed } = this.data.curve;
    if (!timed) return; // on fake tensors no op takes the time that it would
    const span = at.at(-1) - at[0];
    for (const value of ticks(span, Math.max(2, this.width / 110))) {
      const label = secondsText(value);
      const place = this.x(at[0] + value);
      const anchor = place > this.width - 40 ? "end" : "middle";
      this.svg.append(shape("text", { x: place, y: HEIGHT - 8, "text-anchor": value ? anchor : "start" }, value ? label : "0"));
    }
  }

  drawBudget() {
    const budget = this.data.plan?.budget;
    if (!budget) return;
    const y = this.y(budget);
    this.svg.append(shape("line", { class: "budget", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }));
    const isRight = this.x(this.data.curve.at[this.peak]) < this.width * 0.6; // not below the peak's name
    const place = isRight ? { x: this.width - RIGHT - 4, "text-anchor": "end" } : { x: LEFT + 6 };
    this.svg.append(shape("text", { class: "budget-name", y: y - 5, ...place }, `budget ${sizeText(budget)}`));
  }

  drawPeak() {
    const [x, y] = [this.x(this.data.curve.at[this.peak]), this.y(this.totals[this.peak])];
    this.svg.append(shape("circle", { class: "peak", cx: x, cy: y, r: 5 }));
    const beside = x > this.width - 130;
    const attributes = { class: "peak-name", x: x + (beside ? -10 : 10), y: y + 4, "text-anchor": beside ? "end" : "start" };
    this.svg.append(shape("text", attributes, `peak ${sizeText(this.totals[this.peak])}`));
  }

  listen() {
    const { svg } = this;
    svg.addEventListener("pointermove", (event) => {
      const place = event.clientX - svg.getBoundingClientRect().left;
      this.show(this.nearest(this.x.back((place * this.width) / svg.clientWidth)));
    });
    svg.addEventListener("pointerleave", () => this.show(this.peak));
    svg.addEventListener("keydown", (event) => {
      const last = this.totals.length - 1;
      const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: this.peak, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.show(Math.max(0, Math.min(last, to)));
    });
    new ResizeObserver(() => {
      this.draw();
      this.show(this.at);
    }).observe(svg);
  }

  /** The index of the moment that is nearest to a place of the axis. */
  nearest(place) {
    const { at } = this.data.curve;
    let [low, high] = [0, at.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at[middle] <= place) low = middle;
      else high = middle;
    }
    return place - at[low] <= at[high] - place ? low : high;
  }

  /** Read out one moment. */
  show(index) {
    this.at = index;
    const { at, timed, kinds, phases } = this.data.curve;
    const x = this.x(at[index]);
    this.rule.setAttribute("x1", x);
    this.rule.setAttribute("x2", x);
    const phase = phases.find(([, first, last]) => first <= index && index <= last)?.[0] ?? "";
    const rows = this.shown.map((n) => {
      const [[key, name], size] = [this.data.kinds[n], kinds[n][index]];
      return element("div", { className: size ? "row" : "row none" }, [element("span", {}, [swatch(key), name]), element("span", { text: sizeText(size) })]);
    });
    const when = element("div", { className: "head" }, [
      element("span", { text: index === this.peak ? `${phase}, the peak` : phase }),
      element("span", { text: timed ? secondsText(at[index] - at[0]) : "" }),
    ]);
    const total = element("div", { className: "row total" }, [element("span", { text: "together" }), element("span", { text: sizeText(this.totals[index]) })]);
    this.told.replaceChildren(when, ...rows.reverse(), total);
  }
}
