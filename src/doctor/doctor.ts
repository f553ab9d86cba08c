import type { Settings } from '../platform/config/settings.js';
import { checkCallbackAddress } from './callback-check.js';
import { checkCertificate } from './certificate-check.js';
import { checkDatabase } from './database-check.js';
import { checkDisk } from './disk-check.js';
import { fail, type Finding } from './finding.js';
import { reasonOf } from './reasons.js';
import { checkReducto } from './reducto-check.js';
import { checkSettings } from './setting-checks.js';

const TIMEOUT_MILLISECONDS = 10_000;

const AGAIN = 'check the network, and run the doctor again';

type Check = (settings: Settings, signal: AbortSignal) => Promise<Finding[]>;

export interface DoctorInput {
  readonly settings: Settings;
  /** Problems of the settings; an invalid setting has its default. */
  readonly problems: readonly string[];
  /** The database is the embedded one, on a disk of this machine. */
  readonly embedded?: boolean;
  readonly timeoutMilliseconds?: number;
}

/** Checks what a gateway with these settings needs, and changes nothing. Each check ends within its timeout. */
export async function examine({
  settings,
  problems,
  embedded = false,
  timeoutMilliseconds = TIMEOUT_MILLISECONDS,
}: DoctorInput): Promise<Finding[]> {
  const run = (name: string, check: Check): Promise<Finding[]> =>
    withCheckTimeout(name, timeoutMilliseconds, (signal) => check(settings, signal));
  const found = await Promise.all([
    run('database', checkDatabase),
    embedded ? run('disk', checkDisk) : [],
    run('reducto', checkReducto),
    run('callback address', checkCallbackAddress),
    run('certificate', checkCertificate),
  ]);
  return [...checkSettings(settings, problems), ...found.flat()];
}

/** Returns a finding about the timeout if `check` ignores its signal. */
export async function withCheckTimeout(
  name: string,
  milliseconds: number,
  check: (signal: AbortSignal) => Promise<Finding[]>,
): Promise<Finding[]> {
  const signal = AbortSignal.timeout(milliseconds);
  const timedOut = new Promise<Finding[]>((resolve) =>
    signal.addEventListener('abort', () =>
      // A check that obeys the signal reports more detail, so it gets time to answer first.
      setTimeout(
        () => resolve([fail(name, `no answer within ${milliseconds / 1000} s`, AGAIN)]),
        200,
      ),
    ),
  );
  const findings = check(signal).catch((error: unknown) => [
    fail(name, `the check itself failed: ${reasonOf(error)}`, AGAIN),
  ]);
  return Promise.race([findings, timedOut]);
}
