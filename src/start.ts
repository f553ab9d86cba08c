import { Logger } from '@nestjs/common';
import { servedAddresses } from './app.addresses.js';
import { createApp } from './app.setup.js';
import { changedSettings } from './platform/config/changed-settings.js';
import { Settings, SettingsError } from './platform/config/settings.js';
import { prepareDatabase } from './platform/database/prepare-database.js';
import { createLogger, NestLogger } from './platform/logging/logger.js';
import { logCrashes } from './platform/logging/crash-log.js';
import { neverPrintSettings } from './platform/logging/secret-settings.js';
import { isStartAborted, stopWith } from './platform/stop-signals.js';
import type { DevServices } from './dev/dev-services.js';

/* The gateway as a process, after `main.ts` has taken over the signals. */

let stopping = false;
let settings: Settings;
try {
  settings = Settings.load(process.env);
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
neverPrintSettings(settings);
const log = new NestLogger(createLogger(settings));
Logger.overrideLogger(log);
logCrashes((error, origin) =>
  log.fatal({ msg: 'uncaught error; the process ends', origin, err: error }),
);

try {
  const devServices = await startDevServices();
  settings = devServices?.settings ?? settings;
  neverPrintSettings(settings);
  await prepareDatabase(settings, log);
  for (const line of changedSettings(settings, process.env)) log.log(line, 'Settings');
  for (const warning of settings.warnings()) log.warn(warning, 'Start');

  const app = await createApp(settings, log);
  await app.listen(settings.PORT, settings.HOST);
  stopOnSignal(async () => {
    await app.close();
    await devServices?.stop();
  });
  const url = (await app.getUrl()).replace('[::1]', '127.0.0.1');
  log.log(`gateway listening on ${url} (${settings.ROLES.join(', ')})`, 'Start');
  for (const line of servedAddresses(settings, url)) log.log(line, 'Start');
  process.send?.({ type: 'listening', url });
  await devServices?.introduce(app, url);
} catch (error) {
  // A signal during the startup aborts it.
  if (!isStartAborted() && !stopping) {
    log.fatal({ msg: 'the gateway could not start', err: error });
    process.exitCode = 1;
    setTimeout(() => process.exit(1), 100);
  }
}

/** The image has no `dev` folder. */
async function startDevServices(): Promise<DevServices | undefined> {
  if (settings.NODE_ENV === 'production') return undefined;
  const dev = await import('./dev/dev-services.js');
  return dev.startDevServices(settings, log);
}

/** Finishes running work, then ends; a second signal or the timeout ends the process at once. */
function stopOnSignal(stop: () => Promise<void>): void {
  stopWith((signal) => {
    if (stopping) process.exit(1);
    stopping = true;
    log.log(`${signal}: shutting down; running work is finished first`, 'Stop');
    setTimeout(() => process.exit(1), (settings.SHUTDOWN_TIMEOUT_SECONDS + 5) * 1000).unref();
    stop().then(
      () => {
        log.log('stopped', 'Stop');
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ msg: 'the shutdown failed', err: error });
        process.exit(1);
      },
    );
  });
}
