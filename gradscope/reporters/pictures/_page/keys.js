// Pointer, wheel, touch and keyboard on the canvas.

import { boxAt } from "./scene.js";

const FAR = 4; // pixels that a press may move and still be a click
const TITLE = 22; // height of the part of a box that opens it

/** Let the canvas be dragged, zoomed and clicked. */
export function listenToPointer(canvas, page) {
  const pressed = new Map();
  let moved = 0;
  let gap = 0;
  const at = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    page.camera.zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), ...at(event));
    page.redraw();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, at(event));
    moved = pressed.size > 1 ? FAR + 1 : 0;
    gap = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pressed.get(event.pointerId);
    const [x, y] = at(event);
    if (before === undefined) {
      const box = boxAt(page.scene, ...page.camera.world(x, y));
      canvas.style.cursor = box && opens(page, box, y) ? "pointer" : box && !box.frame ? "default" : "grab";
      page.hover(box && !box.frame ? box.item : null);
      return;
    }
    pressed.set(event.pointerId, [x, y]);
    if (pressed.size === 2) pinch();
    else page.camera.move(x - before[0], y - before[1]);
    moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
    if (moved > FAR) canvas.style.cursor = "grabbing";
    page.redraw();
  });
  const pinch = () => {
    const [[x0, y0], [x1, y1]] = [...pressed.values()];
    const now = Math.hypot(x1 - x0, y1 - y0);
    if (gap > 0) page.camera.zoom(now / gap, (x0 + x1) / 2, (y0 + y1) / 2);
    gap = now;
  };
  const release = (event) => {
    const was = pressed.delete(event.pointerId);
    gap = 0;
    if (was && event.type === "pointerup" && moved <= FAR) click(page, ...at(event));
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => page.hover(null));
  canvas.addEventListener("dblclick", (event) => {
    const box = boxAt(page.scene, ...page.camera.world(...at(event)));
    if (box && !box.frame && page.standing.isGroup(box.item)) page.toggle(box.item);
  });
}

function opens(page, box, y) {
  if (!page.standing.isGroup(box.item)) return false;
  const [, world] = page.camera.world(0, y);
  return world - box.y <= TITLE + (box.frame ? 4 : 0);
}

function click(page, x, y) {
  const box = boxAt(page.scene, ...page.camera.world(x, y));
  if (box && opens(page, box, y) && page.camera.scale > 0.2) {
    page.select(box.item);
    page.toggle(box.item);
  } else page.select(box && !box.frame ? box.item : null);
}

const NEAR = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/** The keys: of the canvas while it has the focus, of the whole page where nothing is typed. */
export function listenToKeys(canvas, search, page) {
  canvas.addEventListener("keydown", (event) => {
    if (NEAR[event.key]) {
      event.preventDefault();
      neighbour(page, NEAR[event.key]);
    } else if ((event.key === "Enter" || event.key === " ") && page.selected !== null && page.standing.isGroup(page.selected)) {
      event.preventDefault();
      page.toggle(page.selected);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") canvas.focus();
      return;
    }
    const middle = [canvas.clientWidth / 2, canvas.clientHeight / 2];
    const acts = {
      "/": () => search.focus(),
      "+": () => page.zoom(1.25, ...middle),
      "=": () => page.zoom(1.25, ...middle),
      "-": () => page.zoom(0.8, ...middle),
      0: () => page.fit(),
      n: () => page.nextHit(1),
      N: () => page.nextHit(-1),
      ".": () => page.steps?.forward(),
      ",": () => page.steps?.back(),
      Escape: () => page.clear(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });
}

// The nearest box in a direction; those to the side count as further away.
function neighbour(page, [dx, dy]) {
  const boxes = [...page.scene.boxes.values()].filter((box) => !box.frame);
  const from = page.selected === null ? null : page.scene.boxes.get(page.selected);
  if (!from) {
    if (boxes.length) page.select(boxes[0].item, true);
    return;
  }
  const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  const [x, y] = middle(from);
  let [best, least] = [null, Infinity];
  for (const box of boxes) {
    const [along, aside] = dx ? [(middle(box)[0] - x) * dx, middle(box)[1] - y] : [(middle(box)[1] - y) * dy, middle(box)[0] - x];
    if (box === from || along <= 1) continue;
    const distance = along + 2 * Math.abs(aside);
    if (distance < least) [best, least] = [box, distance];
  }
  if (best) page.select(best.item, true);
}
