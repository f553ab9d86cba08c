import { getMetadataStorage, validate } from 'class-validator';
import { GatewayError, type FieldError } from '../platform/errors/error-codes.js';
import { cutName, fieldErrors, MAX_FIELD_ERRORS } from '../platform/errors/field-errors.js';
import { FairTurns } from '../platform/fair-turns.js';
import type { JsonMember } from '../platform/json/json-members.js';
import { METADATA_BYTES, REQUEST_CLASSES, type CreateJobDto } from './api/create-job.dto.js';
import { classificationErrors, splitDescriptionErrors } from './api/create-job.validators.js';
import { JOB_TYPES, type JobType } from './job-type.js';
import { findReferences, MAX_REFERENCES, type JobReference } from './submission/job-references.js';

export { readIdempotencyKey } from './api/idempotency-key.js';

/** A validated request for a job. */
export interface JobRequest {
  readonly type: JobType;
  readonly priority: boolean;
  /** JSON text. */
  readonly metadata: string | null;
  /** Channels of the event of its end. */
  readonly channels: string[] | null;
  /** Checks the URL to which the client wants the end of this job posted; only for a new job. Throws `validation_failed`. */
  readonly webhook: (() => Promise<string>) | null;
  /** JSON text: Reducto’s members as the service wrote them. */
  readonly body: string;
  /** The jobs that `body` refers to. */
  readonly references: readonly JobReference[];
  /** JSON text of the whole request as received. */
  readonly text: string;
}

const DOCUMENT_MEMBERS = ['input', 'document_url'] as const;

/** Members that can refer to earlier jobs. */
const REFERRING_MEMBERS = {
  parse: DOCUMENT_MEMBERS,
  extract: DOCUMENT_MEMBERS,
  split: DOCUMENT_MEMBERS,
  edit: [],
  classify: [],
  pipeline: DOCUMENT_MEMBERS,
} as const satisfies Record<JobType, readonly string[]>;

/** Names of the validated fields, by job type. */
const FIELDS = new Map(
  JOB_TYPES.map((type) => {
    const request = REQUEST_CLASSES[type];
    const rules = getMetadataStorage().getTargetValidationMetadatas(request, '', false, false);
    return [type, new Set(rules.map(({ propertyName }) => propertyName))];
  }),
);

/** A request whose members of the gateway have been read. */
export interface UncheckedRequest extends Omit<JobRequest, 'references'> {
  /** The members to validate, parsed. */
  readonly value: Readonly<Record<string, unknown>>;
  /** All members of the request. */
  readonly members: readonly JsonMember[];
  /** What its reader has found. */
  readonly errors: readonly FieldError[];
}

/**
 * Validates the gateway’s own fields and those that Reducto requires. All others pass through as text, so that new
 * fields of Reducto work and no value changes. Throws `validation_failed`.
 */
export async function checkRequest(request: UncheckedRequest): Promise<JobRequest> {
  const { value, members, errors: known, ...read } = request;
  const { type, body, metadata } = read;
  const turns = new FairTurns();
  const references = await findReferences(body);
  await turns.pause();
  const errors = [
    ...known,
    ...fieldErrors(await validate(checkedPart(type, value))),
    ...(type === 'split' ? splitDescriptionErrors(value['split_description']) : []),
    ...(type === 'classify' ? classificationErrors(value['classification_schema']) : []),
    ...repeatedFields(members, FIELDS.get(type)),
    ...sizeErrors(metadata),
    ...misplacedReferences(type, references),
  ];
  if (errors.length > 0) {
    throw new GatewayError('validation_failed', undefined, {
      errors: errors.slice(0, MAX_FIELD_ERRORS),
    });
  }
  return { ...read, references };
}

/** Copies only validated fields, so that class-validator does not walk free-form values. */
function checkedPart(type: JobType, value: Readonly<Record<string, unknown>>): CreateJobDto {
  const fields = [...(FIELDS.get(type) ?? [])].map((name) => [name, value[name]] as const);
  return Object.assign(new REQUEST_CLASSES[type](), Object.fromEntries(fields));
}

/** JSON parsers differ in which of two members with one name they use. */
export function repeatedFields(
  members: readonly JsonMember[],
  names: ReadonlySet<string> | undefined,
): FieldError[] {
  const counts = Map.groupBy(members, ({ name }) => name);
  return [...counts]
    .filter(([name, { length }]) => length > 1 && names?.has(name) === true)
    .map(([path]) => ({ path, message: 'is given more than once' }));
}

function sizeErrors(metadata: string | null): FieldError[] {
  if (metadata === null || Buffer.byteLength(metadata) <= METADATA_BYTES) return [];
  return [{ path: 'metadata', message: `must be at most ${METADATA_BYTES} bytes of JSON` }];
}

/** An untranslated `jobid://` could reach the job of another service. */
function misplacedReferences(type: JobType, references: readonly JobReference[]): FieldError[] {
  if (references.length > MAX_REFERENCES) {
    return [{ path: 'input', message: `refers to more than ${MAX_REFERENCES} jobs` }];
  }
  const members: readonly unknown[] = REFERRING_MEMBERS[type];
  const misplaced = references.find(({ path }) => !members.includes(path[0]));
  if (misplaced === undefined) return [];
  const message =
    members.length === 0
      ? `cannot contain a jobid://, because Reducto’s ${type} cannot use the result of a job`
      : 'cannot contain a jobid://; only the document can';
  return [{ path: cutName(misplaced.path.join('.')), message }];
}
