import { expect, it } from 'vitest';
import { run } from '../support/processes.js';

it('completes the demo in at most 50 lines without log lines, and names the console', async () => {
  const { code, stdout, stderr } = await run(['dist/src/dev/demo/main.js']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/Console: http:\/\/127\.0\.0\.1:\d+\/admin/);
  expect(stdout).toContain('settled by the reconciler');
  expect(stdout).toMatch(
    /attempt 1: .*503\n.*attempt 2: .*connection.*\n.*attempt 3: accepted with 204/,
  );
  expect(stdout).toContain('refused with 401');
  expect(stdout).not.toContain('"level"');
  expect(stdout.split('\n').length).toBeLessThanOrEqual(50);
});
