// The modules as a list that can be walked with the keyboard, and read aloud.

import { shortName } from "./graph.js";
import { countText, element } from "../../page_parts/elements.js";

const MOST_LISTED = 300; // children of one group that are listed

/** Fill the outline with the groups that are open or stand in open ones. */
export function showOutline(place, page) {
  const { graph, standing } = page;
  const focused = document.activeElement?.closest?.("[data-group]")?.dataset.group;
  const rows = [];
  const stack = standing.children[0].slice().reverse();
  while (stack.length) {
    const group = stack.pop();
    if (group < 0) {
      rows.push(element("div", { className: "faint more", text: `and ${countText(-group, "more group")}` }));
      continue;
    }
    rows.push(rowOf(page, group));
    if (!standing.open[group]) continue;
    const children = standing.children[group];
    if (children.length > MOST_LISTED) stack.push(MOST_LISTED - children.length);
    for (let index = Math.min(MOST_LISTED, children.length) - 1; index >= 0; index--) stack.push(children[index]);
  }
  place.replaceChildren(...rows);
  const again = focused && place.querySelector(`[data-group="${focused}"]`);
  const current = again ?? place.querySelector("[aria-selected=true]") ?? place.firstElementChild;
  if (current?.dataset?.group) current.tabIndex = 0;
  if (again) again.focus();
  place.parentElement.hidden = graph.groups.length < 2;
}

function rowOf(page, group) {
  const { graph, standing } = page;
  const { class: kind, size } = graph.groups[group];
  const item = standing.itemOf(group);
  const open = standing.open[group] === 1;
  const row = element(
    "div",
    { role: "treeitem", tabindex: "-1", "aria-expanded": String(open), "aria-level": String(standing.depth[group]), "aria-selected": String(page.selected === item), "data-group": String(group) },
    [element("span", { className: "twist", text: open ? "▾" : "▸", "aria-hidden": "true" }), element("span", { className: "name", text: shortName(graph.groups[group]) }), element("span", { className: "faint", text: ` ${kind || ""} ${size.toLocaleString("en")}` })],
  );
  row.style.paddingInlineStart = `${(standing.depth[group] - 1) * 12 + 4}px`;
  return row;
}

/** Clicks and keys of the outline. */
export function listenToOutline(place, page) {
  const itemOf = (row) => page.standing.itemOf(Number(row.dataset.group));
  place.addEventListener("click", (event) => {
    const row = event.target.closest("[data-group]");
    if (!row) return;
    if (event.target.className === "twist") page.toggle(itemOf(row));
    else page.go(itemOf(row));
  });
  place.addEventListener("keydown", (event) => {
    const row = event.target.closest("[data-group]");
    if (!row) return;
    const open = row.getAttribute("aria-expanded") === "true";
    const acts = {
      ArrowDown: () => step(row, "nextElementSibling"),
      ArrowUp: () => step(row, "previousElementSibling"),
      ArrowRight: () => (open ? step(row, "nextElementSibling") : page.toggle(itemOf(row))),
      ArrowLeft: () => (open ? page.toggle(itemOf(row)) : outwards(place, row)),
      Enter: () => page.go(itemOf(row)),
      " ": () => page.toggle(itemOf(row)),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });
}

function step(row, direction) {
  const next = row[direction];
  if (!next?.dataset?.group) return;
  row.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

function outwards(place, row) {
  const level = Number(row.getAttribute("aria-level"));
  for (let each = row.previousElementSibling; each; each = each.previousElementSibling) {
    if (Number(each.getAttribute("aria-level")) < level) {
      row.tabIndex = -1;
      each.tabIndex = 0;
      each.focus();
      return;
    }
  }
}
