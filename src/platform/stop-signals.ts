/* Handles SIGTERM and SIGINT from the start: PID 1 ignores signals without a handler. */

/** How long an aborted start may clean up. */
const CLEAN_UP_MILLISECONDS = 700;

/** npm forwards Ctrl-C, so the process receives it twice. */
const REPEAT_MILLISECONDS = 500;

const EXIT_CODES = { SIGTERM: 143, SIGINT: 130 } as const;

export type StopSignal = keyof typeof EXIT_CODES;

const cleanUps = new Set<() => Promise<unknown>>();
let handle: (signal: StopSignal) => void = abortStart;
let isAborted = false;

/** Makes stop signals abort the start, until `stopWith` replaces the handler. Call it first. */
export function handleStopSignals(): void {
  process.on('SIGTERM', () => handle('SIGTERM'));
  let lastInterrupt = -Infinity;
  process.on('SIGINT', () => {
    const isRepeat = performance.now() - lastInterrupt < REPEAT_MILLISECONDS;
    lastInterrupt = performance.now();
    if (!isRepeat) handle('SIGINT');
  });
  // Started by another program (the demo, a test): the process must not outlive it.
  if (process.send !== undefined) process.once('disconnect', () => handle('SIGTERM'));
}

/** Makes `stop` handle the stop signals from now on. */
export function stopWith(stop: (signal: StopSignal) => void): void {
  if (!isAborted) handle = stop;
}

/** Whether a stop signal has aborted the start, so that later errors are its consequence. */
export function isStartAborted(): boolean {
  return isAborted;
}

/** Runs `cleanUp` if a signal aborts the start. Returns a function that unregisters it. */
export function onAbortedStart(cleanUp: () => Promise<unknown>): () => void {
  cleanUps.add(cleanUp);
  return () => void cleanUps.delete(cleanUp);
}

/** The process has accepted no request yet, and its connections end with it. */
function abortStart(signal: StopSignal): void {
  if (isAborted) process.exit(EXIT_CODES[signal]);
  isAborted = true;
  const exit = (): void => process.exit(EXIT_CODES[signal]);
  setTimeout(exit, CLEAN_UP_MILLISECONDS);
  void Promise.allSettled([...cleanUps].map((cleanUp) => cleanUp())).then(exit);
}
