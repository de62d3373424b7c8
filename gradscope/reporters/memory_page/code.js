// The code to paste, with a button that copies it.

import { element, section } from "./words.js";

/** Show the code, if there is any. */
export function showCode(data) {
  if (!data.code) return;
  const advised = data.strategies.find((each) => each.isAdvised);
  const text = element("pre", { text: data.code.trimEnd(), tabindex: 0 });
  const button = element("button", { type: "button", text: "Copy" });
  button.addEventListener("click", async () => {
    button.textContent = (await copied(data.code, text)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  const what = advised ? `Applies ${advised.name.replace(/^plan/, "the plan")}; it goes where the model is built.` : "It goes where the model is built.";
  section("code").append(element("p", { text: what }), element("div", { className: "code" }, [text, button]));
}

/** Whether the text is on the clipboard now; where that is not allowed, it is selected. */
async function copied(code, text) {
  try {
    await navigator.clipboard.writeText(code);
    return true;
  } catch {
    getSelection().selectAllChildren(text);
    return false;
  }
}
