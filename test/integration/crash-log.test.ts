import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/* The built module in a process of its own, which the error ends. */

const PROGRAM = `
  import { logCrashes } from './dist/src/platform/logging/crash-log.js';
  import { createLogger, NestLogger } from './dist/src/platform/logging/logger.js';
  const settings = { LOG_LEVEL: 'info', LOG_FORMAT: 'json', NODE_ENV: 'production' };
  const log = new NestLogger(createLogger(settings));
  logCrashes((err, origin) => log.fatal({ msg: 'it ends', origin, err }));
`;

async function crash(statement: string): Promise<{ code: unknown; output: string }> {
  const args = ['--input-type=module', '--eval', `${PROGRAM}${statement}`];
  const failed: unknown = await promisify(execFile)(process.execPath, args).catch(
    (error: unknown) => error,
  );
  const { code, stdout, stderr } = failed as { code: unknown; stdout: string; stderr: string };
  return { code, output: stdout + stderr };
}

it.each([
  ['an exception', 'setTimeout(() => { throw error; });'],
  ['a rejected promise', 'void Promise.reject(error);'],
])('logs %s that is not handled, without the values of the statement', async (_case, thrown) => {
  const made = `const error = Object.assign(new Error('no'), { parameters: ['salary'] });`;
  const { code, output } = await crash(`${made}${thrown}`);
  expect(code).toBe(1);
  expect(output).not.toContain('salary');
  expect(JSON.parse(output)).toMatchObject({
    level: 'fatal',
    err: { type: 'Error', message: 'no' },
  });
});

it('logs a rejected promise whose reason is an object', async () => {
  const { code, output } = await crash(`void Promise.reject({ code: 'E_ROUTE', data: 'salary' });`);
  expect(code).toBe(1);
  expect(output).toContain('code: E_ROUTE');
  expect(output).not.toContain('salary');
});
