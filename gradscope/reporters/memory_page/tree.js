// The modules by what they save: a tree that opens and closes.

import { element, section } from "../page_parts/elements.js";
import { shareText, sizeText } from "./words.js";

const OPEN_SHARE = 0.2; // share of the whole from which on a module is open at first
const LEAST_SHARE = 0.004; // share below which a module does not get a sliver of a bar

/** Show the tree, if modules are known. */
export function showModules(data) {
  if (!data.modules.length) return;
  const whole = data.modules.reduce((sum, row) => sum + row.saved, 0);
  const body = element("tbody");
  for (const row of data.modules) addRow(body, row, 0, whole);
  const head = element("tr", {}, ["module", "", "saved", "", "by its own ops"].map((text, index) => element("th", { text, className: index > 1 ? "number-cell" : "" })));
  section("modules").append(element("table", { className: "tree", role: "treegrid" }, [element("thead", {}, [head]), body]));
}

/** Append a row and what is below it; returns what shows or hides them all. */
function addRow(body, module, depth, whole) {
  const twist = element("button", { className: "twist", type: "button" });
  const name = element("td", { className: "name" }, [twist, element("span", { className: "mono", text: module.name }), element("span", { className: "faint", text: `  ${classText(module)}` })]);
  name.style.paddingLeft = `${18 * depth}px`;
  const row = element("tr", { role: "row", "aria-level": depth + 1 }, [
    name,
    element("td", { className: "wide" }, [savedBar(module.saved, whole)]),
    element("td", { className: "number-cell", text: sizeText(module.saved) }),
    element("td", { className: "number-cell faint", text: shareText(module.saved, whole) }),
    element("td", { className: "number-cell faint", text: module.below.length && module.own ? sizeText(module.own) : "" }),
  ]);
  body.append(row);
  let isOpen = module.below.length > 0 && (depth === 0 || module.saved >= OPEN_SHARE * whole);
  const inside = module.below.map((each) => addRow(body, each, depth + 1, whole));
  const refresh = (isShown) => {
    row.hidden = !isShown;
    for (const show of inside) show(isShown && isOpen);
    twist.textContent = module.below.length ? (isOpen ? "▾" : "▸") : "";
    twist.disabled = !module.below.length;
    if (module.below.length) row.setAttribute("aria-expanded", String(isOpen));
    twist.setAttribute("aria-label", `${isOpen ? "Close" : "Open"} ${module.name}`);
  };
  twist.addEventListener("click", () => {
    isOpen = !isOpen;
    refresh(true);
  });
  if (depth === 0) refresh(true);
  return refresh;
}

function classText({ name: own, class: name, count, least, most }) {
  if (count <= 1) return name === own ? "" : name;
  const each = least === most ? sizeText(most) : `${sizeText(least)} to ${sizeText(most)}`;
  return `${count} x ${name}, ${each} each`;
}

function savedBar(size, whole) {
  const track = element("div", { className: "track" });
  const part = element("i", { className: "kept" });
  part.style.width = `${size >= LEAST_SHARE * whole ? (100 * size) / whole : 0}%`;
  track.append(part);
  return track;
}
