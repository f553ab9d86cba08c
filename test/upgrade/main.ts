import { parseArgs } from 'node:util';
import { rollingUpgrade } from './rolling-upgrade.js';

/* The rolling upgrade from the command line. */

const HELP = `Runs two gateways under load and exchanges them one by one, and one of them back again.

  npm run upgrade -- [--from ../older] [--seconds 10] [--per-second 20]

  --from        the folder of the build that runs at first (with its dist); default: this one
  --seconds     how long each state is kept; default 10
  --per-second  jobs that come in; default 20

Exit code 1 where something that was accepted is lost.
`;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    'per-second': { type: 'string', default: '20' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  say(HELP);
} else {
  const { answers, ...report } = await rollingUpgrade({
    from: values.from,
    stateMs: Number(values.seconds) * 1000,
    everyMs: 1000 / Number(values['per-second']),
    say,
  });
  for (const [what, count] of answers) say(`  ${what}: ${count}`);
  say(JSON.stringify(report, undefined, 2));
  const { lost, forgotten, doubled, surprises } = report;
  process.exit([lost, forgotten, doubled, surprises].every((list) => list.length === 0) ? 0 : 1);
}
