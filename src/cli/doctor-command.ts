import { examine } from '../doctor/doctor.js';
import { asJson, asText, isWell } from '../doctor/report.js';
import { Settings } from '../platform/config/settings.js';
import { neverPrintSettings } from '../platform/logging/secret-settings.js';
import { withKeptParts } from '../stand-ins/kept-parts.js';
import { EXIT } from './command-error.js';
import { print } from './print.js';

/** Reports settings that are not valid instead of refusing them. */
export async function runDoctor({ json }: { readonly json?: true }): Promise<void> {
  const { settings, problems } = Settings.read(process.env);
  neverPrintSettings(settings);
  const findings = await withKeptParts(settings, (local, embedded) =>
    examine({ settings: local, problems, embedded }),
  );
  print(json === true ? asJson(findings) : asText(findings));
  if (!isWell(findings)) process.exitCode = EXIT.failed;
}
