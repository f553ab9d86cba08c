import { InvalidArgumentError, Option, type Command } from 'commander';
import { validate as isUuid } from 'uuid';
import { SCOPES, type ApiKey, type Scope } from '../access/api-key.entity.js';
import { isServiceName, SERVICE_NAME_RULE } from '../access/service-name.js';
import { toApiKeyDto } from '../admin/api-key.dto.js';
import { GatewayError } from '../platform/errors/error-codes.js';
import { CommandError } from './command-error.js';
import { withContext } from './command-context.js';
import { print } from './print.js';

interface CreateOptions {
  readonly service: string;
  readonly scopes: readonly Scope[];
  readonly quiet?: true;
}

/** `keys create`, `keys list`, `keys revoke`. */
export function addKeysCommands(program: Command): void {
  const keys = program.command('keys').description('create, list, and revoke API keys');
  keys
    .command('create')
    .description('create an API key and print it; it cannot be shown again')
    .requiredOption('--service <name>', 'service that the key belongs to', parseService)
    .addOption(
      new Option('--scopes <list>', `scopes, separated by commas: ${SCOPES.join(', ')}`)
        .argParser(parseScopes)
        .default(['jobs'], 'jobs'),
    )
    .option('--quiet', 'print the key and nothing else')
    .action(createKey);
  keys
    .command('list')
    .description('list all API keys, also revoked ones')
    .option('--json', 'print {"keys": […]} as GET /v1/admin/keys answers it')
    .action(listKeys);
  keys
    .command('revoke')
    .description('revoke an API key; running gateways refuse it within 5 seconds')
    .argument('<id>', 'id of the key, as "keys list" shows it', parseKeyId)
    .action(revokeKey);
}

function createKey({ service, scopes, quiet }: CreateOptions): Promise<void> {
  return withContext(async ({ adminKeys, actor }) => {
    const { stored, key } = await adminKeys.create(actor, service, scopes);
    const about = `Created key ${stored.id} for ${service} (${stored.scopes.join(', ')}).`;
    print(quiet === true ? key : `${about} Store it now, it is shown only once:\n${key}`);
  });
}

function listKeys({ json }: { readonly json?: true }): Promise<void> {
  return withContext(async ({ keys }) => {
    const all = await keys.list();
    print(
      json === true ? JSON.stringify({ keys: all.map(toApiKeyDto) }, undefined, 2) : table(all),
    );
  });
}

function revokeKey(id: string): Promise<void> {
  return withContext(async ({ adminKeys, actor }) => {
    try {
      await adminKeys.revoke(actor, id);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'key_not_found') throw error;
      throw new CommandError(
        `No active API key has the id ${id}: it does not exist, or it was revoked before. ` +
          'List the keys with "gateway keys list".',
      );
    }
    print(`Revoked ${id}. Running gateways refuse it within 5 seconds.`);
  });
}

function table(keys: readonly ApiKey[]): string {
  const time = (at: Date | null): string => at?.toISOString().slice(0, 16).replace('T', ' ') ?? '-';
  const rows = [
    ['id', 'service', 'scopes', 'key', 'last used (UTC)', 'revoked (UTC)'],
    ...keys.map((key) => [
      key.id,
      key.service,
      key.scopes.join(','),
      key.prefix,
      time(key.lastUsedAt),
      time(key.revokedAt),
    ]),
  ];
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function parseService(text: string): string {
  if (!isServiceName(text)) throw new InvalidArgumentError(`A service name ${SERVICE_NAME_RULE}.`);
  return text;
}

function parseScopes(text: string): Scope[] {
  const scopes = text.split(',').map((part) => SCOPES.find((known) => known === part.trim()));
  const known = scopes.filter((scope) => scope !== undefined);
  if (known.length < scopes.length) {
    throw new InvalidArgumentError(`Scopes are ${SCOPES.join(', ')}, separated by commas.`);
  }
  return known;
}

function parseKeyId(text: string): string {
  if (!isUuid(text)) {
    throw new InvalidArgumentError('It must be a UUID. List the keys with "gateway keys list".');
  }
  return text;
}
