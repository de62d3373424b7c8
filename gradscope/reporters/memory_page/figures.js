// The header, the peak with what it consists of, the totals, findings and notes.

import { stack } from "./kinds.js";
import { countText, element, section } from "../page_parts/elements.js";
import { secondsText, shareText, sizeText } from "./words.js";

/** What was run, in a line. */
export function showHeader(data) {
  document.getElementById("title").textContent = data.target || "memory";
  const parts = [data.fake ? "on fake tensors: sizes only, nothing was computed" : `on ${data.device === "cpu" ? "the CPU" : data.device}`];
  if (data.steps) parts.push(countText(data.steps, "step"));
  if (data.seconds) parts.push(`a step takes ${secondsText(data.seconds)}`);
  document.getElementById("subtitle").textContent = parts.join(" · ");
}

function figure(name, size, className = "figure") {
  return element("div", { className }, [element("span", { className: "number", text: size }), element("span", { className: "name", text: name })]);
}

/** The peak and the totals. */
export function showPeak(data) {
  const place = section("peak");
  const { peak } = data;
  if (!peak) {
    place.append(element("p", { text: "Nothing was measured: no tensor was alive." }));
    return;
  }
  const figures = [figure(`peak, ${peak.when}`, sizeText(peak.bytes), "figure main")];
  for (const [name, size] of data.totals) figures.push(figure(name, sizeText(size)));
  place.append(element("div", { className: "figures" }, figures), ...stack(data.kinds, peak.kinds));
  const where = element("p", { className: "where" });
  if (peak.at) where.append("reached at ", element("code", { text: peak.at }));
  if (peak.source) where.append("  ", element("code", { className: "faint", text: peak.source }));
  if (peak.module) where.append(where.childNodes.length ? ", in " : "reached in ", element("code", { text: peak.module }));
  if (peak.op) where.append(", by ", element("code", { text: peak.op }));
  if (where.childNodes.length) place.append(where);
  const phases = data.phases.filter(([name]) => name !== "outside");
  if (phases.length > 1) place.append(element("p", { className: "faint", text: `at most ${phases.map(([name, size]) => `${sizeText(size)} in the ${name}`).join(", ")}` }));
  if (data.allocator) place.append(element("p", { className: "faint", text: allocatorText(data.allocator) }));
}

function allocatorText({ reserved, allocated, retries }) {
  const text = `the allocator reserved ${sizeText(reserved)} for ${sizeText(allocated)} of tensors: ${shareText(reserved - allocated, reserved)} fragmented`;
  return retries ? `${text}, ${countText(retries, "retry", "retries")}` : text;
}

/** The findings, if there are any. */
export function showFindings(data) {
  if (!data.findings.length && !data.ended) return;
  const place = section("findings");
  if (data.ended) place.append(element("p", { className: "bad", text: `the program ended by ${data.ended}` }));
  for (const each of data.findings) {
    const colour = { error: "bad", warning: "warn" }[each.severity] ?? "";
    const line = element("p", {}, [element("strong", { className: colour, text: `${each.severity}[${each.code}]` }), ` ${each.message}`]);
    if (each.at) line.append("  ", element("code", { text: each.at }));
    place.append(line);
    if (each.fix) place.append(element("p", { className: "faint", text: `fix: ${each.fix}` }));
  }
}

/** Notes, and what was not seen. */
export function showNotes(data) {
  const told = [...data.notes, ...data.unseen.map((each) => `not seen: ${each}`)];
  if (!told.length) return;
  section("notes").append(...told.map((text) => element("p", { text })));
}
