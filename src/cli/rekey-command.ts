import { CommandError } from './command-error.js';
import { withContext } from './command-context.js';
import { print } from './print.js';

const MAX_SHOWN = 10;

/** Encrypts everything that older keys of `DATA_KEYS` encrypted with the first one. */
export function rekey(): Promise<void> {
  return withContext(async ({ dataKeys, actions, actor, settings }) => {
    const [first, ...others] = settings.DATA_KEYS ?? [];
    if (first === undefined) {
      throw new CommandError(
        'DATA_KEYS is not set, so there is no key to encrypt with. Set it as the gateway has it.',
      );
    }
    const { version: key } = first;
    const lacking = await dataKeys.countWorkersWithout(key);
    if (lacking > 0) {
      throw new CommandError(
        `Nothing was changed: ${lacking} running workers do not have key ${key} of DATA_KEYS, and could not read what it encrypts. ` +
          'Restart all processes of the gateway with the new DATA_KEYS, then repeat.',
      );
    }
    const { values, unreadable } = await actions.run(
      actor,
      'data_keys.rekey',
      { key },
      async () => {
        const result = await dataKeys.rekey();
        const detail = { values: result.values, unreadable: result.unreadable.length };
        return { result, detail };
      },
    );
    print(`Encrypted ${values} values of endpoints again, with key ${key}.`);
    if (unreadable.length > 0) {
      const more = unreadable.length - MAX_SHOWN;
      throw new CommandError(
        [
          `${unreadable.length} values could not be read and were left as they are:`,
          ...unreadable.slice(0, MAX_SHOWN).map((message) => `- ${message}`),
          ...(more > 0 ? [`- and ${more} more`] : []),
          'Add the missing keys to DATA_KEYS again and repeat, or rotate the secrets and set the headers of these endpoints again.',
        ].join('\n'),
      );
    }
    const rest = (await dataKeys.keysInUse()).filter((inUse) => inUse.key !== key);
    if (rest.length > 0) {
      throw new CommandError(
        `A process has stored secrets since, not with key ${key}. Restart all processes with key ${key} first in DATA_KEYS, then repeat.`,
      );
    }
    const removable = others.map(({ version }) => version).join(', ');
    print(
      removable === ''
        ? `Everything is stored under key ${key}.`
        : `Everything is stored under key ${key}: key ${removable} can be removed from DATA_KEYS.`,
    );
  });
}
