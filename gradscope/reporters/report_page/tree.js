// The modules and parameters with their gradients: a tree whose rows are made when they are opened.

import { element } from "../page_parts/elements.js";

const OPEN_ROWS = 48; // at first, level by level

/** The tree, and buttons that open and close all of it. */
export function treeOf({ heads, roots, scale }) {
  const body = element("tbody");
  const opened = openedOf(roots);
  const rows = roots.map((node) => new Row(node, 0, body, null, opened, heads.length));
  const columns = ["module", "", "parameters", ...heads, ""].map((text, index) => element("th", { text, scope: "col", className: index > 1 && index < heads.length + 3 ? "number-cell" : "" }));
  const table = element("table", { className: "tree", role: "treegrid" }, [element("thead", {}, [element("tr", {}, columns)]), body]);
  table.addEventListener("keydown", moveByArrows);
  const framed = element("div", { className: "scroll", tabindex: 0, role: "region", "aria-label": "Modules and parameters" }, [table]);
  const all = (text, isOpen) => {
    const button = element("button", { type: "button", text });
    button.addEventListener("click", () => rows.forEach((row) => row.setAll(isOpen)));
    return button;
  };
  const buttons = roots.some((node) => node.below) ? [all("Open all", true), all("Close all", false)] : [];
  const bar = element("div", { className: "filter" }, [...buttons, element("span", { className: "faint", text: scale })]);
  return [...(buttons.length || scale ? [bar] : []), framed];
}

/** The nodes that are open at first: whole levels, as long as they fit. */
function openedOf(roots) {
  const opened = new Set();
  let [level, count] = [roots, roots.length];
  for (;;) {
    const inner = level.filter((node) => node.below);
    count += inner.reduce((sum, node) => sum + node.below.length, 0);
    if (!inner.length || count > OPEN_ROWS) return opened;
    for (const node of inner) opened.add(node);
    level = inner.flatMap((node) => node.below);
  }
}

/** Right opens, left closes, up and down go from one that opens to the next. */
function moveByArrows(event) {
  const twist = event.target;
  const row = twist.closest("tr");
  if (!row || !twist.classList.contains("twist")) return;
  const isOpen = row.getAttribute("aria-expanded") === "true";
  const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
  if (event.key === (isOpen ? "ArrowLeft" : "ArrowRight")) twist.click();
  else if (!step) return;
  event.preventDefault();
  let next = step ? row[step] : null;
  while (next && (next.hidden || next.querySelector(".twist").disabled)) next = next[step];
  next?.querySelector(".twist").focus();
}

class Row {
  constructor(node, depth, body, after, opened, columns) {
    Object.assign(this, { node, depth, body, opened, columns });
    this.below = null; // rows, once they were opened
    this.isOpen = false;
    this.row = this.made();
    if (after) after.after(this.row);
    else body.append(this.row);
    if (opened.has(node)) this.set(true);
  }

  made() {
    const { node } = this;
    this.twist = element("button", { className: "twist", type: "button" });
    this.twist.disabled = !node.below;
    this.twist.addEventListener("click", () => this.set(!this.isOpen));
    const kind = node.kind ? [element("span", { className: "faint kind", text: node.kind })] : [];
    const name = element("td", { className: "name" }, [this.twist, element("span", { className: "mono", text: node.name }), ...kind]);
    name.style.paddingLeft = `${16 * this.depth}px`;
    const track = element("span", { className: "track" }, [element("i")]);
    track.firstChild.style.width = `${100 * (node.bar ?? 0)}%`;
    const numbers = Array.from({ length: this.columns }, (_, index) => element("td", { className: "number-cell mono", text: node.numbers?.[index] ?? "" }));
    const cells = [name, element("td", { className: "wide" }, node.bar ? [track] : []), element("td", { className: "number-cell mono", text: node.size }), ...numbers, element("td", { className: `remark ${node.tone ?? ""}`, text: node.remark ?? "" })];
    const row = element("tr", { "aria-level": this.depth + 1, title: node.hint ?? "" }, cells);
    this.row = row;
    this.label();
    return row;
  }

  label() {
    this.twist.textContent = this.node.below ? (this.isOpen ? "▾" : "▸") : "";
    this.twist.setAttribute("aria-label", `${this.isOpen ? "Close" : "Open"} ${this.node.name}`);
    if (this.node.below) this.row.setAttribute("aria-expanded", String(this.isOpen));
  }

  /** The last row of what is shown of this node. */
  get last() {
    return this.below?.length ? this.below.at(-1).last : this.row;
  }

  set(isOpen) {
    if (!this.node.below) return;
    this.isOpen = isOpen;
    if (isOpen && !this.below) {
      this.below = [];
      let after = this.row;
      for (const node of this.node.below) {
        const row = new Row(node, this.depth + 1, this.body, after, this.opened, this.columns);
        this.below.push(row);
        after = row.last;
      }
    }
    for (const row of this.below ?? []) row.show(isOpen);
    this.label();
  }

  show(isShown) {
    this.row.hidden = !isShown;
    for (const row of this.below ?? []) row.show(isShown && this.isOpen);
  }

  setAll(isOpen) {
    this.set(isOpen);
    for (const row of this.below ?? []) {
      row.setAll(isOpen);
      if (!isOpen) row.show(false);
    }
  }
}
