import { readFile } from 'node:fs/promises';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { Connection, requestBytes } from './connection.js';
import type { LoadPlan, LoadResult } from './load-plan.js';
import { percentile } from './statistics.js';

/* The load generator, as a process of its own: one plan after the other, each with its result. */

/** A timer of Node's may be late by one; what is left is waited for turn by turn. */
const TIMER_MARGIN_MS = 1.5;

/** How long answers may be outstanding after the last request. */
const LAST_ANSWERS_MS = 10_000;

process.on('message', (plan: LoadPlan) => {
  carryOut(plan).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
process.send?.({ type: 'listening', url: 'none' });

async function carryOut(plan: LoadPlan): Promise<LoadResult> {
  const requests = await requestsOf(plan);
  const connections = await Promise.all(
    Array.from({ length: plan.connections }, () => Connection.open(plan.url)),
  );
  const tally = new Tally(plan.expected);
  const cpu = process.cpuUsage();
  const end = plan.awake === true ? stayAwake() : undefined;
  const begin = performance.now();
  try {
    if (plan.perSecond === undefined) {
      await Promise.all(
        connections.map((connection) => flatOut(connection, requests, begin, plan, tally)),
      );
    } else {
      await byTheClock(connections, requests, begin, plan.perSecond, tally);
    }
  } finally {
    end?.();
    for (const connection of connections) connection.close();
  }
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { ...tally.result(seconds), generatorBusy: (user + system) / 1e6 / seconds };
}

/** Keeps the event loop busy until it is stopped. */
function stayAwake(): () => void {
  let awake = true;
  const turn = (): void => {
    if (awake) globalThis.setImmediate(turn);
  };
  turn();
  return () => {
    awake = false;
  };
}

async function requestsOf(plan: LoadPlan): Promise<Requests> {
  const lines = (await readFile(plan.bodies, 'utf8')).split('\n').filter((line) => line !== '');
  const made = lines.map((body, n) =>
    requestBytes(plan.url, 'POST', { ...plan.headers, ...sender(n, plan.addresses) }, body),
  );
  const most = plan.perSecond === undefined ? Infinity : plan.perSecond * plan.seconds;
  let next = 0;
  return {
    take: () => {
      if (next >= most || (!plan.again && next >= made.length)) return undefined;
      return made[next++ % made.length];
    },
  };
}

/** Of the network that is set aside for benchmarks. */
function sender(n: number, addresses: number | undefined): Record<string, string> {
  if (addresses === undefined) return {};
  const address = n % addresses;
  return { 'x-forwarded-for': `198.18.${Math.floor(address / 250)}.${(address % 250) + 1}` };
}

interface Requests {
  /** `undefined` where there is none any more. */
  take(): Buffer | undefined;
}

class Tally {
  private readonly latencies: number[] = [];
  private readonly wrong: Record<string, number> = {};

  constructor(private readonly expected: number) {}

  add(status: number, milliseconds: number): void {
    this.latencies.push(milliseconds);
    if (status !== this.expected) this.wrong[status] = (this.wrong[status] ?? 0) + 1;
  }

  result(seconds: number): Omit<LoadResult, 'generatorBusy'> {
    const answers = this.latencies.length;
    return {
      answers,
      perSecond: answers / seconds,
      p50Ms: percentile(this.latencies, 0.5),
      p99Ms: percentile(this.latencies, 0.99),
      wrong: this.wrong,
    };
  }
}

/** Sends on one connection, the next as soon as the answer to the last is there. */
function flatOut(
  connection: Connection,
  requests: Requests,
  begin: number,
  { seconds }: LoadPlan,
  tally: Tally,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let sentAt = 0;
    const next = (now: number): void => {
      const request = now - begin < seconds * 1000 ? requests.take() : undefined;
      if (request === undefined) return resolve();
      sentAt = now;
      connection.send(request);
    };
    connection.listen((status) => {
      const now = performance.now();
      tally.add(status, now - sentAt);
      next(now);
    }, reject);
    next(performance.now());
  });
}

/** Sends at appointed times; what finds no free connection waits, and its time runs. */
async function byTheClock(
  connections: readonly Connection[],
  requests: Requests,
  begin: number,
  perSecond: number,
  tally: Tally,
): Promise<void> {
  const free = [...connections];
  const waiting: { request: Buffer; due: number }[] = [];
  const state: { open: number; lost?: Error } = { open: 0 };
  const send = (connection: Connection, request: Buffer, due: number): void => {
    connection.listen(
      (status) => {
        tally.add(status, performance.now() - due);
        state.open -= 1;
        const next = waiting.shift();
        if (next === undefined) free.push(connection);
        else send(connection, next.request, next.due);
      },
      (error) => (state.lost = error),
    );
    connection.send(request);
  };
  for (let n = 0; state.lost === undefined; n++) {
    const request = requests.take();
    if (request === undefined) break;
    const due = begin + (n * 1000) / perSecond;
    await until(due);
    state.open += 1;
    const connection = free.pop();
    if (connection === undefined) waiting.push({ request, due });
    else send(connection, request, due);
  }
  const end = performance.now() + LAST_ANSWERS_MS;
  while (state.open > 0 && state.lost === undefined && performance.now() < end) {
    await setTimeout(1);
  }
  if (state.lost !== undefined) throw state.lost;
  if (state.open > 0) throw new Error(`${state.open} answers did not come`);
}

async function until(due: number): Promise<void> {
  const timer = due - performance.now() - TIMER_MARGIN_MS;
  if (timer > 1) await setTimeout(timer);
  while (performance.now() < due) await setImmediate();
}
