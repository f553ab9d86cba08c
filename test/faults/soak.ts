import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { FAULT_KINDS, readFaultKinds } from './fault-schedule.js';
import { runFaults } from './run.js';

/* A long run of the fault harness, from the command line. */

const HELP = `Runs two gateways, a database and the sandbox, breaks them in every known way while jobs
come in, and compares the answers to services with the truth in the sandbox.

  npm run soak -- [--seed 7] [--jobs 3000] [--minutes 10] [--pause 60] [--without pause,kill]

  --seed      the schedule of jobs and faults; random if it is not given; printed
  --jobs      number of jobs; default 300 per minute
  --minutes   duration of jobs and faults; default 10
  --pause     the longest pause of a replica, in seconds; default 60
  --without   kinds of faults to leave out:
              ${Object.keys(FAULT_KINDS).join(', ')}
  --keep      keeps the output of the programs even if nothing was found
  --help      this text

Exit code 1 where a promise was broken.
`;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(randomInt(1_000_000)) },
    jobs: { type: 'string' },
    minutes: { type: 'string', default: '10' },
    pause: { type: 'string', default: '60' },
    without: { type: 'string', default: '' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  say(HELP);
} else {
  const minutes = numberOf('minutes', values.minutes);
  const seed = numberOf('seed', values.seed);
  say(`seed ${seed}`);
  const violations = await runFaults({
    seed,
    jobs: Math.round(values.jobs === undefined ? minutes * 300 : numberOf('jobs', values.jobs)),
    forMs: minutes * 60_000,
    longestPauseMs: numberOf('pause', values.pause) * 1_000,
    without: readFaultKinds(values.without),
    keep: values.keep,
    say,
  });
  // At once: sockets that went silent would keep Node's own tidying up busy for ever.
  process.exit(violations.length > 0 ? 1 : 0);
}

function numberOf(name: string, value: string): number {
  const number = Number(value);
  if (!(number > 0)) throw new Error(`--${name} must be a number above 0`);
  return number;
}
