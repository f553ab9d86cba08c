/* SIGTERM and SIGINT from the first moment on: without a handler, a process that is PID 1 ignores them. */

/** How long an aborted start may clean up. */
const CLEAN_UP_MILLISECONDS = 700;

/** Ctrl-C reaches a process below npm twice: from the terminal, and from npm, which passes it on. */
const REPEAT_MILLISECONDS = 500;

const EXIT_CODES = { SIGTERM: 143, SIGINT: 130 } as const;

export type StopSignal = keyof typeof EXIT_CODES;

const cleanUps = new Set<() => Promise<unknown>>();
let handle: (signal: StopSignal) => void = abortStart;
let isAborted = false;

/** Handles stop signals: they abort the start, until `stopWith` says what else they do. Call it first of all. */
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

/** From now on, `stop` handles the stop signals. */
export function stopWith(stop: (signal: StopSignal) => void): void {
  if (!isAborted) handle = stop;
}

/** Whether a stop signal has aborted the start. What fails from then on fails because of it. */
export function isStartAborted(): boolean {
  return isAborted;
}

/** Runs `cleanUp` where a signal aborts the start. Returns a function that unregisters it. */
export function onAbortedStart(cleanUp: () => Promise<unknown>): () => void {
  cleanUps.add(cleanUp);
  return () => void cleanUps.delete(cleanUp);
}

/** Nothing has been accepted yet, so nothing has to be finished; connections end with the process. */
function abortStart(signal: StopSignal): void {
  if (isAborted) process.exit(EXIT_CODES[signal]);
  isAborted = true;
  const exit = (): void => process.exit(EXIT_CODES[signal]);
  setTimeout(exit, CLEAN_UP_MILLISECONDS);
  void Promise.allSettled([...cleanUps].map((cleanUp) => cleanUp())).then(exit);
}
