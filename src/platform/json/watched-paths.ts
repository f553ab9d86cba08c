/**
 * A tree of the places to report. `label` marks a place, `members` leads to the members of an object, `elements` to
 * every element of an array.
 */
export interface WatchedPaths {
  readonly label?: string;
  readonly members?: ReadonlyMap<string, WatchedPaths>;
  readonly elements?: WatchedPaths;
}

/** `{ 'result.items.*.id': 'id' }` as a tree; `*` stands for every element of an array. */
export function watchedPaths(paths: Readonly<Record<string, string>>): WatchedPaths {
  interface Node {
    label?: string;
    members?: Map<string, Node>;
    elements?: Node;
  }
  const root: Node = {};
  for (const [path, label] of Object.entries(paths)) {
    let node = root;
    for (const step of path === '' ? [] : path.split('.')) {
      if (step === '*') {
        node = node.elements ??= {};
      } else {
        node.members ??= new Map();
        const next: Node = node.members.get(step) ?? {};
        node.members.set(step, next);
        node = next;
      }
    }
    node.label = label;
  }
  return root;
}
