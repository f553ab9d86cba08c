import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayClient } from './client.js';
import { isDelivered, judgeEvents } from './event-verdict.js';
import { planFaults, type FaultKind } from './fault-schedule.js';
import { FaultInjector } from './faults.js';
import { planJobs, SERVICES } from './job-mix.js';
import { EventReceivers, listEvents } from './receivers.js';
import { describeFaults, describeLast, describeRun, describeViolation } from './report.js';
import { SandboxControl } from './sandbox-control.js';
import { SimulatedServices } from './service.js';
import { judge, type Violation } from './verdict.js';
import { startWorld, type World } from './world.js';

export interface RunOptions {
  readonly seed: number;
  readonly jobs: number;
  /** How long jobs come in and faults happen; then it takes as long as the last job takes. */
  readonly forMs: number;
  readonly longestPauseMs: number;
  readonly without: readonly FaultKind[];
  /** Leaves the output of the programs where it is, also where nothing was found. */
  readonly keep: boolean;
  /** Hears how it goes, and at the end the report. */
  readonly say: (text: string) => void;
}

const REPLICAS = 2;

/** Longer than any lease, timeout or retry that the gateway may have to sit out after a fault. */
const STUCK_AFTER_MS = 180_000;

/** In which callbacks that are sent again, and replicas that were paused, can still do harm. */
const AFTERMATH_MS = 3_000;

/** Violations that are printed whole; the report has all of them. */
const SHOWN = 5;

const PROGRESS_MS = 10_000;

/** One run: faults and jobs at once, and then the comparison. */
export async function runFaults(options: RunOptions): Promise<readonly Violation[]> {
  const world = await startWorld(REPLICAS);
  const receivers = new EventReceivers(options.seed);
  let violations: readonly Violation[] | undefined;
  try {
    violations = await runIn(world, receivers, options);
    return violations;
  } finally {
    receivers.close();
    await world.close(options.keep || violations?.length !== 0);
  }
}

async function runIn(
  world: World,
  receivers: EventReceivers,
  options: RunOptions,
): Promise<readonly Violation[]> {
  const { seed, forMs, say } = options;
  const started = performance.now();
  const answers = new Map<string, number>();
  const over = new AbortController();
  const keys = await createKeys(world);
  const clients = (signal: AbortSignal): Map<string, GatewayClient> =>
    new Map(
      keys.map(({ service, key }) => [service, new GatewayClient(world.url, key, answers, signal)]),
    );

  for (const [service, client] of clients(AbortSignal.timeout(30_000)))
    await receivers.add(service, client);
  const sandbox = new SandboxControl(world.sandboxUrl);
  const injector = new FaultInjector(world, sandbox);
  const services = new SimulatedServices(clients(over.signal));
  const progress = setInterval(
    () => say(`${services.progress()}, ${injector.injected.length} faults done`),
    PROGRESS_MS,
  );
  const living = services.run(planJobs(seed, options.jobs, forMs));
  await injector.run(planFaults({ ...options, withinMs: forMs, replicas: REPLICAS }));
  const faultsEnded = performance.now();
  const timeout = setTimeout(() => over.abort(), STUCK_AFTER_MS);
  await living;
  clearTimeout(timeout);
  clearInterval(progress);
  const settledAfterSeconds = (performance.now() - faultsEnded) / 1_000;
  await sleep(AFTERMATH_MS);
  await services.readAgain(clients(AbortSignal.timeout(30_000)));

  const { records } = services;
  const { endpoints, receipts } = receivers;
  const delivered = { records, endpoints, receipts, listed: [] };
  await receivers.settle(() => isDelivered(delivered), STUCK_AFTER_MS);
  const last = clients(AbortSignal.timeout(30_000));
  const listed = (
    await Promise.all([...last].map(([service, client]) => listEvents(service, client)))
  ).flat();
  const upstream = await sandbox.jobs();
  const { injected } = injector;
  const surprises = world.replicas.flatMap(({ program }) => program.surprises);
  const jobs = judge({ records, upstream, injected, surprises });
  const events = judgeEvents({ records, endpoints, receipts, listed });
  const verdict = { ...jobs, violations: [...jobs.violations, ...events] };
  const facts = {
    seed,
    directory: world.directory,
    seconds: (performance.now() - started) / 1_000,
    settledAfterSeconds,
    records,
    receipts,
    upstreamCount: upstream.length,
    injected,
    answers,
    earlyAnswers: services.earlyAnswers,
    failedStarts: world.replicas.reduce((sum, { program }) => sum + program.failedStarts, 0),
    verdict,
  };
  say(describeRun(facts));
  const details = await describeAll(verdict.violations, sandbox);
  await writeFile(
    join(world.directory, 'report.txt'),
    [describeRun(facts), details, describeFaults(injected), describeLast(records)].join('\n\n'),
  );
  if (verdict.violations.length > 0)
    say(await describeAll(verdict.violations.slice(0, SHOWN), sandbox));
  if (verdict.violations.length > 0 || options.keep)
    say(`all of it, the faults and the output of the programs: ${world.directory}`);
  return verdict.violations;
}

async function createKeys(world: World): Promise<{ service: string; key: string }[]> {
  const answers = new Map<string, number>();
  const signal = AbortSignal.timeout(30_000);
  const admin = new GatewayClient(world.url, world.adminKey, answers, signal);
  const keys: { service: string; key: string }[] = [];
  for (const service of SERVICES) {
    const body = { service, scopes: ['jobs'] };
    const answer = await admin.insist('POST', '/v1/admin/keys', { body });
    keys.push({ service, key: String(answer?.body['key']) });
  }
  return keys;
}

async function describeAll(
  violations: readonly Violation[],
  sandbox: SandboxControl,
): Promise<string> {
  const callbacks = new Map<string, string[]>();
  for (const { id } of violations.flatMap(({ upstream }) => upstream)) {
    callbacks.set(id, await sandbox.deliveries(id));
  }
  return violations.map((violation) => describeViolation(violation, callbacks)).join('\n\n');
}
