// Words that stand out, with a sign, so that colour is never the only one to say it.

import { element } from "../page_parts/elements.js";

const SIGNS = { error: "✕", warning: "▲", info: "●", good: "✓", faint: "–" };

/** A word with the sign and the colour of its tone. */
export function badge(tone, text) {
  const sign = element("span", { text: SIGNS[tone] ?? "", "aria-hidden": "true" });
  return element("span", { className: `badge ${tone}` }, [sign, " ", element("span", { text })]);
}

/** A link to a place of this page. */
export function jump(id, text, className = "") {
  return element("a", { href: `#${id}`, text, className });
}

/** Headed paragraphs, the texts beginning in one column. */
export function paragraphList(rows, className = "rows") {
  const children = rows.flatMap(([heading, text]) => [element("dt", { text: heading }), element("dd", { text })]);
  return element("dl", { className }, children);
}

/** What is folded away until it is asked for; `fill` makes it then. */
export function folded(title, fill, { className = "", open = false } = {}) {
  const head = typeof title === "string" ? [element("span", { text: title })] : title;
  const made = element("details", { className }, [element("summary", {}, head)]);
  made.firstChild.addEventListener("click", () => filled(made));
  made.addEventListener("toggle", () => made.open && filled(made)); // opened by other means
  unfilled.set(made, fill);
  if (open) unfold(made);
  return made;
}

const unfilled = new WeakMap(); // what is folded: what makes its content

function filled(made) {
  const fill = unfilled.get(made);
  unfilled.delete(made);
  if (fill) made.append(...fill());
}

/** Open what is folded, at once. */
export function unfold(made) {
  filled(made);
  made.open = true;
}
