import { examine } from '../doctor/doctor.js';
import type { Finding } from '../doctor/finding.js';
import { asJson, asText, isWell } from '../doctor/report.js';
import { Settings } from '../platform/config/settings.js';
import { neverPrintSettings } from '../platform/logging/secret-settings.js';
import { EXIT } from './command-error.js';
import { print } from './print.js';

/** Reports invalid settings as findings instead of refusing to run. */
export async function runDoctor({ json }: { readonly json?: true }): Promise<void> {
  const { settings, problems } = Settings.read(process.env);
  neverPrintSettings(settings);
  const findings = await examineHere(settings, problems);
  print(json === true ? asJson(findings) : asText(findings));
  if (!isWell(findings)) process.exitCode = EXIT.failed;
}

/** Outside production, uses the local keys and the embedded database. The image has no `dev` folder. */
async function examineHere(settings: Settings, problems: readonly string[]): Promise<Finding[]> {
  if (settings.NODE_ENV === 'production') return examine({ settings, problems });
  const { withLocalState } = await import('../dev/local-state.js');
  return withLocalState(settings, (local, embedded) =>
    examine({ settings: local, problems, embedded }),
  );
}
