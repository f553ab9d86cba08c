import { vi } from 'vitest';
import { JobTaskHandlers } from '../../src/jobs/polling/job-task-handlers.js';
import { SubmissionWorker } from '../../src/jobs/submission/submission-worker.js';
import { IntervalScheduler } from '../../src/platform/schedule/interval-scheduler.js';
import { CallbackRelay } from '../../src/webhooks/relay/callback-relay.js';
import { startGateway, type TestGateway } from './gateway.js';

/** A gateway with the providers of all roles whose workers do nothing by themselves: the test calls them. */
export async function startIdleGateway(
  settings: Record<string, string> = {},
): Promise<TestGateway> {
  const starts = [
    vi.spyOn(JobTaskHandlers.prototype, 'onModuleInit'),
    vi.spyOn(SubmissionWorker.prototype, 'onModuleInit'),
    vi.spyOn(CallbackRelay.prototype, 'onModuleInit'),
    vi.spyOn(IntervalScheduler.prototype, 'every'),
  ].map((start) => start.mockImplementation(() => undefined));
  try {
    return await startGateway(settings);
  } finally {
    for (const start of starts) start.mockRestore();
  }
}
