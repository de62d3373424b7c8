// What the colours mean: the 2-norm of the gradient, seconds of the backward, or bytes saved.

import { bytesText, numberText, secondsText } from "./words.js";

// each from little to much, as red, green, blue
const RAMPS = {
  gradient: [[255, 247, 220], [254, 227, 160], [253, 197, 98], [246, 156, 66], [230, 112, 61], [203, 71, 73], [160, 46, 96], [112, 34, 110]],
  time: [[243, 236, 248], [203, 174, 224], [134, 84, 176], [74, 26, 110]],
  bytes: [[231, 244, 238], [154, 212, 186], [54, 146, 118], [8, 76, 66]],
};

const TITLES = {
  gradient: "2-norm of the gradient that arrives",
  time: "time of the backward",
  bytes: "bytes saved for the backward",
};
const TEXTS = { gradient: numberText, time: secondsText, bytes: bytesText };

/** What a box has of what is coloured by: a number, or null. */
export function amountOf(graph, item, colour) {
  if (item >= graph.count) {
    const group = graph.groups[item - graph.count];
    return { gradient: read(group.norm), time: read(group.seconds), bytes: group.bytes || null }[colour] ?? null;
  }
  if (colour === "gradient") return graph.incoming.at(item);
  return colour === "time" ? graph.seconds.at(item) : graph.bytes.at(item) || null;
}

function read(value) {
  return { nan: NaN, inf: Infinity, "-inf": -Infinity }[value] ?? value;
}

/** The scale over the boxes of a page: `fill(item)` gives { fill, ink } or null; `ends` are its texts. */
export function scaleOf(graph, items, colour) {
  if (colour === "none") return { colour, fill: () => null, ends: null };
  let [least, most] = [Infinity, 0];
  for (const item of items) {
    const size = Math.abs(amountOf(graph, item, colour) ?? 0);
    if (size > 0 && Number.isFinite(size)) [least, most] = [Math.min(least, size), Math.max(most, size)];
  }
  const known = most > 0;
  const range = known ? Math.log(most) - Math.log(least) : 0; // their quotient may overflow
  const text = TEXTS[colour];
  return {
    colour,
    title: TITLES[colour],
    ends: known ? [text(least), text(most)] : null,
    ramp: RAMPS[colour],
    fill(item) {
      const amount = amountOf(graph, item, colour);
      if (amount === null) return null;
      if (!Number.isFinite(amount)) return { fill: "#16181c", ink: "#ff8a90" };
      if (amount === 0) return colour === "gradient" ? { fill: "#ffffff", ink: "#16181c" } : null;
      return shade(RAMPS[colour], range > 0 ? (Math.log(Math.abs(amount)) - Math.log(least)) / range : 0.5);
    },
  };
}

function shade(ramp, at) {
  const place = Math.max(0, Math.min(1, at)) * (ramp.length - 1);
  const index = Math.min(ramp.length - 2, Math.floor(place));
  const [from, to] = [ramp[index], ramp[index + 1]];
  const [r, g, b] = from.map((value, channel) => Math.round(value + (to[channel] - value) * (place - index)));
  const light = 0.299 * r + 0.587 * g + 0.114 * b;
  return { fill: `rgb(${r},${g},${b})`, ink: light > 140 ? "#16181c" : "#ffffff" };
}

/** Draw the legend into an element. */
export function showLegend(place, scale) {
  place.hidden = !scale.ends;
  if (!scale.ends) return;
  const [title, low, high] = place.querySelectorAll("[data-legend]");
  title.textContent = scale.title;
  [low.textContent, high.textContent] = scale.ends;
  const bar = place.querySelector("canvas");
  const context = bar.getContext("2d");
  for (let x = 0; x < bar.width; x++) {
    context.fillStyle = shade(scale.ramp, x / (bar.width - 1)).fill;
    context.fillRect(x, 0, 1, bar.height);
  }
  place.querySelector("[data-only-gradient]").hidden = scale.colour !== "gradient";
}
