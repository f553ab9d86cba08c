import { expect, it } from 'vitest';
import { GoneWorkers } from '../../src/platform/work/gone-workers.js';

/* When a worker process is taken for dead, by what another one sees each second. */

const START = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number): Date => new Date(START + seconds * 1000);
const LONG_AGO = at(-3600);

interface Look {
  readonly seconds: number;
  readonly locked: readonly number[];
  readonly gone?: readonly number[];
  readonly serverStartedAt?: Date;
}

/** Ids of workers that are dead at the last of `observations`. */
function deadAfter(observations: readonly Look[], workers = new GoneWorkers()): number[] {
  let dead: number[] = [];
  for (const { seconds, locked, gone = [], serverStartedAt = LONG_AGO } of observations) {
    const known = [
      ...locked.map((id) => ({ id, isLocked: true })),
      ...gone.map((id) => ({ id, isLocked: false })),
    ];
    dead = workers
      .observe({ at: at(seconds), serverStartedAt, workers: known })
      .map(({ id }) => id);
  }
  return dead;
}

it('takes a worker for dead whose lock has been gone for a second', () => {
  expect(
    deadAfter([
      { seconds: 0, locked: [1, 2] },
      { seconds: 5, locked: [1], gone: [2] },
      { seconds: 6, locked: [1], gone: [2] },
    ]),
  ).toEqual([2]);
});

it('waits for a second with a worker whose lock is seen gone for the first time', () => {
  expect(
    deadAfter([
      { seconds: 0, locked: [1, 2] },
      { seconds: 5, locked: [1], gone: [2] },
      { seconds: 5.9, locked: [1], gone: [2] },
    ]),
  ).toEqual([]);
});

it('forgives a worker that has its lock again', () => {
  expect(
    deadAfter([
      { seconds: 0, locked: [1] },
      { seconds: 5, locked: [], gone: [1] },
      { seconds: 5.5, locked: [1] },
      { seconds: 6, locked: [], gone: [1] },
      { seconds: 6.5, locked: [], gone: [1] },
    ]),
  ).toEqual([]);
});

it('declares no worker dead within two seconds after its own session was opened', () => {
  const observations = [
    { seconds: 0, locked: [], gone: [1] },
    { seconds: 1.9, locked: [], gone: [1] },
  ];
  expect(deadAfter(observations)).toEqual([]);
  expect(deadAfter([...observations, { seconds: 2, locked: [], gone: [1] }])).toEqual([1]);
});

it('declares no worker dead within two seconds after its session was opened again', () => {
  const workers = new GoneWorkers();
  deadAfter([{ seconds: 0, locked: [1] }], workers);
  workers.reset();
  expect(
    deadAfter(
      [
        { seconds: 60, locked: [], gone: [1] },
        { seconds: 61.5, locked: [], gone: [1] },
      ],
      workers,
    ),
  ).toEqual([]);
});

it('declares no worker dead within two seconds after PostgreSQL started', () => {
  const serverStartedAt = at(60);
  expect(
    deadAfter([
      { seconds: 0, locked: [1] },
      { seconds: 60.2, locked: [], gone: [1], serverStartedAt },
      { seconds: 61.9, locked: [], gone: [1], serverStartedAt },
    ]),
  ).toEqual([]);
});

it('dates a death by the first time that the lock was seen gone', () => {
  const workers = new GoneWorkers();
  deadAfter(
    [
      { seconds: 0, locked: [1] },
      { seconds: 5, locked: [], gone: [1] },
    ],
    workers,
  );
  const observation = {
    at: at(9),
    serverStartedAt: LONG_AGO,
    workers: [{ id: 1, isLocked: false }],
  };
  expect(workers.observe(observation)).toEqual([{ id: 1, since: at(5) }]);
});
