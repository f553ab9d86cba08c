/**
 * What has to be undone however this process ends: also where it is interrupted, or leaves in the
 * middle of a run. Everything in it is synchronous, because an exit waits for nothing.
 */
const undoings = new Set<() => void>();

/** Registers `undo`; the answer takes it off again. */
export function undoAtExit(undo: () => void): () => void {
  if (undoings.size === 0) listen();
  undoings.add(undo);
  return () => {
    undoings.delete(undo);
    if (undoings.size === 0) stopListening();
  };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function undoAll(): void {
  for (const undo of [...undoings].toReversed()) {
    try {
      undo();
    } catch (error) {
      process.stderr.write(`clean-up: ${String(error)}\n`);
    }
  }
  undoings.clear();
}

function onSignal(): void {
  process.exit(130);
}

function listen(): void {
  process.once('exit', undoAll);
  for (const signal of SIGNALS) process.once(signal, onSignal);
}

function stopListening(): void {
  process.off('exit', undoAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}
