import { SandboxOptions } from './sandbox.js';
import { PlatformSettings, platformSwitches } from './faults/platform-switches.js';
import { readSwitches } from './faults/switches.js';

interface Variable {
  name: string;
  help: string;
}

/** The environment variables, with their `--help` texts. */
export const variables: readonly Variable[] = [
  { name: 'SANDBOX_HOST', help: 'address to listen on (default 127.0.0.1)' },
  { name: 'SANDBOX_PORT', help: 'port (default 4010; 0 selects a free port)' },
  {
    name: 'SANDBOX_PUBLIC_URL',
    help: 'base URL of the links in responses (default: the host of the request)',
  },
  { name: 'SANDBOX_API_KEYS', help: 'comma-separated API keys (default sandbox-key)' },
  {
    name: 'SANDBOX_SPEED',
    help: 'virtual milliseconds per real millisecond (default 1; 0 stops the clock)',
  },
  { name: 'SANDBOX_SVIX_URL', help: 'URL that receives Svix messages (default: none are sent)' },
  { name: 'SANDBOX_SVIX_SECRETS', help: 'comma-separated whsec_… secrets; each of them signs' },
  { name: 'SANDBOX_PLATFORM', help: 'platform switches as JSON; see GET /control/switches' },
  { name: 'SANDBOX_LOG', help: '1: log every change of a job (default: off)' },
];

export interface Settings {
  options: SandboxOptions;
  log: boolean;
}

const DEFAULT_PORT = 4010;

/** Returns the settings, or throws one error that lists all problems. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = [];
  const port = numberFrom(env, 'SANDBOX_PORT', DEFAULT_PORT, problems);
  const speed = numberFrom(env, 'SANDBOX_SPEED', 1, problems);
  const platform = platformFrom(env, problems);
  const publicUrl = env['SANDBOX_PUBLIC_URL'];
  if (publicUrl && !URL.canParse(publicUrl)) problems.push('SANDBOX_PUBLIC_URL: must be a URL');
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const apiKeys = listFrom(env, 'SANDBOX_API_KEYS');
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
    problems.push('SANDBOX_PLATFORM: must be JSON');
  }
  return fromVariables;
}

function numberFrom(
  env: NodeJS.ProcessEnv,
  name: string,
  defaultValue: number,
  problems: string[],
): number {
  const given = env[name];
  if (!given) return defaultValue;
  const number = Number(given);
  if (!(number >= 0)) problems.push(`${name}: must be a number of 0 or more`);
  return number;
}

function listFrom(env: NodeJS.ProcessEnv, name: string): string[] {
  return (env[name] ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
