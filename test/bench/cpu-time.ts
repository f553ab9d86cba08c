import { readdirSync, readFileSync } from 'node:fs';

/** How the kernel counts; the same wherever Node runs on Linux. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU that a process has used; `undefined` where the system does not tell. */
export function cpuSecondsOf(pid: number | undefined): number | undefined {
  return read(pid)?.seconds;
}

/** The same for a process and those that it has started; ends of some in between are not seen. */
export function cpuSecondsOfFamily(parent: number): number | undefined {
  const own = read(parent);
  if (own === undefined) return undefined;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => read(Number(name)))
    .filter((stat) => stat?.parent === parent)
    .reduce((sum, stat) => sum + (stat?.seconds ?? 0), own.seconds);
}

function read(pid: number | undefined): { parent: number; seconds: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11]) + Number(fields[12]);
    return { parent: Number(fields[1]), seconds: ticks / TICKS_PER_SECOND };
  } catch {
    return undefined;
  }
}
