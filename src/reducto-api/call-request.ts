import { GatewayError, type FieldError } from '../platform/errors/error-codes.js';
import { FairTurns } from '../platform/fair-turns.js';
import type { JsonBody } from '../platform/http/json-body.decorator.js';
import { isRecord } from '../platform/json/is-record.js';
import { removeMembers } from '../platform/json/json-edits.js';
import { readMembers, readMembersFairly, type JsonMember } from '../platform/json/json-members.js';
import {
  checkRequest,
  repeatedFields,
  type JobRequest,
  type UncheckedRequest,
} from '../jobs/job-request.js';
import { CHANNEL, CHANNEL_RULE, MAX_CHANNELS } from '../jobs/job-ends.js';
import type { JobType } from '../jobs/job-type.js';

/** A request to one of Reducto’s endpoints for documents. */
export interface CallRequest {
  readonly job: JobRequest;
  /** Where the client wants the end of the job posted. */
  readonly webhook: { readonly path: string; readonly url: string } | null;
  /** The request has members of the asynchronous form. */
  readonly isQueued: boolean;
}

/** Members that Reducto gets from the gateway. */
const OWN_MEMBERS = new Set(['async', 'webhook', 'priority']);
/** The `priority` of a classify is a member like others. */
const OWN_MEMBERS_OF_CLASSIFY = new Set(['async', 'webhook']);

const MEMBERS_OF_ASYNC = new Set(['metadata', 'priority', 'webhook']);
const MEMBERS_OF_WEBHOOK = new Set(['mode', 'url', 'channels', 'metadata']);
const MODES: readonly unknown[] = ['disabled', 'svix', 'direct'];

/**
 * Translates the body of `POST /parse`, `/parse_async`, and those of the other types: all members of Reducto stay as the
 * client wrote them, and the members about metadata, priority, and webhook become the gateway’s. `priority`: of a request
 * that gives none. Throws `validation_failed`.
 */
export async function readCallRequest(
  type: JobType,
  { value, text }: JsonBody,
  priority: boolean,
): Promise<CallRequest> {
  if (!isRecord(value)) throw new GatewayError('validation_failed', 'Send a JSON object.');
  const turns = new FairTurns();
  const members = await readMembersFairly(text);
  await turns.pause();
  const keepsPriority = type === 'classify' && typeof value['priority'] === 'boolean';
  const ownMembers = keepsPriority ? OWN_MEMBERS_OF_CLASSIFY : OWN_MEMBERS;
  const body = removeMembers(text, members, ownMembers);
  await turns.pause();
  const async = partOf(text, 'async', members, value);
  const nested = partOf(text, 'webhook', async.members, async.value);
  const webhook = nested.isGiven ? nested : partOf(text, 'webhook', members, value);
  const webhookPath = nested.isGiven ? 'async.webhook' : 'webhook';
  const mode = nested.isGiven ? modeOf(nested.value) : (webhook.value['mode'] ?? 'disabled');
  const channels = mode === 'svix' ? webhook.value['channels'] : undefined;
  const given = async.value['priority'] ?? value['priority'] ?? priority;
  const {
    async: _async,
    webhook: _webhook,
    metadata: _metadata,
    channels: _channels,
    ...rest
  } = value;
  const metadata = metadataOf(text, async);
  const job = await checkedWithPaths(
    {
      metadata: metadata === null ? `${webhookPath}.metadata` : 'async.metadata',
      priority: isGiven(async.value['priority']) ? 'async.priority' : 'priority',
    },
    {
      type,
      priority: given === true,
      metadata: metadata ?? metadataOf(text, webhook),
      channels: channelsOf(channels),
      webhook: null,
      body,
      // For idempotency keys: a parse and an extract can have the same body.
      text: `${type} ${text}`,
      value: { ...rest, type, priority: given },
      members,
      errors: [
        ...partErrors('async', async, MEMBERS_OF_ASYNC),
        ...partErrors(webhookPath, webhook, MEMBERS_OF_WEBHOOK),
        ...webhookErrors(webhookPath, mode, webhook),
        ...channelErrors(webhookPath, channels),
      ],
    },
  );
  const { url } = webhook.value;
  return {
    job,
    webhook:
      mode === 'direct' && typeof url === 'string' ? { path: `${webhookPath}.url`, url } : null,
    isQueued: isGiven(value['async']) || isGiven(value['queue_priority']),
  };
}

/** As `checkRequest`, with the `paths` of the client in errors of the gateway’s members. */
async function checkedWithPaths(
  paths: Readonly<Record<'metadata' | 'priority', string>>,
  request: UncheckedRequest,
): Promise<JobRequest> {
  try {
    return await checkRequest(request);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    const errors = error.options.errors?.map(({ path, message }) => ({
      path: path === 'metadata' || path === 'priority' ? paths[path] : path,
      message,
    }));
    throw new GatewayError(error.code, error.detail, errors === undefined ? {} : { errors });
  }
}

/** A member that is an object. */
interface Part {
  readonly isGiven: boolean;
  readonly isObject: boolean;
  readonly value: Readonly<Record<string, unknown>>;
  readonly members: readonly JsonMember[];
}

function partOf(
  text: string,
  name: string,
  members: readonly JsonMember[],
  parent: Readonly<Record<string, unknown>>,
): Part {
  const value = parent[name];
  const span = members.findLast((member) => member.name === name)?.value;
  if (span === undefined || !isGiven(value)) {
    return { isGiven: false, isObject: true, value: {}, members: [] };
  }
  if (!isRecord(value)) return { isGiven: true, isObject: false, value: {}, members: [] };
  return { isGiven: true, isObject: true, value, members: readMembers(text, span.start) };
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function metadataOf(text: string, { members }: Part): string | null {
  const span = members.findLast(({ name }) => name === 'metadata')?.value;
  const metadata = span === undefined ? 'null' : text.slice(span.start, span.end);
  return metadata === 'null' ? null : metadata;
}

/** Reducto’s two forms of `async.webhook` default `mode` to their own names. */
function modeOf({ mode, url }: Part['value']): unknown {
  return mode ?? (url === undefined ? 'svix' : 'direct');
}

function channelsOf(channels: unknown): string[] | null {
  if (!Array.isArray(channels) || channels.length === 0) return null;
  return [...new Set(channels.map(String))];
}

/** A member that the gateway does not know would be lost: Reducto gets the gateway’s own `async`. */
function partErrors(path: string, part: Part, known: ReadonlySet<string>): FieldError[] {
  if (!part.isObject) return [{ path, message: 'must be an object' }];
  const unknown = part.members.filter(({ name }) => !known.has(name));
  return [
    ...repeatedFields(part.members, known),
    ...unknown.map(({ name }) => ({ path: name, message: 'is not supported by the gateway' })),
  ].map((error) => ({ ...error, path: `${path}.${error.path}` }));
}

function channelErrors(path: string, channels: unknown): FieldError[] {
  if (!isGiven(channels)) return [];
  const isChannel = (one: unknown): boolean => typeof one === 'string' && CHANNEL.test(one);
  if (!Array.isArray(channels) || channels.length > MAX_CHANNELS) {
    const message = `must be a list of at most ${MAX_CHANNELS} channels`;
    return [{ path: `${path}.channels`, message }];
  }
  const invalid = channels.findIndex((one: unknown) => !isChannel(one));
  return invalid < 0 ? [] : [{ path: `${path}.channels.${invalid}`, message: CHANNEL_RULE }];
}

function webhookErrors(
  path: string,
  mode: unknown,
  { isGiven: given, isObject, value: { url } }: Part,
): FieldError[] {
  if (!given || !isObject) return [];
  if (!MODES.includes(mode)) {
    return [{ path: `${path}.mode`, message: 'must be disabled, svix, or direct' }];
  }
  if (mode === 'direct' && typeof url !== 'string') {
    return [{ path: `${path}.url`, message: 'must be a URL' }];
  }
  return [];
}
