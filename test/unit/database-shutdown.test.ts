import { EventEmitter } from 'node:events';
import type { DataSource } from 'typeorm';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Settings } from '../../src/platform/config/settings.js';
import { ShutdownDeadline } from '../../src/platform/config/shutdown-deadline.js';
import { DatabaseShutdown } from '../../src/platform/database/database-shutdown.js';
import { WatchedClient } from '../../src/platform/database/watched-client.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const SETTINGS = { SHUTDOWN_TIMEOUT_SECONDS: 2 } as Settings;

let pool: EventEmitter & { options: { connectionTimeoutMillis: number } };
let deadline: ShutdownDeadline;
let shutdown: DatabaseShutdown;
beforeEach(() => {
  pool = Object.assign(new EventEmitter(), { options: { connectionTimeoutMillis: 5000 } });
  deadline = new ShutdownDeadline(SETTINGS);
  const source = { driver: { master: pool } } as unknown as DataSource;
  shutdown = new DatabaseShutdown(SETTINGS, deadline, source);
});

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

it('counts the time that other parts of the shutdown have used', () => {
  expect(deadline.leftMilliseconds).toBe(2000);
  vi.advanceTimersByTime(1900);
  const running = acquired();
  shutdown.beforeApplicationShutdown();
  vi.advanceTimersByTime(1100);
  expect(running.giveUp).toHaveBeenCalledOnce();
});

it('limits the time to connect once the deadline has passed', () => {
  shutdown.beforeApplicationShutdown();
  vi.advanceTimersByTime(2999);
  expect(pool.options.connectionTimeoutMillis).toBe(5000);
  vi.advanceTimersByTime(1);
  expect(pool.options.connectionTimeoutMillis).toBe(1000);
});
