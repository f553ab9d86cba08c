import { parseArgs } from 'node:util';

/** What can be measured, in the order in which it is. The last two only where they are asked for. */
export const SCENARIOS = [
  'callbacks',
  'quiet',
  'refusals',
  'flood',
  'submit',
  'latency',
  'drain',
  'e2e',
  'path',
  'chains',
  'dropin',
  'deliver',
  'dead-endpoint',
  'growth',
  'soak',
] as const;

export type Scenario = (typeof SCENARIOS)[number];

const ON_REQUEST: readonly Scenario[] = ['growth', 'soak'];

export interface Options {
  readonly only: readonly Scenario[];
  readonly rounds: number;
  /** Of one turn of one side. */
  readonly seconds: number;
  readonly connections: number;
  /** Jobs that wait to be submitted in the scenario `drain`. */
  readonly backlog: number;
  /** Jobs of one turn in the scenario `path`. */
  readonly pathJobs: number;
  /** Finished jobs beside which callbacks are measured, in the scenario `growth`. */
  readonly finished: readonly number[];
  readonly soakMinutes: number;
  /** What the gateway that takes callbacks does besides. */
  readonly roles: string;
  /** The folder of another build of the gateway, which takes part as one more side. */
  readonly beside: string | undefined;
  /** Folder for CPU profiles of the gateway; profiling makes it slower. */
  readonly profile: string | undefined;
}

export const HELP = `Measures the gateway as it ships beside a bare server and one that was written by hand.

  npm run bench -- [--only callbacks,quiet] [--rounds 5] [--seconds 3]

  --only         what to measure: ${SCENARIOS.slice(0, 6).join(', ')},
                 ${SCENARIOS.slice(6).join(', ')}; default: all but the last two
  --rounds       number of turns of each side; default 5
  --seconds      duration of a turn; default 3
  --connections  connections that are never idle; default 64
  --backlog      jobs that wait in the scenario drain; default 8000
  --path-jobs    jobs of a turn in the scenario path; default 2000
  --finished     callbacks beside these numbers of finished jobs: 10000,1000000,5000000
  --soak         minutes at half of the maximum rate
  --roles        roles of the gateway in callbacks and quiet; default webhooks
  --beside       the folder of another build of the project, to compare the gateway with
  --profile      a folder for CPU profiles of the gateway, which make it slower
  --help         this text
`;

/** `undefined` where only the help is wanted. Throws for what makes no sense. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '64' },
      backlog: { type: 'string', default: '8000' },
      'path-jobs': { type: 'string', default: '2000' },
      finished: { type: 'string' },
      soak: { type: 'string' },
      roles: { type: 'string', default: 'webhooks' },
      beside: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { only, finished, soak } = values;
  return {
    only: only === undefined ? asked(finished, soak) : only.split(',').map(scenario),
    rounds: numberOf('rounds', values.rounds, 1),
    seconds: numberOf('seconds', values.seconds, 0.5),
    connections: numberOf('connections', values.connections, 1),
    backlog: numberOf('backlog', values.backlog, 100),
    pathJobs: numberOf('path-jobs', values['path-jobs'], 100),
    finished: (finished ?? '10000,1000000').split(',').map((n) => numberOf('finished', n, 1)),
    soakMinutes: numberOf('soak', soak ?? '10', 0.1),
    roles: values.roles,
    beside: values.beside,
    profile: values.profile,
  };
}

function asked(finished: string | undefined, soak: string | undefined): Scenario[] {
  const special: Scenario[] = [
    ...(finished === undefined ? [] : ['growth' as const]),
    ...(soak === undefined ? [] : ['soak' as const]),
  ];
  return special.length > 0 ? special : SCENARIOS.filter((name) => !ON_REQUEST.includes(name));
}

function scenario(name: string): Scenario {
  const known = SCENARIOS.find((one) => one === name);
  if (known === undefined) throw new Error(`there is no scenario ${name}`);
  return known;
}

function numberOf(name: string, text: string, least: number): number {
  const number = Number(text);
  if (!(number >= least)) throw new Error(`--${name} must be a number of ${least} or more`);
  return number;
}
