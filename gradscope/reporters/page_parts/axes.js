// From values to places of a drawing, and round values for its axes.

/** Round steps from 0 to `most`, at most about `count`; of sizes each is a whole of 1,024. */
export function ticks(most, count, binary = false) {
  if (!(most > 0)) return [];
  const unit = binary ? 1024 ** Math.min(5, Math.floor(Math.log(most) / Math.log(1024))) : 1;
  const step = roundStep(most / unit / count) * unit;
  const found = [];
  for (let at = 0; at <= most * 1.0001; at += step) found.push(at);
  return found;
}

/** The least of 1, 2 and 5 times a power of ten that is not below `raw`. */
export function roundStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((digit) => digit * power).find((each) => each >= raw * 0.999);
}

/** A linear scale from values to places. */
export function linear([low, high], [from, to]) {
  const span = high - low || 1;
  const scale = (value) => from + ((value - low) / span) * (to - from);
  scale.back = (place) => low + ((place - from) / (to - from)) * span;
  return scale;
}
