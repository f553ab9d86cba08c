/**
 * A tree of the places to report. `label` marks a place, `members` leads to the members of an object, `rest` to its
 * other members, and `elements` to every element of an array. The tree may contain itself.
 */
export interface WatchedPaths {
  readonly label?: string;
  /** Whether only strings are reported. */
  readonly onlyStrings?: boolean;
  readonly members?: ReadonlyMap<string, WatchedPaths>;
  readonly rest?: WatchedPaths;
  readonly elements?: WatchedPaths;
}

interface Node {
  label?: string;
  onlyStrings?: boolean;
  members?: Map<string, Node>;
  rest?: Node;
  elements?: Node;
}

/** Reports nothing below it. */
const NOTHING: Node = {};

/**
 * `{ 'result.items.*.id': 'id' }` as a tree. `*` stands for every element of an array, a last `**` for every string at
 * any depth that has no path of its own, and `null` for a place where nothing is reported.
 */
export function watchedPaths(paths: Readonly<Record<string, string | null>>): WatchedPaths {
  const root: Node = {};
  for (const [path, label] of Object.entries(paths)) {
    const steps = path === '' ? [] : path.split('.');
    const isDeep = steps.at(-1) === '**';
    const node = (isDeep ? steps.slice(0, -1) : steps).reduce(child, root);
    if (isDeep) node.rest = label === null ? NOTHING : everyString(label);
    else if (label === null) node.rest = NOTHING;
    else node.label = label;
  }
  inherit(root, undefined);
  return root;
}

function child(node: Node, step: string): Node {
  if (step === '*') return (node.elements ??= {});
  node.members ??= new Map();
  const next = node.members.get(step) ?? {};
  node.members.set(step, next);
  return next;
}

function everyString(label: string): Node {
  const node: Node = { label, onlyStrings: true };
  node.rest = node;
  node.elements = node;
  return node;
}

/** Gives `**` to the places below that have paths of their own. */
function inherit(node: Node, inherited: Node | undefined): void {
  const own = node.rest;
  const rest = own ?? inherited;
  for (const next of [...(node.members?.values() ?? []), node.elements]) {
    if (next !== undefined) inherit(next, rest);
  }
  if (rest === undefined || rest === NOTHING) return;
  node.rest = rest;
  node.elements ??= rest;
}
