import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that may pass through before V8 is told. */
const STRIDE_BYTES = 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');

/**
 * Passes `bytes` on and lets V8 clear away, every MiB, the buffers that are done with. By itself V8
 * does so only once tens of megabytes have piled up, because it sees the small objects and not the
 * memory behind them: a 90 MB upload raised the process by 80 MB. A collection of the young objects
 * takes well under a millisecond.
 */
export async function* collectYoungGarbage(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let passed = 0;
  for await (const chunk of bytes) {
    yield chunk;
    passed += chunk.length;
    if (passed < STRIDE_BYTES) continue;
    passed = 0;
    if (typeof collect === 'function') collect({ type: 'minor' });
  }
}
