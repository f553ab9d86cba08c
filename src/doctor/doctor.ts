import type { Settings } from '../platform/config/settings.js';
import { checkCallbackAddress } from './callback-check.js';
import { checkCertificate } from './certificate-check.js';
import { checkDatabase } from './database-check.js';
import { checkDisk } from './disk-check.js';
import { fail, type Finding } from './finding.js';
import { reasonOf } from './reasons.js';
import { checkReducto } from './reducto-check.js';
import { checkSettings } from './setting-checks.js';

/** How long a check may take. */
const TIMEOUT_MILLISECONDS = 10_000;

type Check = (settings: Settings, signal: AbortSignal) => Promise<Finding[]>;

export interface Examined {
  readonly settings: Settings;
  /** What is wrong with the settings; where that is so they have their defaults. */
  readonly problems: readonly string[];
  /** The database is the embedded one, on a disk of this machine. */
  readonly embedded?: boolean;
  /** For each check. */
  readonly timeoutMilliseconds?: number;
}

/**
 * Checks everything that a gateway with these settings needs, and changes nothing. Checks are independent, and
 * each has a timeout.
 */
export async function examine({
  settings,
  problems,
  embedded = false,
  timeoutMilliseconds = TIMEOUT_MILLISECONDS,
}: Examined): Promise<Finding[]> {
  const inTime = (name: string, check: Check): Promise<Finding[]> =>
    limited(name, timeoutMilliseconds, (signal) => check(settings, signal));
  const found = await Promise.all([
    inTime('database', checkDatabase),
    embedded ? inTime('disk', checkDisk) : [],
    inTime('reducto', checkReducto),
    inTime('callback address', checkCallbackAddress),
    inTime('certificate', checkCertificate),
  ]);
  return [...checkSettings(settings, problems), ...found.flat()];
}

/** What `check` finds, or that it found nothing in time: also where it does not listen to its signal. */
export async function limited(
  name: string,
  milliseconds: number,
  check: (signal: AbortSignal) => Promise<Finding[]>,
): Promise<Finding[]> {
  const signal = AbortSignal.timeout(milliseconds);
  const late = new Promise<Finding[]>((resolve) =>
    signal.addEventListener('abort', () =>
      // A check that handles the signal reports better, and may do so first.
      setTimeout(() => resolve([fail(name, `no answer within ${milliseconds / 1000} s`)]), 200),
    ),
  );
  const made = check(signal).catch((error: unknown) => [
    fail(name, `the check itself failed: ${reasonOf(error)}`),
  ]);
  return Promise.race([made, late]);
}
