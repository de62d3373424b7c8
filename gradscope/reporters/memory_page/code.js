// The code to paste, with a button that copies it.

import { copyButton } from "../page_parts/clipboard.js";
import { element, section } from "../page_parts/elements.js";

/** Show the code, if there is any. */
export function showCode(data) {
  if (!data.code) return;
  const advised = data.strategies.find((each) => each.isAdvised);
  const text = element("pre", { text: data.code.trimEnd(), tabindex: 0 });
  const button = copyButton(data.code, text);
  const what = advised ? `Applies ${advised.name.replace(/^plan/, "the plan")}; it goes where the model is built.` : "It goes where the model is built.";
  section("code").append(element("p", { text: what }), element("div", { className: "code" }, [text, button]));
}
