import { setImmediate } from 'node:timers/promises';

const MAX_TURN_MILLISECONDS = 5;

/** Splits long work into turns of the event loop, so that other requests are served in between. */
export class FairTurns {
  private startedAt = performance.now();

  /** Waits for the next turn once this one has lasted long enough. Call it between steps of a few milliseconds. */
  async pause(): Promise<void> {
    if (performance.now() - this.startedAt < MAX_TURN_MILLISECONDS) return;
    await setImmediate();
    this.startedAt = performance.now();
  }
}

/** Work in steps: yields where the caller can pause. */
type Steps<Result> = Generator<undefined, Result>;

export function runAtOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Runs the steps in several turns of the event loop. */
export async function runFairly<Result>(steps: Steps<Result>): Promise<Result> {
  const turns = new FairTurns();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await turns.pause();
  }
}
