// A button that copies what an element shows.

import { element } from "./elements.js";

/** A button that puts `text` on the clipboard; where that is not allowed, it selects what `shown` holds. */
export function copyButton(text, shown) {
  const button = element("button", { type: "button", text: "Copy" });
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text, shown)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return button;
}

async function copied(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    return false;
  }
}
