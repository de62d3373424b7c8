// The ways of checkpointing beside each other, what each does with the blocks, and the plan.

import { element, section } from "../page_parts/elements.js";
import { shareText, sizeText } from "./words.js";

const GRADIENTS = {
  reference: ["reference", ""],
  identical: ["identical", "good"],
  different: ["differ", "bad"],
  "not reproducible": ["vary", "warn"],
  "not compared": ["", ""],
};
const USUAL = ["plain", "recomputed", "matmuls kept"]; // always in the same colours
const VARY = "vary: two plain steps already differ, so gradients cannot be compared";

/** The table and what stands below it. */
export class Strategies {
  constructor(data) {
    this.data = data;
    const { strategies, plan, notCompared } = data;
    if (!strategies.length && !plan && !notCompared) return;
    const place = section("checkpointing");
    if (strategies.length) place.append(this.table(), this.reserveStrip());
    place.append(...this.notes());
    const first = strategies.findIndex((each) => each.isAdvised);
    if (strategies.length) this.select(Math.max(0, first));
  }

  table() {
    const { strategies, plan } = this.data;
    this.most = Math.max(1, plan?.budget ?? 0, ...strategies.map((each) => each.peak ?? 0)) * 1.02;
    const plain = strategies.find((each) => each.isPlain);
    const times = strategies.some((each) => each.time !== null);
    const compared = strategies.some((each) => GRADIENTS[each.gradients][0]);
    const numbers = ["peak", "", "saved", "", "step", "recomputed"].slice(0, times ? 6 : 4);
    const heads = [element("th"), element("th", { className: "key" }, this.legend()), ...numbers.map((text) => element("th", { text, className: "number-cell" }))];
    if (compared) heads.push(element("th", { text: "gradients" }));
    this.rows = strategies.map((each, index) => this.row(each, index, plain, times, compared, heads.length));
    const head = element("tr", {}, heads);
    return element("table", {}, [element("thead", {}, [head]), element("tbody", {}, this.rows)]);
  }

  row(each, index, plain, times, compared, columns) {
    const name = element("td", { text: each.name });
    if (each.isAdvised) name.append(element("span", { className: "tag good", text: "recommended" }));
    const cells = [name];
    if (each.failure) cells.push(element("td", { className: "warn", text: each.failure, colspan: columns - 1 }));
    else cells.push(element("td", { className: "wide" }, [this.bar(each)]), ...this.numbers(each, plain, times, compared));
    const row = element("tr", { className: "choice", tabindex: 0, "aria-selected": "false" }, cells);
    row.addEventListener("click", () => this.select(index));
    row.addEventListener("keydown", (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), this.select(index)));
    return row;
  }

  numbers(each, plain, times, compared) {
    const cell = (text, className = "number-cell") => element("td", { text, className });
    const share = (part, whole) => (each.isPlain || part === null || !whole ? "" : shareText(part, whole));
    const found = [
      cell(sizeText(each.peak)),
      cell(share(each.peak, plain?.peak), "number-cell faint"),
      cell(sizeText(each.saved)),
      cell(share(each.saved, plain?.saved), "number-cell faint"),
    ];
    if (times) {
      found.push(cell(each.time === null ? "" : `${each.time.toFixed(2)}x`));
      found.push(cell(each.recomputed === null ? "" : `${Math.round(100 * each.recomputed)}%`));
    }
    const [word, colour] = GRADIENTS[each.gradients];
    if (compared) found.push(cell(word, colour));
    return found;
  }

  /** What the colours of the bars mean. */
  legend() {
    const part = (className, text) => element("span", {}, [element("i", { className: `swatch ${className}` }), text]);
    const parts = [part("kept", "saved at the end of the forward"), part("all", "the rest of the peak")];
    return this.data.plan ? [...parts, element("span", { className: "bad", text: `┆ budget ${sizeText(this.data.plan.budget)}` })] : parts;
  }

  bar(each) {
    const track = element("div", { className: "track", title: `peak ${sizeText(each.peak)}, of it saved ${sizeText(each.saved)}` });
    for (const [className, size] of [["all", each.peak], ["kept", each.saved]]) {
      if (size === null) continue;
      const part = element("i", { className });
      part.style.width = `${(100 * Math.min(size, this.most)) / this.most}%`;
      track.append(part);
    }
    const budget = this.data.plan?.budget;
    if (budget) {
      const limit = element("i", { className: "limit", title: `budget ${sizeText(budget)}` });
      limit.style.left = `${(100 * budget) / this.most}%`;
      track.append(limit);
    }
    return track;
  }

  reserveStrip() {
    this.below = element("div", { className: "below", "aria-live": "polite" });
    return this.below;
  }

  /** Show what one strategy does with each block. */
  select(index) {
    this.selected = index;
    this.rows.forEach((row, at) => row.setAttribute("aria-selected", String(at === index)));
    const each = this.data.strategies[index];
    const told = [...this.strip(each)];
    if (each.different.length) {
      const by = each.difference === null ? "" : ` by up to ${each.difference.toPrecision(2)} of their size`;
      const names = each.different.slice(0, 6).join(", ") + (each.different.length > 6 ? ` and ${each.different.length - 6} more` : "");
      told.push(element("p", { className: "bad", text: `gradients differ${by}: ${names}` }));
    }
    if (each.predictedPeak !== null && each.predictedPeak !== each.peak) {
      const time = each.predictedTime === null ? "" : ` and ${each.predictedTime.toFixed(2)}x`;
      told.push(element("p", { className: "faint", text: `predicted: ${sizeText(each.predictedPeak)}${time}` }));
    }
    if (each.reserved !== null) told.push(element("p", { className: "faint", text: `reserved by the allocator: ${sizeText(each.reserved)}` }));
    this.below.replaceChildren(...told);
  }

  strip(each) {
    const { blocks } = this.data;
    if (!blocks.length || each.choices.length !== blocks.length) return [];
    const options = [...new Set([...USUAL, ...each.choices])];
    const classOf = (option) => (option === "plain" ? "option-plain" : `option-${(options.indexOf(option) - 1) % 4}`);
    const cells = each.choices.map((option, at) => element("i", { className: classOf(option), title: `${blocks[at].path} (${blocks[at].class}): ${option}, saves ${sizeText(blocks[at].saved)}` }));
    const counts = new Map();
    for (const option of each.choices) counts.set(option, (counts.get(option) ?? 0) + 1);
    const legend = [...counts].map(([option, count]) => element("span", {}, [element("i", { className: `swatch ${classOf(option)}` }), `${option}: ${count}`]));
    return [
      element("p", { text: `${each.name}: ${blocks.length} blocks, ${blocks[0].path} to ${blocks.at(-1).path}` }),
      element("div", { className: "strip", role: "img", "aria-label": "What is done with each block" }, cells),
      element("div", { className: "legend" }, legend),
    ];
  }

  notes() {
    const { strategies, plan, notCompared, blocks, fake } = this.data;
    const told = [];
    const say = (text, className = "") => told.push(element("p", { text, className }));
    if (plan && !plan.fits) {
      say(`No plan fits in ${sizeText(plan.budget)}: the least that checkpointing reaches is ${sizeText(plan.floor)}.`, "warn");
      if (plan.floorKinds.length) say(`of it ${plan.floorKinds.map(([name, size]) => `${name} ${sizeText(size)}`).join(", ")}`);
    }
    const reasons = new Map();
    for (const { path, reason } of blocks) if (reason) reasons.set(reason, [...(reasons.get(reason) ?? []), path]);
    for (const [reason, paths] of reasons) say(`left out: ${paths.slice(0, 8).join(", ")}${paths.length > 8 ? " ..." : ""}: ${reason}`);
    if (strategies.some((each) => each.gradients === "not reproducible")) say(VARY, "faint");
    if (fake && strategies.length) say("On fake tensors nothing was computed: step is an estimate, by operations and bytes moved.", "faint");
    if (plan?.assumptions.length) say(`assumes: ${plan.assumptions.join("; ")}`, "faint");
    if (notCompared) say(`not compared: ${notCompared}`);
    return told;
  }
}
