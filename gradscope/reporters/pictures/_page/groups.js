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

  /** Open every group whose frame lies less than `depth` frames deep, and close the others. */
  openTo(depth) {
    for (let group = 1; group < this.open.length; group++) {
      this.open[group] = this.depth[group] <= depth ? 1 : 0;
    }
  }

  /** Open whatever is closed around an item. */
  reveal(item) {
    for (let group = this.around(item); group > 0; group = this.parent[group]) this.open[group] = 1;
  }

  /** How many boxes the page has at each depth from 0, up to the first that has more than `most`. */
  boxesAtDepths(most) {
    const rowsAt = new Int32Array(this.deepest + 2);
    const groupsAt = new Int32Array(this.deepest + 2);
    for (let row = 0; row < this.graph.count; row++) {
      if (this.shows(row)) rowsAt[this.depth[this.graph.group[row]]]++;
    }
    for (let group = 1; group < this.open.length; group++) groupsAt[this.depth[group]]++;
    const found = [];
    let rows = 0;
    for (let depth = 0; depth <= this.deepest; depth++) {
      rows += rowsAt[depth];
      found.push(rows + groupsAt[depth + 1]);
      if (found[depth] > most) break;
    }
    return found;
  }
}
