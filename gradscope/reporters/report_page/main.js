// The page: one report, or a gate whose targets open to theirs.

import { element } from "../page_parts/elements.js";
import { badge, unfold } from "./marks.js";
import { overviewOf } from "./overview.js";
import { sectionsOf } from "./report.js";

const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main");
const alone = !data.isGate && data.outcomes.length === 1 ? data.outcomes[0] : null;
document.getElementById("title").textContent = data.title;
showSummary();
main.append(...(alone?.report ? sectionsOf(alone.report) : overviewOf(data)));
addEventListener("hashchange", goToHash);
addEventListener("beforeprint", () => {
  for (const kind of ["target", "subject"]) main.querySelectorAll(`details.${kind}`).forEach(unfold); // one holds the other
});
goToHash();
window.gradscope = { data };

function showSummary() {
  const place = document.getElementById("summary");
  place.append(badge(data.tone, data.word), ` ${data.summary.join(" · ")}`);
  if (data.redacted) place.append(element("span", { className: "faint", text: " · redacted: no source text, no values" }));
}

/** Open and show what the address names: a target, or a finding of one. */
function goToHash() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = document.getElementById(id.split("-")[0]);
  if (target instanceof HTMLDetailsElement) unfold(target);
  const found = document.getElementById(id);
  if (!found) return;
  found.hidden = false;
  found.scrollIntoView({ block: "start" });
  found.focus({ preventScroll: true });
}
