// All targets of a gate, a row each, and below them each target with its report.

import { element } from "../page_parts/elements.js";
import { badge, folded, jump, paragraphList } from "./marks.js";
import { part, sectionsOf } from "./report.js";

const FEWEST_TO_FILTER_TARGETS = 8;

/** The table, the targets, and what is said of the gate as a whole. */
export function overviewOf(data) {
  const rows = data.outcomes.map((outcome, index) => rowOf(outcome, index, data.heads));
  const heads = ["", "target", ...data.heads, ""];
  const head = heads.map((text, column) => element("th", { text, scope: "col", className: column > 1 && column < heads.length - 1 ? "number-cell" : "" }));
  const table = element("table", { className: "targets" }, [element("thead", {}, [element("tr", {}, head)]), element("tbody", {}, rows)]);
  const framed = element("div", { className: "scroll", tabindex: 0, role: "region", "aria-label": "Targets" }, [table]);
  return [
    ...part("Targets", [...targetFilter(data.outcomes, rows), framed], "targets"),
    ...part("Notes", data.notes.map((text) => element("p", { text })), "gate-notes"),
    ...data.outcomes.map((outcome, index) => targetOf(outcome, index, index === firstBad(data.outcomes))),
    ...part("Environment", data.environment.length ? [paragraphList(data.environment, "rows environment")] : [], "environment"),
  ];
}

function rowOf(outcome, index, heads) {
  const figures = heads.map((_, column) => element("td", { className: "number-cell", text: outcome.figures[column] ?? "" }));
  const name = element("td", { className: "name" }, [jump(`t${index + 1}`, outcome.name, "mono"), element("span", { className: "faint kind", text: outcome.command })]);
  return element("tr", { "data-verdict": outcome.verdict }, [element("td", {}, [badge(outcome.tone, outcome.word)]), name, ...figures, element("td", { className: "wide faint", text: outcome.remark })]);
}

/** Controls that leave only what did not pass, or what has a text in it. */
function targetFilter(outcomes, rows) {
  if (outcomes.length < FEWEST_TO_FILTER_TARGETS) return [];
  const search = element("input", { type: "search", placeholder: "text in a target", "aria-label": "Only targets with this text", autocomplete: "off", spellcheck: "false" });
  const only = element("button", { type: "button", className: "toggle", "aria-pressed": "false", text: "only what did not pass" });
  const refresh = () => {
    const isStrict = only.getAttribute("aria-pressed") === "true";
    const text = search.value.trim().toLowerCase();
    outcomes.forEach(({ verdict }, index) => (rows[index].hidden = (isStrict && verdict === "passed") || !rows[index].textContent.toLowerCase().includes(text)));
  };
  only.addEventListener("click", () => {
    only.setAttribute("aria-pressed", String(only.getAttribute("aria-pressed") !== "true"));
    refresh();
  });
  search.addEventListener("input", refresh);
  return [element("div", { className: "filter", role: "search" }, [only, search])];
}

/** The index of the first target that did not pass, which a reader has come for. */
function firstBad(outcomes) {
  return outcomes.findIndex(({ verdict }) => verdict !== "passed");
}

function targetOf(outcome, index, open) {
  const id = `t${index + 1}`;
  const head = [badge(outcome.tone, outcome.word), element("h2", { className: "name mono", text: outcome.name }), element("span", { className: "faint", text: outcome.command }), element("span", { className: "told", text: outcome.remark })];
  const made = folded(head, () => targetBody(outcome, id), { className: "target", open });
  made.id = id;
  return made;
}

function targetBody(outcome, id) {
  const { trouble, report, fixed } = outcome;
  const about = [
    ...(outcome.target !== outcome.name ? [["target", outcome.target]] : []),
    ...(report ? [["summary", report.summary.join(" · ")]] : []),
    ...(outcome.statedAt ? [["stated at", outcome.statedAt]] : []),
  ];
  return [
    ...(about.length ? [paragraphList(about, "rows about")] : []),
    ...(trouble ? troubleOf(trouble) : []),
    ...part("Fixed since the baseline", fixed.map((text) => element("p", { text })), "fixed"),
    ...(report ? sectionsOf(report, `${id}-`, !trouble) : []),
  ];
}

function troubleOf({ kind, message, at, details }) {
  const lines = [element("p", {}, [badge("error", kind), ` ${message}`])];
  if (at) lines.push(element("p", {}, ["at ", element("span", { className: "mono", text: at })]));
  if (details.length) lines.push(element("pre", { tabindex: 0, text: details.join("\n") }));
  return part("Trouble", lines, "trouble");
}
