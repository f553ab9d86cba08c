import { readdirSync, readFileSync } from 'node:fs';

/** How the kernel counts; the same wherever Node runs on Linux. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU that a process has used; `undefined` where the system does not tell. */
export function cpuSecondsOf(pid: number | undefined): number | undefined {
  return read(pid)?.seconds;
}

/** The same for a process and those that it has started, also those that have ended. */
export function cpuSecondsOfFamily(parent: number): number | undefined {
  const own = read(parent);
  if (own === undefined) return undefined;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => read(Number(name)))
    .filter((stat) => stat?.parent === parent)
    .reduce((sum, stat) => sum + (stat?.seconds ?? 0), own.seconds + own.endedSeconds);
}

interface CpuTime {
  readonly parent: number;
  readonly seconds: number;
  /** Of its children that have ended. */
  readonly endedSeconds: number;
}

function read(pid: number | undefined): CpuTime | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const seconds = (user: number): number =>
      (Number(fields[user]) + Number(fields[user + 1])) / TICKS_PER_SECOND;
    return { parent: Number(fields[1]), seconds: seconds(11), endedSeconds: seconds(13) };
  } catch {
    return undefined;
  }
}
