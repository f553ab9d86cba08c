import { vi } from 'vitest';

/** In how many turns of the event loop `work` is done if each of its steps takes long. */
export async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
  try {
    await work();
  } finally {
    clock.mockRestore();
    clearImmediate(next);
  }
  return turns;
}
