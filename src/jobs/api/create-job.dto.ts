import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsArray,
  IsBoolean,
  IsIn,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
} from 'class-validator';
import { IsAbsent, IsDocumentInput, MAX_LIST_ITEMS } from './create-job.validators.js';
import { JOB_TYPES, type JobType } from '../job-type.js';

export const METADATA_BYTES = 16_384;
const GATEWAY_MEMBERS = 'is set by the gateway and must be absent';

const INPUT_SCHEMA = {
  description:
    'A URL, a `reducto://` id from an upload, `jobid://<id>` of one of your jobs, a list of these, or the unchanged answer of an upload.',
  oneOf: [
    { type: 'string', minLength: 1 },
    {
      type: 'array',
      items: { type: 'string', minLength: 1 },
      minItems: 1,
      maxItems: MAX_LIST_ITEMS,
    },
    {
      type: 'object',
      properties: { file_id: { type: 'string', minLength: 1 } },
      required: ['file_id'],
      additionalProperties: true,
    },
  ],
  example: 'https://example.com/invoice.pdf',
};

const IsType = (type: JobType): PropertyDecorator =>
  applyDecorators(IsIn([type]), ApiProperty({ enum: [type] }));

/** Fields of every job type. All other fields are passed to Reducto. */
export abstract class CreateJobDto {
  @IsOptional()
  @IsObject()
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    example: { invoice: 815 },
    description: `Your own data, returned unchanged with the job and never sent to Reducto; at most ${METADATA_BYTES} bytes of JSON.`,
  })
  metadata?: object | null;

  @IsOptional()
  @IsBoolean()
  @ApiPropertyOptional({
    type: Boolean,
    nullable: true,
    description:
      'Asks Reducto to run the job before others, if the account has priority. Defaults to false.',
  })
  priority?: boolean | null;

  // Not in the OpenAPI description, because requests never contain it.
  @IsAbsent(GATEWAY_MEMBERS)
  async?: undefined;

  @IsAbsent(GATEWAY_MEMBERS)
  async_config?: undefined;

  @IsAbsent(GATEWAY_MEMBERS)
  webhook?: undefined;
}

/** All job types except edit. */
abstract class CreateInputJobDto extends CreateJobDto {
  @IsDocumentInput()
  @ApiProperty(INPUT_SCHEMA)
  input!: unknown;
}

export class CreateParseJobDto extends CreateInputJobDto {
  @IsType('parse')
  type!: 'parse';
}

export class CreateExtractJobDto extends CreateInputJobDto {
  @IsType('extract')
  type!: 'extract';

  @IsOptional()
  @IsObject()
  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: true,
    nullable: true,
    description: 'Reducto’s instructions: `schema` (a JSON Schema) and `system_prompt`.',
  })
  instructions?: object | null;
}

/** `splitDescriptionErrors` validates it, because class-validator needs 30 µs per item. */
export class SplitDescriptionDto {
  @ApiProperty({ minLength: 1 })
  name!: string;

  @ApiProperty({ minLength: 1 })
  description!: string;
}

export class CreateSplitJobDto extends CreateInputJobDto {
  @IsType('split')
  type!: 'split';

  @IsArray()
  @ArrayNotEmpty()
  @ArrayMaxSize(MAX_LIST_ITEMS)
  @ApiProperty({ type: [SplitDescriptionDto], minItems: 1, maxItems: MAX_LIST_ITEMS })
  split_description!: SplitDescriptionDto[];
}

export class CreateEditJobDto extends CreateJobDto {
  @IsType('edit')
  type!: 'edit';

  @IsDocumentInput()
  @ApiProperty({
    ...INPUT_SCHEMA,
    description: 'A URL, a `reducto://` id, or the unchanged answer of an upload.',
  })
  document_url!: unknown;

  @IsString()
  @IsNotEmpty()
  @ApiProperty({ minLength: 1, example: 'Fill in the name "Ada Lovelace".' })
  edit_instructions!: string;
}

export class CreatePipelineJobDto extends CreateInputJobDto {
  @IsType('pipeline')
  type!: 'pipeline';

  @IsString()
  @IsNotEmpty()
  @ApiProperty({ minLength: 1, example: 'invoices-v2' })
  pipeline_id!: string;
}

export const REQUEST_CLASSES = {
  parse: CreateParseJobDto,
  extract: CreateExtractJobDto,
  split: CreateSplitJobDto,
  edit: CreateEditJobDto,
  pipeline: CreatePipelineJobDto,
} as const satisfies Record<JobType, new () => CreateJobDto>;

/** Classes that pass additional fields to Reducto. */
export const OPEN_CLASSES = [...Object.values(REQUEST_CLASSES), SplitDescriptionDto] as const;

/** Body of `POST /v1/jobs` in the OpenAPI description. */
export const JOB_REQUEST_SCHEMA = {
  oneOf: JOB_TYPES.map((type) => ({ $ref: getSchemaPath(REQUEST_CLASSES[type]) })),
  discriminator: {
    propertyName: 'type',
    mapping: Object.fromEntries(
      JOB_TYPES.map((type) => [type, getSchemaPath(REQUEST_CLASSES[type])]),
    ),
  },
};

export const JOB_REQUEST_EXAMPLES = {
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
  pipeline: {
    value: { type: 'pipeline', input: 'https://example.com/a.pdf', pipeline_id: 'invoices-v2' },
  },
} as const satisfies Record<JobType, unknown>;

export const DescribesJobRequests = (): ClassDecorator & MethodDecorator =>
  ApiExtraModels(...Object.values(REQUEST_CLASSES));
