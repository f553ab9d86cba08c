/* The sandbox as a process. An older Node cannot load the rest. It imports nothing of the gateway, not even this check. */

/** As `engines` of package.json. */
export const NODE_MAJOR = 24;

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
  process.stderr.write(
    `The sandbox needs Node ${NODE_MAJOR} or later; this is Node ${process.versions.node}. In a checkout, npm has installed one: npm run sandbox\n`,
  );
  process.exit(1);
}
await import('./process.js');
