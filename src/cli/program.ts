import { Command, CommanderError } from 'commander';
import { verifyAudit } from './audit-commands.js';
import { describeCommandError, EXIT } from './command-error.js';
import { runDoctor } from './doctor-command.js';
import { addKeysCommands } from './keys-commands.js';
import { rekey } from './rekey-command.js';
import { runMigrations } from './migrate-command.js';
import { logCrashes } from '../platform/logging/crash-log.js';
import { redact } from '../platform/logging/redaction.js';
import { packageVersion } from '../platform/package-version.js';

/* The gateway's commands. Results go to stdout, everything else to stderr. */

const HELP_FOOTER = `
In a checkout: npm run --silent gateway -- <command>

Exit codes:
  ${EXIT.done}  done
  ${EXIT.failed}  the command failed; stderr says why and what to do
  ${EXIT.usage}  the command line or the settings are not valid; nothing was done`;

logCrashes(report);

// The reader may close the pipe, as in `keys list | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  const program = newProgram();
  refuseUnknownCommand(program, process.argv.slice(2));
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function newProgram(): Command {
  const program = new Command('gateway')
    .description('Commands of reducto-gateway.')
    .version(packageVersion())
    .exitOverride()
    // A user may pass an API key instead of its id.
    .configureOutput({ writeErr: (text) => process.stderr.write(redact(text)) })
    .showHelpAfterError('Add --help to the command for its usage.')
    .addHelpText('afterAll', HELP_FOOTER);
  program.command('migrate').description('bring the database up to date').action(runMigrations);
  addKeysCommands(program);
  program
    .command('audit')
    .description('verify the audit')
    .command('verify')
    .description('verify that nobody has changed the audit')
    .option(
      '--since <head>',
      'head of the audit from the log; verify that the audit still contains it',
    )
    .action(verifyAudit);
  program
    .command('rekey')
    .description('encrypt stored secrets of endpoints with the first key of DATA_KEYS')
    .action(rekey);
  program
    .command('doctor')
    .description('check settings, database, Reducto, and the callback address; changes nothing')
    .option('--json', 'print {"ok", "checks": [{"check", "status", "message", "fix"}]}')
    .action(runDoctor);
  for (const command of [program, ...program.commands]) addHelpCommand(command);
  return program;
}

/** Commander's own help command supports one level and does not report unknown commands. */
function addHelpCommand(parent: Command): void {
  if (parent.commands.length === 0) return;
  parent
    .helpCommand(false)
    .command('help')
    .description('display help for a command')
    .argument('[command...]')
    .action((path: readonly string[]) => showHelp(parent, path));
}

/** Commander ignores an unknown command if `--help` follows. */
function refuseUnknownCommand(program: Command, args: readonly string[]): void {
  let command = program;
  for (const name of args) {
    if (name.startsWith('-') || command.commands.length === 0) return;
    const found = command.commands.find((one) => one.name() === name);
    if (found === undefined) unknownCommand(command, name);
    command = found;
  }
}

function showHelp(program: Command, path: readonly string[]): void {
  let command = program;
  for (const name of path) {
    const found = command.commands.find((one) => one.name() === name);
    if (found === undefined) return unknownCommand(command, name);
    command = found;
  }
  command.help();
}

function unknownCommand(parent: Command, name: string): never {
  // Commander suggests similar commands. A command without subcommands would run instead.
  if (parent.commands.length > 0) parent.parse([name], { from: 'user' });
  parent.error(`error: unknown command '${parent.name()} ${name}'`);
}

/** Commander has already written its own errors. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  const { message, exitCode } = describeCommandError(error);
  process.stderr.write(`${message}\n`);
  return exitCode;
}
