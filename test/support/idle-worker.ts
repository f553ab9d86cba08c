import { vi } from 'vitest';
import { IntervalScheduler } from '../../src/platform/schedule/interval-scheduler.js';
import { WorkEngine } from '../../src/platform/work/work-engine.js';
import { eventually, startGateway, type TestGateway } from './gateway.js';
import { WorkerLock } from '../../src/platform/work/worker-lock.js';

/** A gateway with the providers of all roles whose workers do nothing by themselves: the test calls them. */
export async function startIdleGateway(
  settings: Record<string, string> = {},
  sandboxOptions: Parameters<typeof startGateway>[1] = {},
): Promise<TestGateway> {
  const starts = [
    vi.spyOn(WorkEngine.prototype, 'addLeased').mockReturnValue({
      wakeForMore: () => undefined,
      grant: () => undefined,
    }),
    vi.spyOn(WorkEngine.prototype, 'addBatch').mockReturnValue(undefined),
    vi.spyOn(IntervalScheduler.prototype, 'every').mockReturnValue(undefined),
  ];
  try {
    const gateway = await startGateway(settings, sandboxOptions);
    const lock = gateway.app.get(WorkerLock, { strict: false });
    // Nothing is sent without it.
    await eventually('the lock of the worker', () => lock.heldBy);
    return gateway;
  } finally {
    for (const start of starts) start.mockRestore();
  }
}
