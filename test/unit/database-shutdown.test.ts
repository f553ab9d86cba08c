import { EventEmitter } from 'node:events';
import type { DataSource } from 'typeorm';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Settings } from '../../src/platform/config/settings.js';
import { DatabaseShutdown } from '../../src/platform/database/database-shutdown.js';
import { WatchedClient } from '../../src/platform/database/watched-client.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pool = new EventEmitter();
const shutdown = new DatabaseShutdown(
  { SHUTDOWN_TIMEOUT_SECONDS: 2 } as Settings,
  { driver: { master: pool } } as unknown as DataSource,
);

function acquired(): { giveUp: unknown } {
  const client = Object.create(WatchedClient.prototype, { giveUp: { value: vi.fn<() => void>() } });
  pool.emit('acquire', client);
  return client;
}

it('gives up each statement a second after the deadline, also one that begins later', () => {
  const [running, finished] = [acquired(), acquired()];
  pool.emit('release', undefined, finished);
  shutdown.beforeApplicationShutdown();
  vi.advanceTimersByTime(2999);
  expect(running.giveUp).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(running.giveUp).toHaveBeenCalledOnce();
  expect(finished.giveUp).not.toHaveBeenCalled();

  const [late, quick] = [acquired(), acquired()];
  vi.advanceTimersByTime(500);
  pool.emit('release', undefined, quick);
  const later = acquired();
  vi.advanceTimersByTime(500);
  expect(late.giveUp).toHaveBeenCalledOnce();
  expect(quick.giveUp).not.toHaveBeenCalled();
  expect(later.giveUp).not.toHaveBeenCalled();
});
