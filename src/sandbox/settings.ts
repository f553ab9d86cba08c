import { SandboxOptions } from './sandbox.js';
import { PlatformSettings, platformSwitches } from './faults/platform-switches.js';
import { readSwitches } from './faults/switches.js';

interface Variable {
  name: string;
  help: string;
}

/**
 * The environment, and the text of `--help`.
 *
 * | variable                | meaning                                                         |
 * | ----------------------- | --------------------------------------------------------------- |
 * | SANDBOX_HOST            | address to listen on, 127.0.0.1                                 |
 * | SANDBOX_PORT            | port, 4010; 0 takes any free one                                |
 * | SANDBOX_PUBLIC_URL      | address in the links handed out; default: as the caller came in |
 * | SANDBOX_API_KEYS        | comma-separated keys, sandbox-key                               |
 * | SANDBOX_SPEED           | virtual milliseconds per real one, 1; 0 freezes the clock       |
 * | SANDBOX_SVIX_URL        | where Svix messages go; unset: nowhere                          |
 * | SANDBOX_SVIX_SECRETS    | comma-separated whsec_… list, all of them sign                  |
 * | SANDBOX_PLATFORM        | JSON with any platform switches, see GET /control/switches      |
 * | SANDBOX_LOG             | 1: one line for each change of a job                            |
 */
export const variables: readonly Variable[] = [
  { name: 'SANDBOX_HOST', help: 'address to listen on (127.0.0.1)' },
  { name: 'SANDBOX_PORT', help: 'port (4010; 0 takes any free one)' },
  { name: 'SANDBOX_PUBLIC_URL', help: 'address in the links handed out (as the caller came in)' },
  { name: 'SANDBOX_API_KEYS', help: 'comma-separated keys (sandbox-key)' },
  { name: 'SANDBOX_SPEED', help: 'virtual milliseconds per real one (1; 0 freezes the clock)' },
  { name: 'SANDBOX_SVIX_URL', help: 'where Svix messages go (nowhere)' },
  { name: 'SANDBOX_SVIX_SECRETS', help: 'comma-separated whsec_… list, all of them sign' },
  { name: 'SANDBOX_PLATFORM', help: 'JSON with platform switches, see GET /control/switches' },
  { name: 'SANDBOX_LOG', help: '1: one line for each change of a job (off)' },
];

export interface Settings {
  options: SandboxOptions;
  log: boolean;
}

const DEFAULT_PORT = 4010;

/** All settings, or one error that names everything that is wrong. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = [];
  const port = numberFrom(env, 'SANDBOX_PORT', DEFAULT_PORT, problems);
  const speed = numberFrom(env, 'SANDBOX_SPEED', 1, problems);
  const platform = platformFrom(env, problems);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const apiKeys = listFrom(env, 'SANDBOX_API_KEYS');
  const publicUrl = env['SANDBOX_PUBLIC_URL'];
  return {
    options: {
      host: env['SANDBOX_HOST'] ?? '127.0.0.1',
      port,
      speed,
      platform,
      ...(apiKeys.length > 0 && { apiKeys }),
      ...(publicUrl && { publicUrl: publicUrl.replace(/\/+$/u, '') }),
    },
    log: env['SANDBOX_LOG'] === '1',
  };
}

function platformFrom(env: NodeJS.ProcessEnv, problems: string[]): PlatformSettings {
  const svixSecrets = listFrom(env, 'SANDBOX_SVIX_SECRETS');
  const svixUrl = env['SANDBOX_SVIX_URL'];
  const fromVariables = {
    ...(svixSecrets.length > 0 && { svixSecrets }),
    ...(svixUrl && { svixUrl }),
  };
  const json = env['SANDBOX_PLATFORM'];
  if (!json) return fromVariables;
  try {
    const read = readSwitches(platformSwitches, JSON.parse(json), ['SANDBOX_PLATFORM']);
    if (read.ok) return { ...read.value, ...fromVariables };
    problems.push(...read.issues.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`));
  } catch {
    problems.push('SANDBOX_PLATFORM: not JSON');
  }
  return fromVariables;
}

function numberFrom(
  env: NodeJS.ProcessEnv,
  name: string,
  fallback: number,
  problems: string[],
): number {
  const given = env[name];
  if (!given) return fallback;
  const number = Number(given);
  if (!(number >= 0)) problems.push(`${name}: not a number of 0 or more`);
  return number;
}

function listFrom(env: NodeJS.ProcessEnv, name: string): string[] {
  return (env[name] ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
