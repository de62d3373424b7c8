// Which findings are shown: by severity, rule, and a text in them.

import { countText, element } from "../page_parts/elements.js";
import { badge } from "./marks.js";

const FEWEST_TO_FILTER = 3; // findings

/** A bar of controls over the cards, one for each finding; empty where there are few. */
export function filterOf(findings, cards) {
  if (findings.length < FEWEST_TO_FILTER) return [];
  const texts = cards.map((card) => card.textContent.toLowerCase());
  const off = new Set();
  const search = element("input", { type: "search", placeholder: "text in a finding", "aria-label": "Only findings with this text", autocomplete: "off", spellcheck: "false" });
  const rule = ruleSelect(findings);
  const shown = element("span", { className: "faint", role: "status" });
  const refresh = () => {
    let count = 0;
    findings.forEach((finding, index) => {
      const isShown = !off.has(finding.severity) && (!rule.value || rule.value === finding.code) && texts[index].includes(search.value.trim().toLowerCase());
      cards[index].hidden = !isShown;
      count += Number(isShown);
    });
    shown.textContent = count === findings.length ? "" : `${count.toLocaleString("en")} of ${countText(findings.length, "finding")}`;
  };
  search.addEventListener("input", refresh);
  rule.addEventListener("change", refresh);
  return [element("div", { className: "filter", role: "search" }, [...severityButtons(findings, off, refresh), rule, search, shown])];
}

function severityButtons(findings, off, refresh) {
  const kinds = ["error", "warning", "info"].filter((severity) => findings.some((each) => each.severity === severity));
  return kinds.map((severity) => {
    const count = findings.filter((each) => each.severity === severity).length;
    const button = element("button", { type: "button", "aria-pressed": "true", className: "toggle", "data-severity": severity }, [badge(severity, `${severity} ${count}`)]);
    button.addEventListener("click", () => {
      if (!off.delete(severity)) off.add(severity);
      button.setAttribute("aria-pressed", String(!off.has(severity)));
      refresh();
    });
    return button;
  });
}

function ruleSelect(findings) {
  const rules = new Map(findings.map(({ code, rule }) => [code, rule]));
  const options = [...rules].sort().map(([code, rule]) => element("option", { value: code, text: `${code} ${rule}` }));
  return element("select", { "aria-label": "Only findings of this rule" }, [element("option", { value: "", text: "all rules" }), ...options]);
}
