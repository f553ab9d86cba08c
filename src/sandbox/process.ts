import { Sandbox, startSandbox } from './sandbox.js';
import { readSettings, variables } from './settings.js';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

if (process.argv.includes('--help')) {
  const width = Math.max(...variables.map(({ name }) => name.length));
  print('A local sandbox of the Reducto API. Settings are environment variables:\n');
  for (const { name, help } of variables) print(`  ${name.padEnd(width)}  ${help}`);
} else {
  await run();
}

async function run(): Promise<void> {
  const { options, log } = readSettings(process.env);
  const sandbox = await startSandbox(options);
  if (log) logJobs(sandbox);
  stopWithParent(sandbox);
  print(`sandbox listening on ${sandbox.url}`);
  notifyParent({ type: 'listening', url: sandbox.url });
}

function logJobs({ jobs }: Sandbox): void {
  jobs.events.on('changed', ({ id, type, status, reason }) =>
    print(`${type} ${id} ${status}${reason === null ? '' : ` (${reason})`}`),
  );
}

/** Ignores a parent that has exited: the disconnect stops this process. */
function notifyParent(message: { type: 'listening'; url: string }): void {
  process.send?.(message, undefined, undefined, () => undefined);
}

function stopWithParent(sandbox: Sandbox): void {
  const stop = (): void => {
    void sandbox.close().finally(() => process.exit(0));
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.once('disconnect', stop);
  // The parent may have exited during startup.
  if (process.send && !process.connected) stop();
}
