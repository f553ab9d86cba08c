import { applyDecorators } from '@nestjs/common';
import {
  ApiBody,
  ApiExtraModels,
  ApiHideProperty,
  ApiProperty,
  getSchemaPath,
} from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsDefined,
  IsIn,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  ValidateIf,
} from 'class-validator';
import { IsAbsent, IsDocumentInput, IsWithout } from './create-job.validators.js';
import { CHANNEL, CHANNEL_RULE, MAX_CHANNELS } from '../job-ends.js';
import { JOB_TYPES, type JobType } from '../job-type.js';

export const METADATA_BYTES = 16_384;
const GATEWAY_MEMBERS = 'is set by the gateway and must be absent';

const DOCUMENT_SCHEMA = {
  oneOf: [
    { type: 'string' },
    { type: 'array', items: { type: 'string' } },
    {
      type: 'object',
      properties: { file_id: { type: 'string' } },
      required: ['file_id'],
      additionalProperties: true,
    },
  ],
  example: 'https://example.com/invoice.pdf',
};

/** Fields of every job type. All other fields are passed to Reducto. */
export abstract class CreateJobDto {
  /** Your own data, returned unchanged with the job and never sent to Reducto; at most 16384 bytes of JSON. */
  @IsOptional()
  @IsObject()
  @ApiProperty({ type: 'object', additionalProperties: true, example: { invoice: 815 } })
  metadata?: object | null;

  /** Asks Reducto to run the job before others, if the account has priority. Defaults to false. */
  @IsOptional()
  @IsBoolean()
  priority?: boolean | null;

  /** Which of your endpoints get the event of the job’s end: those with one of these channels, and those without channels. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_CHANNELS)
  @IsString({ each: true })
  @Matches(CHANNEL, { each: true, message: `each value in channels ${CHANNEL_RULE}` })
  @ApiProperty({ type: [String], maxItems: MAX_CHANNELS, example: ['invoices'] })
  channels?: string[] | null;

  @IsAbsent(GATEWAY_MEMBERS)
  @ApiHideProperty()
  async?: undefined;

  @IsAbsent(GATEWAY_MEMBERS)
  @ApiHideProperty()
  async_config?: undefined;

  @IsAbsent(GATEWAY_MEMBERS)
  @ApiHideProperty()
  webhook?: undefined;
}

const isLegacy = (request: { document_url?: unknown }): boolean =>
  (request.document_url ?? undefined) !== undefined;

/** Job types that take a document in `input`, or in `document_url` as Reducto’s legacy requests do. */
abstract class CreateInputJobDto extends CreateJobDto {
  /** A URL, a `reducto://` id from an upload, `jobid://<id>` of one of your jobs, a list of these, or the unchanged answer of an upload. */
  @ValidateIf((request: CreateInputJobDto) => !isLegacy(request))
  @IsDocumentInput()
  @ApiProperty(DOCUMENT_SCHEMA)
  input?: unknown;

  /** The same in a request of Reducto’s legacy form, which has no `input`. */
  @ValidateIf(isLegacy)
  @IsWithout('input')
  @IsDocumentInput()
  @ApiProperty(DOCUMENT_SCHEMA)
  document_url?: unknown;
}

export class CreateParseJobDto extends CreateInputJobDto {
  @IsIn(['parse'])
  type!: 'parse';
}

export class CreateExtractJobDto extends CreateInputJobDto {
  @IsIn(['extract'])
  type!: 'extract';

  /** Reducto’s instructions: `schema` (a JSON Schema) and `system_prompt`. */
  @IsOptional()
  @IsObject()
  @ApiProperty({ type: 'object', additionalProperties: true })
  instructions?: object | null;

  /** The JSON Schema of a request of the legacy form, which must have one. */
  @ValidateIf(isLegacy)
  @IsDefined({ message: 'is required with `document_url`' })
  @ApiProperty({ type: 'object', additionalProperties: true })
  schema?: unknown;
}

/** `splitDescriptionErrors` validates it, because class-validator needs 30 µs per item. */
export class SplitDescriptionDto {
  name!: string;

  description!: string;
}

export class CreateSplitJobDto extends CreateInputJobDto {
  @IsIn(['split'])
  type!: 'split';

  @IsArray()
  split_description!: SplitDescriptionDto[];
}

export class CreateEditJobDto extends CreateJobDto {
  @IsIn(['edit'])
  type!: 'edit';

  /** A URL, a `reducto://` id, or the unchanged answer of an upload. */
  @IsDocumentInput()
  @ApiProperty(DOCUMENT_SCHEMA)
  document_url!: unknown;

  @IsString()
  @ApiProperty({ example: 'Fill in the name "Ada Lovelace".' })
  edit_instructions!: string;
}

/** `classificationErrors` validates it. */
export class ClassificationCategoryDto {
  /** @example 'invoice' */
  category!: string;

  /** @example ['It states a total amount.'] */
  criteria!: string[];
}

export class CreateClassifyJobDto extends CreateJobDto {
  @IsIn(['classify'])
  type!: 'classify';

  /** A URL, a `reducto://` id from an upload, a list of these, or the unchanged answer of an upload. */
  @IsDocumentInput()
  @ApiProperty(DOCUMENT_SCHEMA)
  input!: unknown;

  @IsOptional()
  @IsArray()
  classification_schema?: ClassificationCategoryDto[];
}

export class CreatePipelineJobDto extends CreateInputJobDto {
  @IsIn(['pipeline'])
  type!: 'pipeline';

  /** @example 'invoices-v2' */
  @IsString()
  pipeline_id!: string;
}

export const REQUEST_CLASSES = {
  parse: CreateParseJobDto,
  extract: CreateExtractJobDto,
  split: CreateSplitJobDto,
  edit: CreateEditJobDto,
  classify: CreateClassifyJobDto,
  pipeline: CreatePipelineJobDto,
} as const satisfies Record<JobType, new () => CreateJobDto>;

/** Classes that pass additional fields to Reducto. */
export const OPEN_CLASSES = [
  ...Object.values(REQUEST_CLASSES),
  SplitDescriptionDto,
  ClassificationCategoryDto,
] as const;

/** Classes whose document is in `input` or in `document_url`. */
export const INPUT_CLASSES = Object.values(REQUEST_CLASSES).filter(
  ({ prototype }) => prototype instanceof CreateInputJobDto,
);

const EXAMPLES = {
  parse: { value: { type: 'parse', input: 'https://example.com/invoice.pdf' } },
  extract: {
    value: {
      type: 'extract',
      input: 'jobid://01a20824-4a5b-7c31-9f0e-6d2b8c1e7a90',
      instructions: { schema: { type: 'object', properties: { total: { type: 'number' } } } },
      metadata: { invoice: 815 },
    },
  },
  split: {
    value: {
      type: 'split',
      input: 'https://example.com/claim.pdf',
      split_description: [{ name: 'report', description: 'The report of the adjuster.' }],
    },
  },
  edit: {
    value: {
      type: 'edit',
      document_url: 'https://example.com/form.pdf',
      edit_instructions: 'Fill in the name "Ada Lovelace".',
    },
  },
  classify: {
    value: {
      type: 'classify',
      input: 'https://example.com/letter.pdf',
      classification_schema: [
        { category: 'invoice', criteria: ['It states a total amount.'] },
        { category: 'other', criteria: ['It is anything else.'] },
      ],
    },
  },
  pipeline: {
    value: { type: 'pipeline', input: 'https://example.com/a.pdf', pipeline_id: 'invoices-v2' },
  },
} as const satisfies Record<JobType, unknown>;

/** Documents the body of `POST /v1/jobs`: one schema for each job type. */
export const ApiCreateJobBody = (): ClassDecorator & MethodDecorator =>
  applyDecorators(
    ApiExtraModels(...Object.values(REQUEST_CLASSES)),
    ApiBody({
      schema: {
        oneOf: JOB_TYPES.map((type) => ({ $ref: getSchemaPath(REQUEST_CLASSES[type]) })),
        discriminator: {
          propertyName: 'type',
          mapping: Object.fromEntries(
            JOB_TYPES.map((type) => [type, getSchemaPath(REQUEST_CLASSES[type])]),
          ),
        },
      },
      examples: EXAMPLES,
    }),
  );
