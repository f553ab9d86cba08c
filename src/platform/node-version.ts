import { relative } from 'node:path';

/* The first import of each program. The rest is loaded after it, because an older Node cannot load it. */

/** As `engines` of package.json. */
export const NODE_MAJOR = 24;

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
  const program = relative(process.cwd(), process.argv[1] ?? '');
  process.stderr.write(
    `reducto-gateway needs Node ${NODE_MAJOR} or later; this is Node ${process.versions.node}. In a checkout, npm has installed one: npx node ${program}\n`,
  );
  process.exit(1);
}
