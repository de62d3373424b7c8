// One command's report: what was found first, then everything that was seen.

import { countText, element } from "../page_parts/elements.js";
import { filterOf } from "./filter.js";
import { cardOf } from "./findings.js";
import { badge, folded, paragraphList } from "./marks.js";
import { Plot } from "./plot.js";
import { subjectsOf } from "./subjects.js";
import { chainOf, tableOf } from "./tables.js";
import { treeOf } from "./tree.js";

/** The sections of a report; ids of findings begin with `place`. With `isEnding` false its end is told elsewhere. */
export function sectionsOf(report, place = "", isEnding = true) {
  return [
    ...findingsOf(report, place),
    ...(isEnding ? endingOf(report) : []),
    ...part("Checked", subjectsOf(report.subjects, report.findings, place), "subjects"),
    ...part("Modules and parameters", report.tree ? treeOf(report.tree) : [], "tree"),
    ...part("Gradients", report.plots.map((plot) => new Plot(plot).figure), "plots"),
    ...phasesOf(report.phases),
    ...part("Chain rule", report.chains.flatMap(chainParts), "chains"),
    ...report.tables.flatMap(([title, table]) => part(title, tableOf(table, title), "table")),
    ...part("Notes", report.notes.length ? [paragraphList(report.notes)] : [], "notes"),
    ...part("Environment", report.environment.length ? [paragraphList(report.environment, "rows environment")] : [], "environment"),
    ...silencedOf(report, place),
  ];
}

/** A section with its heading; none where there is nothing to show. */
export function part(title, children, kind) {
  return children.length ? [element("section", { "data-part": kind }, [element("h2", { text: title }), ...children])] : [];
}

function findingsOf({ findings }, place) {
  const cards = findings.map((finding, index) => cardOf(finding, `${place}f${index + 1}`));
  return part(countText(findings.length, "finding"), [...filterOf(findings, cards), ...cards], "findings").filter(() => findings.length);
}

function endingOf({ failure, traceback }) {
  if (!failure) return [];
  const head = element("p", {}, [badge("error", "program failed"), ` ${failure}`]);
  const text = element("pre", { tabindex: 0, text: traceback.join("\n") });
  return part("How the program ended", [head, folded("Traceback", () => [text])], "ending");
}

function phasesOf(phases) {
  if (!phases) return [];
  const note = phases.note ? [element("p", { className: "faint", text: phases.note })] : [];
  return part(phases.title, [...tableOf(phases.table, phases.title), ...note], "phases");
}

function chainParts(chain) {
  const head = element("p", {}, [element("strong", { text: chain.title })]);
  if (chain.source) head.append(": ", element("code", { text: chain.source }));
  if (chain.items.length) head.append(element("span", { className: "faint", text: `  ${chain.items.join(" · ")}` }));
  const note = chain.note ? [element("p", { className: "faint", text: chain.note })] : [];
  return [head, chainOf(chain, chain.title), ...note];
}

function silencedOf({ silenced }, place) {
  if (!silenced.length) return [];
  const rows = () => silenced.map((finding, index) => cardOf(finding, `${place}s${index + 1}`));
  const title = `${countText(silenced.length, "silenced finding")}: ${[...new Set(silenced.map((each) => each.silencedBy))].join(", ")}`;
  return part("Silenced", [folded(title, rows)], "silenced");
}
