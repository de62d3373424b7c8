// The scene on a canvas. Only what is in sight is drawn, and only what can be read is written.

import { EDGE, KINDS } from "./graph.js";
import { LINE_HEIGHT, PADDING, TEXT_FONT, TITLE_FONT } from "./scene.js";

const READABLE = 0.42; // below this scale texts are left out
const CURVED = 0.22; // below this one lines are straight, and have no heads

/** The colours of the style sheet, which knows light and dark. */
export function themeOf(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = "ground ink muted wire box box-edge leaf constant custom root frame frame-edge accent up down hit error warning info lost".split(" ");
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/** Draw the scene as the page stands. `page` has scene, camera, scale, theme and what is marked. */
export function draw(context, page, room, ratio) {
  const { camera, theme } = page;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = theme.ground;
  context.fillRect(0, 0, room.width * ratio, room.height * ratio);
  context.setTransform(camera.scale * ratio, 0, 0, camera.scale * ratio, camera.left * ratio, camera.top * ratio);
  const [left, top] = camera.world(0, 0);
  const [right, bottom] = camera.world(room.width, room.height);
  const sees = (x0, y0, x1, y1) => x1 >= left && x0 <= right && y1 >= top && y0 <= bottom;
  const boxes = [...page.scene.boxes.values()].filter((box) => sees(box.x, box.y, box.x + box.width, box.y + box.height));
  for (const box of boxes) if (box.frame) drawFrame(context, page, box);
  drawLines(context, page, sees);
  for (const box of boxes) if (!box.frame) drawBox(context, page, box);
  if (camera.scale < READABLE) return;
  let pinned = left; // the titles of frames that begin above what is in sight stand side by side
  for (const box of boxes) if (box.frame) pinned = drawTitle(context, page, box, left, top, pinned);
}

function rounded(context, { x, y, width, height }, radius) {
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
}

const hairline = (page, width) => Math.max(width, 0.7 / page.camera.scale);

function drawFrame(context, page, box) {
  const { theme } = page;
  rounded(context, box, 8);
  context.fillStyle = theme.frame;
  context.fill();
  context.lineWidth = hairline(page, page.selected === box.item ? 2.5 : 1);
  context.strokeStyle = edgeColour(page, box.item) ?? theme["frame-edge"];
  context.stroke();
}

// Titles stand over the lines. Returns where the next title can stand that is pinned to the upper edge.
function drawTitle(context, page, box, left, top, pinned) {
  const { theme } = page;
  const isPinned = box.y < top;
  const x = Math.min(Math.max(box.x, isPinned ? pinned : left), Math.max(box.x, box.x + box.width - box.titleWidth - 14));
  const y = Math.min(Math.max(box.y, top), box.y + box.height - 26);
  if (isPinned && x < pinned && box.x < pinned) return pinned; // no room beside the others
  context.globalAlpha = 0.9;
  context.fillStyle = theme.ground;
  rounded(context, { x: x + 5, y: y + 5, width: box.titleWidth + 8, height: 18 }, 4);
  context.fill();
  context.globalAlpha = 1;
  context.font = TITLE_FONT;
  context.fillStyle = theme.muted;
  context.textBaseline = "middle";
  context.fillText(box.title, x + 9, y + 14);
  return isPinned ? x + box.titleWidth + 12 : pinned;
}

function drawLines(context, page, sees) {
  const { theme, emphasis, camera } = page;
  const curved = camera.scale >= CURVED;
  const strokes = new Map();
  for (const line of page.scene.lines) {
    if (!sees(...line.bounds)) continue;
    const { mark, kind, count } = lookOf(line, emphasis);
    const faint = emphasis !== null && mark === 0 && !page.stepping;
    const key = `${mark} ${kind} ${faint} ${count > 1 ? 1 : 0}`;
    let stroke = strokes.get(key);
    if (stroke === undefined) strokes.set(key, (stroke = { path: new Path2D(), heads: new Path2D(), mark, kind, faint, count }));
    trace(stroke.path, line, curved);
    if (curved && line.piece.head >= 0 && !line.piece.entry) arrowhead(stroke.heads, line.points);
  }
  for (const { path, heads, mark, kind, faint, count } of [...strokes.values()].sort((a, b) => a.mark - b.mark)) {
    const colour = mark === 1 ? theme.up : mark === 2 ? theme.down : kind === EDGE.cut ? theme.error : theme.wire;
    context.globalAlpha = faint ? 0.25 : kind === EDGE.constant && !mark ? 0.6 : 1;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = hairline(page, (mark ? 2.2 : 1.1) + (count > 1 ? 0.6 : 0));
    context.setLineDash(kind === EDGE.cut ? [6, 5] : []);
    context.stroke(path);
    context.setLineDash([]);
    context.fill(heads);
  }
  context.globalAlpha = 1;
}

function lookOf(line, emphasis) {
  let [mark, kind, count] = [0, line.piece.wires[0].kind, 0];
  for (const wire of line.piece.wires) {
    if (emphasis !== null) mark = Math.max(mark, emphasis.marks[wire.index]);
    if (wire.kind !== kind) kind = wire.kind === EDGE.cut || kind === EDGE.cut ? EDGE.cut : EDGE.plain;
    count += wire.count;
  }
  return { mark, kind, count };
}

function trace(path, { points, back }, curved) {
  path.moveTo(points[0], points[1]);
  for (let at = 2; at < points.length; at += 2) {
    const [x0, y0, x1, y1] = [points[at - 2], points[at - 1], points[at], points[at + 1]];
    // pairs go straight down, and lines bend between them
    if (!curved || at % 4 === 2 || x0 === x1) path.lineTo(x1, y1);
    else {
      const lean = back ? Math.max(60, Math.abs(y1 - y0) / 3) : (y1 - y0) / 2;
      path.bezierCurveTo(x0, y0 + lean, x1, y1 - lean, x1, y1);
    }
  }
}

function arrowhead(path, points) {
  const [x, y] = [points[points.length - 2], points[points.length - 1]];
  path.moveTo(x, y);
  path.lineTo(x - 3.5, y - 7);
  path.lineTo(x + 3.5, y - 7);
  path.closePath();
}

function edgeColour(page, item) {
  const { theme } = page;
  if (page.selected === item) return theme.accent;
  if (page.hits.has(item)) return theme.hit;
  const severity = page.severities.get(item);
  return severity ? theme[severity] : null;
}

function drawBox(context, page, box) {
  const { theme, scene } = page;
  const { count, kind } = page.graph;
  const isGroup = box.item >= count;
  const sort = isGroup ? -1 : kind[box.item];
  const heat = page.scale.fill(box.item);
  const faint = page.stepping ? page.stepping.hides(box.item) : page.emphasis !== null && !page.emphasis.items.has(box.item);
  context.globalAlpha = faint ? 0.4 : 1;
  if (isGroup) drawStack(context, page, box);
  rounded(context, box, sort === KINDS.leaf ? 12 : isGroup ? 7 : 4);
  context.fillStyle = page.stepping ? theme.box : (heat?.fill ?? plainFill(theme, sort));
  context.fill();
  const edge = edgeColour(page, box.item);
  const special = sort === KINDS.custom || sort === KINDS.checkpoint || sort === KINDS.compiled ? theme.custom : sort === KINDS.root ? theme.root : null;
  context.strokeStyle = page.stepping?.current === box.item ? theme.accent : (edge ?? special ?? theme["box-edge"]);
  context.lineWidth = hairline(page, edge || page.stepping?.current === box.item ? 2.5 : special || sort === KINDS.leaf ? 1.7 : 1);
  context.setLineDash(sort === KINDS.lost || sort === KINDS.cut ? [5, 4] : []);
  context.stroke();
  context.setLineDash([]);
  if (page.camera.scale >= READABLE) {
    const ink = page.stepping || !heat ? theme.ink : heat.ink;
    writeTexts(context, box, page.stepping?.textsOf(box.item) ?? scene.texts.get(box.item), ink);
  }
  context.globalAlpha = 1;
}

// a closed group looks like several sheets
function drawStack(context, page, box) {
  rounded(context, { x: box.x + 4, y: box.y + 4, width: box.width, height: box.height }, 7);
  context.fillStyle = page.theme.frame;
  context.fill();
  context.lineWidth = hairline(page, 1);
  context.strokeStyle = page.theme["box-edge"];
  context.stroke();
}

function plainFill(theme, sort) {
  if (sort === KINDS.leaf) return theme.leaf;
  if (sort === KINDS.constant || sort === KINDS.frozen) return theme.constant;
  return sort === KINDS.lost || sort === KINDS.cut ? theme.lost : theme.box;
}

function writeTexts(context, box, texts, ink) {
  context.textBaseline = "middle";
  context.fillStyle = ink;
  const top = box.y + PADDING / 2 + LINE_HEIGHT / 2;
  const alpha = context.globalAlpha;
  texts.forEach((text, index) => {
    context.font = index ? TEXT_FONT : TITLE_FONT;
    context.globalAlpha = alpha * (index ? 0.85 : 1);
    context.fillText(text, box.x + PADDING, top + index * LINE_HEIGHT, box.width - 2 * PADDING + 2);
  });
  context.globalAlpha = alpha;
}
