import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

/** Imports the built gateway in a process of its own, and says which files of OpenTelemetry that brought in. */
function importedBy(script: string): string {
  const hook = `
    import { registerHooks } from 'node:module';
    registerHooks({ resolve(specifier, context, next) {
      const found = next(specifier, context);
      if (found.url.includes('@opentelemetry')) process.stdout.write(found.url + '\\n');
      return found;
    } });`;
  const asData = `data:text/javascript,${encodeURIComponent(hook)}`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', asData, '--input-type=module', '--eval', script],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

const SDK = /sdk-trace|exporter-trace|context-async-hooks/;

it('without a collector the SDK of traces is not even imported', () => {
  const loaded = importedBy(`await import('./dist/src/app.setup.js')`);
  expect(loaded).toContain('@opentelemetry/api');
  expect(loaded).not.toMatch(SDK);
  expect(importedBy(`await import('./dist/src/platform/tracing/otlp.js')`)).toMatch(SDK);
});
