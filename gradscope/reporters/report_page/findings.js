// A finding: what, where, the code, why, and what to do about it.

import { copyButton } from "../page_parts/clipboard.js";
import { countText, element } from "../page_parts/elements.js";
import { frameOf } from "./frames.js";
import { badge, folded, jump, paragraphList } from "./marks.js";

const SHOWN_PROFILE = 40; // places

/** The card of a finding; `id` is what links to it name. */
export function cardOf(finding, id) {
  const { severity, code, rule, message, silencedBy } = finding;
  const link = jump(id, "#", "anchor");
  link.setAttribute("aria-label", `Link to ${code}`);
  const head = [badge(severity, severity), element("span", { className: "code", text: code }), element("span", { className: "slug", text: rule }), link];
  const rows = [...finding.rows, ...(silencedBy ? [["silenced by", silencedBy]] : [])];
  return element("article", { className: `finding ${severity}`, id, tabindex: -1 }, [
    element("div", { className: "head" }, head),
    element("h3", { text: message }),
    ...finding.frames.map(frameOf),
    ...(rows.length ? [paragraphList(rows)] : []),
    ...profileOf(finding.profile),
    ...alsoOf(finding.also),
    ...fixOf(finding.fix),
    moreOf(finding),
  ]);
}

function profileOf(profile) {
  if (!profile.length) return [];
  const rowOf = ([name, size, share]) => {
    const track = element("span", { className: "track" }, [element("i")]);
    track.firstChild.style.width = `${100 * share}%`;
    return element("tr", {}, [element("td", { className: "mono", text: name }), element("td", { className: "number-cell mono", text: size }), element("td", { className: "wide" }, [track])]);
  };
  const body = element("tbody", {}, profile.slice(0, SHOWN_PROFILE).map(rowOf));
  const table = element("table", { className: "profile" }, [element("caption", { text: "gradient from place to place, bars on a log scale" }), body]);
  const framed = element("div", { className: "scroll" }, [table]);
  if (profile.length <= SHOWN_PROFILE) return [framed];
  return [framed, element("p", { className: "faint", text: `and ${countText(profile.length - SHOWN_PROFILE, "more place")}` })];
}

function alsoOf(also) {
  if (!also.length) return [];
  const items = also.map((each) =>
    element("li", {}, [badge(each.severity, each.severity), " ", element("span", { className: "code", text: each.code }), ` ${each.rule}: ${each.message} `, element("span", { className: "mono faint", text: each.at })]),
  );
  return [folded(`${countText(also.length, "other finding")} explained by this`, () => [element("ul", { className: "also" }, items)], { open: also.length <= 3 })];
}

function fixOf(fix) {
  if (!fix) return [];
  const text = element("pre", { text: fix });
  return [element("div", { className: "fix" }, [element("span", { className: "label", text: "fix" }), text, copyButton(fix, text)])];
}

function moreOf({ code, evidence }) {
  const explain = element("p", { className: "more-words faint" }, ["more: ", element("code", { text: `gradscope explain ${code}` })]);
  if (!evidence.length) return explain;
  return element("div", {}, [folded("Evidence", () => [paragraphList(evidence, "rows evidence")]), explain]);
}
