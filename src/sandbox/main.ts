import { Sandbox, startSandbox } from './sandbox.js';
import { readSettings, variables } from './settings.js';

/* The sandbox as a process. Its only words on stdout are the line that says where it listens. */

const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (process.argv.includes('--help')) {
  const width = Math.max(...variables.map(({ name }) => name.length));
  say('A local stand-in for the Reducto API. Settings come from the environment:\n');
  for (const { name, help } of variables) say(`  ${name.padEnd(width)}  ${help}`);
} else {
  await run();
}

async function run(): Promise<void> {
  const { options, log } = readSettings(process.env);
  const sandbox = await startSandbox(options);
  if (log) logJobs(sandbox);
  stopWithParent(sandbox);
  say(`sandbox listening on ${sandbox.url}`);
  tellParent({ type: 'listening', url: sandbox.url });
}

function logJobs({ jobs }: Sandbox): void {
  jobs.events.on('changed', ({ id, type, status, reason }) =>
    say(`${type} ${id} ${status}${reason === null ? '' : ` (${reason})`}`),
  );
}

/** A parent that has gone in the meantime is no error: the disconnect stops this process anyway. */
function tellParent(message: { type: 'listening'; url: string }): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

function stopWithParent(sandbox: Sandbox): void {
  const stop = (): void => {
    void sandbox.close().finally(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.once('disconnect', stop);
  // The parent may have gone while the server was starting.
  if (process.send && !process.connected) stop();
}
