// Which groups are open, which rows are shown, and what therefore stands on the page.
//
// An item is a row, or a group: group g is the item graph.count + g. Group 0 is the page itself. A group
// stands behind the one around it, so a loop over all of them meets the outer ones first.

/** The open groups and shown rows of a graph. */
export class Standing {
  constructor(graph) {
    this.graph = graph;
    this.open = new Uint8Array(graph.groups.length);
    this.open[0] = 1;
    this.fold = true; // equal blocks stay closed until they are clicked
    this.mask = null; // a Uint8Array of the rows to show, null for all of them
    this.parent = Int32Array.from(graph.groups, (group) => group.parent);
    this.depth = new Int32Array(graph.groups.length);
    for (let group = 1; group < this.depth.length; group++) {
      this.depth[group] = this.depth[this.parent[group]] + 1;
    }
    this.deepest = this.depth.reduce((most, depth) => Math.max(most, depth), 0);
    this.children = graph.groups.map(() => []);
    for (let group = 1; group < this.depth.length; group++) this.children[this.parent[group]].push(group);
  }

  isGroup(item) {
    return item >= this.graph.count;
  }

  groupOf(item) {
    return item - this.graph.count;
  }

  itemOf(group) {
    return group + this.graph.count;
  }

  /** The group around an item, -1 for the page. */
  around(item) {
    return this.isGroup(item) ? this.parent[this.groupOf(item)] : this.graph.group[item];
  }

  shows(row) {
    return this.mask === null || this.mask[row] === 1;
  }

  /** For each group the closed group that stands for it, -1 where it and all around it are open. */
  closed() {
    const found = new Int32Array(this.open.length).fill(-1);
    for (let group = 1; group < found.length; group++) {
      const above = found[this.parent[group]];
      found[group] = above >= 0 ? above : this.open[group] ? -1 : group;
    }
    return found;
  }

  /** For each row the item that stands for it on the page, -1 where it is left out. */
  standing() {
    const closed = this.closed();
    const { count, group } = this.graph;
    const found = new Int32Array(count);
    for (let row = 0; row < count; row++) {
      if (this.mask !== null && !this.mask[row]) {
        found[row] = -1;
        continue;
      }
      const around = closed[group[row]];
      found[row] = around >= 0 ? this.itemOf(around) : row;
    }
    return found;
  }

  /** Open every group whose frame lies less than `depth` frames deep; close the others, equal blocks, and what is in them. */
  openTo(depth) {
    for (let group = 1; group < this.open.length; group++) {
      const folded = this.fold && this.graph.groups[group].folded === true;
      this.open[group] = this.depth[group] <= depth && !folded && this.open[this.parent[group]] ? 1 : 0;
    }
  }

  /** Open whatever is closed around an item; whether anything was. */
  reveal(item) {
    let opened = false;
    for (let group = this.around(item); group > 0; group = this.parent[group]) {
      opened ||= this.open[group] === 0;
      this.open[group] = 1;
    }
    return opened;
  }

  /** How many boxes the page has when it is opened to each depth from 0, up to the first with more than `most`. */
  boxesAtDepths(most) {
    const folded = (group) => this.fold && this.graph.groups[group].folded === true;
    const hidden = new Uint8Array(this.open.length); // what lies in equal blocks
    const rowsAt = new Int32Array(this.deepest + 2);
    const closedAt = new Int32Array(this.deepest + 2);
    const alwaysAt = new Int32Array(this.deepest + 2);
    for (let group = 1; group < hidden.length; group++) {
      const parent = this.parent[group];
      hidden[group] = hidden[parent] || folded(parent) ? 1 : 0;
      if (!hidden[group]) (folded(group) ? alwaysAt : closedAt)[this.depth[group] - 1]++;
    }
    for (let row = 0; row < this.graph.count; row++) {
      const group = this.graph.group[row];
      if (this.shows(row) && !hidden[group] && !folded(group)) rowsAt[this.depth[group]]++;
    }
    const found = [];
    let steady = 0;
    for (let depth = 0; depth <= this.deepest; depth++) {
      steady += rowsAt[depth] + alwaysAt[depth];
      found.push(steady + closedAt[depth]);
      if (found[depth] > most) break;
    }
    return found;
  }
}
