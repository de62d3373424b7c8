// Checked functions and models: a line for each, which opens to all that was measured of it.

import { element } from "../page_parts/elements.js";
import { badge, folded, jump, paragraphList } from "./marks.js";
import { Plot } from "./plot.js";
import { tableOf } from "./tables.js";

const ENDS = {
  failed: ["failed", "error"],
  declared: ["declared", "info"],
  passed: ["passed", "good"],
  "not-checked": ["not checked", "warning"],
  "not-applicable": ["do not apply", "faint"],
};

/** The lines, by file; `place` is what ids of findings begin with. */
export function subjectsOf(subjects, findings, place) {
  const files = [...new Set(subjects.map((subject) => subject.file))];
  return files.flatMap((file) => [
    element("h3", { className: "file mono", text: file }),
    ...subjects.filter((subject) => subject.file === file).map((subject) => lineOf(subject, findings, place)),
  ]);
}

function lineOf(subject, findings, place) {
  const head = [
    element("span", { className: "name mono", text: subject.name }),
    badge(subject.tone, subject.word),
    element("span", { className: "told", text: subject.told.join(" · ") }),
  ];
  const isTelling = ["error", "warning"].includes(subject.tone) || subject.plots.length > 0;
  return folded(head, () => bodyOf(subject, findings, place), { className: "subject", open: isTelling });
}

function bodyOf(subject, findings, place) {
  const links = subject.findings.map((number) => jump(`${place}f${number + 1}`, `${findings[number].code} ${findings[number].rule}`));
  const found = links.length ? [element("p", { className: "found" }, ["findings: ", ...links.flatMap((link, index) => (index ? [", ", link] : [link]))])] : [];
  const at = subject.at ? [element("p", { className: "faint" }, ["defined at ", element("span", { className: "mono", text: subject.at })])] : [];
  const details = subject.details.length ? [paragraphList(subject.details)] : [];
  const tables = subject.tables.flatMap(([title, table]) => [element("h4", { text: title }), ...tableOf(table, title)]);
  return [...found, ...at, ...details, ...tables, ...subject.plots.map((plot) => new Plot(plot).figure), ...outcomesOf(subject.outcomes)];
}

/** The checks by how they ended; what is said of each is folded away. */
function outcomesOf(outcomes) {
  if (!outcomes.length) return [];
  const rows = Object.entries(ENDS).flatMap(([outcome, [words]]) => {
    const names = outcomes.filter((each) => each[1] === outcome).map(([check]) => check);
    return names.length ? [[words, names.join(", ")]] : [];
  });
  return [element("h4", { text: "Checks" }), paragraphList(rows), folded("What is said of each check", () => [detailTable(outcomes)])];
}

function detailTable(outcomes) {
  const rows = outcomes.map(([check, outcome, detail]) => {
    const [words, tone] = ENDS[outcome];
    return element("tr", {}, [element("td", { text: check }), element("td", {}, [badge(tone, words)]), element("td", { className: "wide faint", text: detail })]);
  });
  return element("div", { className: "scroll" }, [element("table", { className: "outcomes" }, [element("tbody", {}, rows)])]);
}
