// Lines, the largest tensors, and graphs that nobody used.

import { countText, element, section } from "../page_parts/elements.js";
import { shareText, sizeText } from "./words.js";

const NUMBERS = ["saved", "tensors", "bytes", "keeps", "nodes", "times"];
const FIRST = 12; // rows that are shown before all are asked for

function longTable(place, heads, items, rowOf) {
  const body = element("tbody", {}, items.slice(0, FIRST).map(rowOf));
  const head = element("tr", {}, heads.map((text) => element("th", { text, className: NUMBERS.includes(text) ? "number-cell" : "" })));
  place.append(element("table", {}, [element("thead", {}, [head]), body]));
  if (items.length <= FIRST) return;
  const more = element("button", { className: "more", type: "button", text: `Show all ${items.length.toLocaleString("en")}` });
  more.addEventListener("click", () => {
    body.append(...items.slice(FIRST).map(rowOf));
    more.remove();
  });
  place.append(more);
}

const cell = (text, className = "") => element("td", { text, className });

/** Saved bytes by line. */
export function showLines(data) {
  if (!data.lines.length) return;
  const whole = data.lines.reduce((sum, each) => sum + each.saved, 0);
  longTable(section("lines"), ["line", "saved", "", "tensors", ""], data.lines, (each) =>
    element("tr", {}, [
      element("td", { className: "place mono", text: each.at, title: each.at }),
      cell(sizeText(each.saved), "number-cell"),
      cell(shareText(each.saved, whole), "number-cell faint"),
      cell(each.tensors.toLocaleString("en"), "number-cell"),
      element("td", { className: "wide" }, [element("code", { text: each.source }), ...(each.source ? [element("br")] : []), element("span", { className: "faint", text: each.ops })]),
    ]),
  );
}

/** The largest saved tensors, with cheaper ways. */
export function showTensors(data) {
  if (!data.tensors.length) return;
  longTable(section("tensors"), ["bytes", "tensor", "kept by", "line", ""], data.tensors, (each) => {
    const modules = each.modules.slice(0, 3).join(", ") + (each.modules.length > 3 ? ` and ${each.modules.length - 3} more` : "");
    const told = element("td", { className: "wide" }, [element("span", { className: "faint", text: modules, title: each.modules.join("\n") })]);
    if (each.cheaper) told.append(element("p", { className: "cheaper", text: `${each.cheaperBy ? `${sizeText(each.cheaperBy)} less` : "cheaper"}: ${each.cheaper}` }));
    return element("tr", {}, [
      cell(sizeText(each.bytes), "number-cell"),
      cell(`${each.count > 1 ? `${each.count.toLocaleString("en")} x ` : ""}${each.dtype} ${each.shape}`, "tensor mono"),
      cell(`${each.name} of ${each.op}`),
      element("td", { className: "place mono", text: each.at, title: each.at }),
      told,
    ]);
  });
}

/** Graphs that no backward used. */
export function showUnused(data) {
  if (!data.unused.length) return;
  const place = section("unused");
  longTable(place, ["line", "keeps", "nodes", "times", ""], data.unused, (each) =>
    element("tr", {}, [
      element("td", { className: "place mono", text: each.at, title: each.at }),
      cell(sizeText(each.bytes), "number-cell"),
      cell(each.nodes.toLocaleString("en"), "number-cell"),
      cell(each.count.toLocaleString("en"), "number-cell"),
      element("td", { className: "wide" }, [element("code", { text: each.call })]),
    ]),
  );
  const what = data.unused.length === 1 ? "it" : "them";
  place.append(element("p", { className: "faint", text: `${countText(data.unused.length, "call")} built a graph that no backward used: wrap ${what} in torch.no_grad().` }));
}
