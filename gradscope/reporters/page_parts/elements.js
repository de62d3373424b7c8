// Elements of a page and of its drawings, which hold what they are told as text, and counts.

/** "1 node", "12 nodes". */
export function countText(count, one, several = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : several}`;
}

/** An element with a class and text, never markup. */
export function element(tag, { className = "", text = "", ...attributes } = {}, children = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** An element of a drawing. */
export function shape(tag, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

/** The section of that id, which is shown from now on. */
export function section(id) {
  const found = document.getElementById(id);
  found.hidden = false;
  return found;
}
