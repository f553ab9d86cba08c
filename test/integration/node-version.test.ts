import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { NODE_MAJOR } from '../../src/platform/node-version.js';
import { run } from '../support/processes.js';

/* The built programs as an older Node runs them. */

const OLD = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})`;

it.each(['dist/src/cli.js', 'dist/src/main.js', 'dist/src/dev/demo/main.js'])(
  '%s says on an older Node which one it needs, and how to use it',
  async (program) => {
    const { code, stdout, stderr } = await run(['--import', OLD, program, 'doctor']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(
      `reducto-gateway needs Node 24 or later; this is Node 20.20.2. In a checkout, npm has installed one: npx node ${program}\n`,
    );
  },
);

it('the sandbox says on an older Node which one it needs, and how to use it', async () => {
  const { code, stderr } = await run(['--import', OLD, 'dist/src/sandbox/main.js']);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      'The sandbox needs Node 24 or later; this is Node 20.20.2. In a checkout, npm has installed one: npm run sandbox\n',
  });
});

it.each(['src/cli.ts', 'src/main.ts'])(
  '%s loads nothing before the check that an older Node may lack',
  async (program) => {
    const imports = (await readFile(program, 'utf8')).match(/^import .*/gm);
    expect(imports).toEqual([
      "import './platform/node-version.js';",
      "import { handleStopSignals } from './platform/stop-signals.js';",
    ]);
  },
);

it('needs the Node that package.json asks for', async () => {
  const { engines } = JSON.parse(await readFile('package.json', 'utf8'));
  expect(engines.node).toBe(`>=${NODE_MAJOR}`);
});
