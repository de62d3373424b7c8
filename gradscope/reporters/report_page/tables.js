// Tables that scroll sideways in a frame of their own and do not wrap what is code.

import { element } from "../page_parts/elements.js";

const SHOWN_ROWS = 40; // before all are asked for

/** The table; the rows after the first ones when they are asked for. */
export function tableOf(whole, label) {
  const { heads, rows, numeric, code } = withoutEmpty(whole);
  const isWide = (column) => column === heads.length - 1 && !numeric.includes(column);
  const classOf = (column) => [numeric.includes(column) ? "number-cell" : "", code.includes(column) ? "mono" : "", isWide(column) ? "wide" : ""].filter(Boolean).join(" ");
  const rowOf = (row) => element("tr", {}, row.map((text, column) => element("td", { text, className: classOf(column) })));
  const head = element("tr", {}, heads.map((text, column) => element("th", { text, className: numeric.includes(column) ? "number-cell" : "", scope: "col" })));
  const body = element("tbody", {}, rows.slice(0, SHOWN_ROWS).map(rowOf));
  const table = element("table", { className: "facts" }, [...(heads.some(Boolean) ? [element("thead", {}, [head])] : []), body]);
  const framed = element("div", { className: "scroll", tabindex: 0, role: "region", "aria-label": label }, [table]);
  if (rows.length <= SHOWN_ROWS) return [framed];
  const more = element("button", { className: "more", type: "button", text: `Show all ${rows.length.toLocaleString("en")}` });
  more.addEventListener("click", () => {
    body.append(...rows.slice(SHOWN_ROWS).map(rowOf));
    more.remove();
  });
  return [framed, more];
}

/** Columns in which nothing stands are left out. */
function withoutEmpty({ heads, rows, numeric, code }) {
  const kept = heads.map((_, column) => column).filter((column) => rows.some((row) => row[column]));
  const moved = (columns) => columns.map((column) => kept.indexOf(column)).filter((column) => column >= 0);
  return { heads: kept.map((column) => heads[column]), rows: rows.map((row) => kept.map((column) => row[column])), numeric: moved(numeric), code: moved(code) };
}

/** The chain rule at work; a leaf's result stands in place of its last two cells. */
export function chainOf({ heads, rows, results }, label) {
  const numbers = [1, 3, 4];
  const cell = (text, column) => element("td", { text, className: numbers.includes(column) ? "number-cell mono" : "mono" });
  const body = rows.map((row, index) => {
    if (!results[index]) return element("tr", {}, row.map(cell));
    const result = element("td", { text: results[index], className: "mono result", colspan: 2 });
    return element("tr", { className: "leaf" }, [...row.slice(0, 4).map(cell), result]);
  });
  const head = heads.map((text, column) => element("th", { text, className: numbers.includes(column) ? "number-cell" : "", scope: "col" }));
  const table = element("table", { className: "chain" }, [element("thead", {}, [element("tr", {}, head)]), element("tbody", {}, body)]);
  return element("div", { className: "scroll", tabindex: 0, role: "region", "aria-label": label }, [table]);
}
