import { expect, it } from 'vitest';
import { rollingUpgrade } from './rolling-upgrade.js';

/*
 * From this build to itself, with a migration in between; from another one with its folder:
 *
 *   UPGRADE_FROM=../older npx vitest run test/upgrade
 */

it('replaces two replicas under load, and back, without losing or duplicating a job or a callback', async () => {
  const { accepted, callbacks, answers, ...wrong } = await rollingUpgrade({
    from: process.env['UPGRADE_FROM'],
    stateMs: 2000,
    everyMs: 40,
    say: (text) => void process.stdout.write(`${text}\n`),
  });
  process.stdout.write(`${accepted} jobs, ${callbacks} callbacks\n${[...answers].join('\n')}\n`);
  expect(wrong).toEqual({ lost: [], forgotten: [], doubled: [], surprises: [] });
  expect(accepted).toBeGreaterThan(150);
  expect(callbacks).toBeGreaterThan(80);
}, 300_000);
