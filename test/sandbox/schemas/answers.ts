import { Ajv, type ValidateFunction } from 'ajv';
import { resultSchemas } from './results.js';
import {
  Schema,
  Members,
  text,
  link,
  int,
  count,
  amount,
  fraction,
  anything,
  anyObject,
  nothing,
  oneOf,
  anyOf,
  list,
  ref,
  object,
} from './schema.js';

const jobType = oneOf('Parse', 'Extract', 'Split', 'Edit', 'Pipeline', 'Classify', 'Chart');
const timestamp: Schema = {
  type: 'string',
  pattern: String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$`,
};

const jobMembers: Members = {
  result: ref('Result'),
  progress: fraction,
  reason: text,
  error: ref('ErrorDetail'),
};
const jobStatus = oneOf('Pending', 'Completed', 'Failed', 'Idle');

const answers: Members = {
  JobId: object({ job_id: text }),
  ResultOrJobId: {
    type: 'object',
    anyOf: [ref('Result'), ref('JobId')],
  },
  FileId: object({ file_id: { type: 'string', pattern: '^reducto://' } }),
  Upload: object({ file_id: { type: 'string', pattern: '^reducto://' } }, { presigned_url: link }),
  Job: object({ status: jobStatus }, jobMembers),
  EnhancedJob: object(
    { status: jobStatus },
    {
      ...jobMembers,
      type: jobType,
      num_pages: count,
      total_pages: count,
      source: anything,
      duration: amount,
      created_at: timestamp,
      raw_config: text,
      bucket: anything,
    },
  ),
  Jobs: object(
    {
      jobs: list(
        object(
          {
            job_id: text,
            status: oneOf(
              'Pending',
              'Idle',
              'InProgress',
              'Completing',
              'Completed',
              'Failed',
              'Cancelled',
            ),
            type: jobType,
            created_at: timestamp,
            num_pages: anyOf(count, nothing),
            total_pages: anyOf(count, nothing),
            duration: anyOf(amount, nothing),
          },
          // The description requires `raw_config`, but `exclude_configs` leaves it out.
          { raw_config: text, source: anything, bucket: anything },
        ),
      ),
    },
    { next_cursor: text },
  ),
  Anything: anything,
  Text: { type: 'string', minLength: 1 },
  Link: link,
  Webhook: object({
    status: oneOf('Completed', 'Failed'),
    job_id: text,
    metadata: anything,
  }),
  Error: object({ error: ref('ErrorDetail'), detail: text }),
  NoRoute: object({ detail: text }),
  ValidationError: object({
    detail: {
      ...list(
        object(
          { loc: list(anyOf(text, int)), msg: text, type: text },
          { input: anything, ctx: anyObject },
        ),
      ),
      minItems: 1,
    },
  }),
};

const definitions = { ...resultSchemas, ...answers };

const ajv = new Ajv({ discriminator: true, allErrors: true, allowUnionTypes: true });
ajv.addSchema({ $id: 'reducto', $defs: definitions });

/** The violations of a schema, for example `ParseResponse`; none if the value conforms to it. */
export function violationsOf(name: string, value: unknown): string[] {
  const validate: ValidateFunction | undefined = ajv.getSchema(`reducto#/$defs/${name}`);
  if (!validate) throw new Error(`no schema ${name}`);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${name}${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}
