// Where the page is looked at from: a point of it and a scale.

const LEAST_SCALE = 0.005;
const MOST_SCALE = 6;

/** World x, y stands on the screen at x * scale + left, y * scale + top. */
export class Camera {
  constructor() {
    [this.left, this.top, this.scale] = [0, 0, 1];
  }

  /** Scale by `factor`, so that what is at (x, y) of the screen stays there. */
  zoom(factor, x, y) {
    const scale = Math.max(LEAST_SCALE, Math.min(MOST_SCALE, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
  }

  move(dx, dy) {
    this.left += dx;
    this.top += dy;
  }

  /** Show all of a page of that size, no larger than it is. */
  fit({ width, height }, room) {
    this.scale = Math.max(LEAST_SCALE, Math.min(1.25, (room.width - 48) / width, (room.height - 48) / height));
    this.left = (room.width - width * this.scale) / 2;
    this.top = Math.max(24, (room.height - height * this.scale) / 2);
  }

  /** Show the upper end of a page that is too long to be read at once, as wide as it fits. */
  start(size, room) {
    this.fit(size, room);
    const readable = Math.min(1, (room.width - 48) / size.width);
    if (this.scale >= 0.6 || readable <= this.scale) return;
    this.scale = Math.max(this.scale, Math.min(readable, 0.75));
    this.left = (room.width - size.width * this.scale) / 2;
    this.top = 24;
  }

  /** Bring a box to the middle, large enough to be read. */
  centre(box, room) {
    if (this.scale < 0.7) this.scale = 0.9;
    this.left = room.width / 2 - (box.x + box.width / 2) * this.scale;
    const high = box.height * this.scale > room.height;
    this.top = high ? 40 - box.y * this.scale : room.height / 2 - (box.y + box.height / 2) * this.scale;
  }

  world(x, y) {
    return [(x - this.left) / this.scale, (y - this.top) / this.scale];
  }

  screen(x, y) {
    return [x * this.scale + this.left, y * this.scale + this.top];
  }
}
