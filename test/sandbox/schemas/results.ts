import {
  Schema,
  Members,
  text,
  link,
  flag,
  int,
  count,
  number,
  amount,
  fraction,
  anything,
  anyObject,
  nothing,
  is,
  oneOf,
  anyOf,
  list,
  map,
  ref,
  object,
} from './schema.js';

const confidence = oneOf('low', 'high');
const blockTypes = [
  'Header',
  'Footer',
  'Title',
  'Section Header',
  'Page Number',
  'List Item',
  'Figure',
  'Table',
  'Key Value',
  'Text',
  'Comment',
  'Signature',
];
const billingTags = [
  'page',
  'html_page',
  'docx_native_page',
  'chart_agent',
  'spreadsheet_cells',
  'billable_spreadsheet_pages',
  'agentic',
  'complex',
  'enrich_table',
  'figure_summary',
  'table_summary',
  'key_value',
  'agentic_text',
  'promptable_agentic_text',
  'reducto_lite_page',
];

const shared: Members = {
  UrlResult: object({ type: is('url'), url: link, result_id: text }),
  BoundingBox: object(
    { left: fraction, top: fraction, width: fraction, height: fraction, page: int },
    { original_page: int },
  ),
  ErrorDetail: object({ code: int, name: text, message: text }, { job_id: text }),
  EditWidget: object(
    {
      bbox: ref('BoundingBox'),
      description: text,
      type: oneOf('text', 'checkbox', 'radio', 'dropdown', 'barcode'),
    },
    { fill: flag, value: text, font_size: number },
  ),
};

const extras: Members = { ocr_pages: count, charts: count, prompted_blocks: count };
const tier = oneOf('Default', 'Batch');

const usage: Members = {
  ParseUsageBreakdown: object(
    { parse_model: text, tier },
    { parse_pages: count, parse_native_pages: count, legacy_parse_credits: amount, ...extras },
  ),
  SplitUsageBreakdown: object(
    { split_model: oneOf('Split', 'Deep Split') },
    { split_pages: count, ...extras },
  ),
  EditUsageBreakdown: object(
    { edit_model: oneOf('Normal', 'Prefill') },
    { edit_pages: count, prefill_pages: count },
  ),
  ParseUsage: object(
    { num_pages: count },
    {
      credits: amount,
      credit_breakdown: {
        ...map(amount),
        propertyNames: { enum: [...billingTags, 'ocr'] },
      },
      page_billing_breakdown: map(list(oneOf(...billingTags))),
      non_empty_cell_count: count,
      usage_breakdown: anyOf(
        ref('ParseUsageBreakdown'),
        ref('SplitUsageBreakdown'),
        ref('EditUsageBreakdown'),
      ),
    },
  ),
  ExtractUsage: object(
    { num_pages: count, num_fields: count },
    {
      credits: amount,
      extract_mode: oneOf('super_agent', 'extract', 'spreadsheet_agent'),
      usage_breakdown: object(
        { extract_model: oneOf('Extract', 'Deep Extract') },
        { tier, extract_pages: count, extract_fields: count, ...extras },
      ),
    },
  ),
  ClassifyUsage: object(
    { num_pages: count, num_categories: count },
    {
      credits: amount,
      usage_breakdown: object(
        { classify_model: oneOf('Classify', 'Deep Classify') },
        { classify_pages: { type: 'integer', minimum: 0, maximum: 5 } },
      ),
    },
  ),
};

const parse: Members = {
  ParseBlock: object(
    { type: oneOf(...blockTypes), bbox: ref('BoundingBox'), content: text },
    {
      image_url: link,
      chart_data: list(link),
      confidence,
      granular_confidence: object({}, { extract_confidence: number, parse_confidence: number }),
      merged_tables: list(object({ content: text, bbox: ref('BoundingBox') }, { image_url: link })),
      extra: anyObject,
    },
  ),
  ParseChunk: object(
    {
      content: text,
      embed: text,
      enriched: anyOf(text, nothing),
      blocks: list(ref('ParseBlock')),
    },
    { enrichment_success: flag },
  ),
  OcrItem: object(
    { text, bbox: ref('BoundingBox') },
    { confidence: fraction, chunk_index: int, rotation: number },
  ),
  FullResult: object(
    { type: is('full'), chunks: list(ref('ParseChunk')) },
    {
      ocr: object({ words: list(ref('OcrItem')), lines: list(ref('OcrItem')) }),
      custom: anything,
    },
  ),
  ParseResponse: object(
    {
      response_type: is('parse'),
      job_id: text,
      duration: amount,
      usage: ref('ParseUsage'),
      result: anyOf(ref('FullResult'), ref('UrlResult')),
    },
    {
      pdf_url: link,
      studio_link: link,
      document_properties: object(
        {},
        {
          title: text,
          author: text,
          subject: text,
          keywords: text,
          creator: text,
          producer: text,
          last_modified_by: text,
          created_at: text,
          modified_at: text,
        },
      ),
    },
  ),
};

const splitPart = (pages: Schema, conf: Members): Schema =>
  object(
    { name: text, pages, ...conf },
    { partitions: list(object({ name: text, pages, ...conf })) },
  );

const results: Members = {
  V3ExtractResponse: object(
    { response_type: is('v3_extract'), usage: ref('ExtractUsage'), result: anything },
    { job_id: text, studio_link: link, confidence, confidence_reason: text },
  ),
  ExtractResponse: object(
    {
      response_type: is('extract'),
      usage: ref('ExtractUsage'),
      result: anyOf(list(anything), ref('UrlResult')),
      citations: anyOf(list(anything), ref('UrlResult'), nothing),
    },
    { job_id: text, studio_link: link, response_confidence: anyObject },
  ),
  SplitResult: object({
    section_mapping: anyOf(map(list(int)), nothing),
    splits: list(splitPart(list(int), { conf: confidence })),
  }),
  DeepSplitResult: object({
    splits: list(
      splitPart(
        list(
          object(
            { page_number: int, evidence: text },
            { confidence: oneOf('high', 'medium', 'low') },
          ),
        ),
        {},
      ),
    ),
  }),
  SplitResponse: object(
    {
      response_type: is('split'),
      usage: ref('ParseUsage'),
      result: anyOf(ref('SplitResult'), ref('DeepSplitResult'), ref('UrlResult')),
    },
    { job_id: text, duration: amount },
  ),
  EditResponse: object(
    { response_type: is('edit'), document_url: link },
    { job_id: text, form_schema: list(ref('EditWidget')), usage: ref('ParseUsage') },
  ),
  AnyExtract: anyOf(ref('ExtractResponse'), ref('V3ExtractResponse')),
  PipelineResponse: object({
    response_type: is('pipeline'),
    job_id: text,
    usage: ref('ParseUsage'),
    result: object(
      {
        parse: anyOf(ref('ParseResponse'), list(ref('ParseResponse')), nothing),
        extract: anyOf(
          list(
            object(
              { split_name: text, page_range: list(int), result: ref('AnyExtract') },
              { partition: text },
            ),
          ),
          ref('AnyExtract'),
          nothing,
        ),
        split: anyOf(ref('SplitResponse'), nothing),
      },
      { edit: ref('EditResponse') },
    ),
  }),
  Category: object({ category: text }),
  ClassifyResponse: object(
    {
      response_type: is('classify'),
      job_id: text,
      result: anyOf(ref('Category'), ref('UrlResult')),
    },
    {
      duration: amount,
      usage: ref('ClassifyUsage'),
      response_confidence: object({
        categories: list(
          object({
            category: text,
            confidence: number,
            criteria_confidence: list(object({ criterion: text, confidence })),
          }),
        ),
      }),
      extra_metadata: map(text),
    },
  ),
  ChartResponse: object(
    {
      response_type: is('chart'),
      job_id: text,
      result: object({
        chart_data: anyObject,
        summary: text,
        reconstruction_url: link,
        verified: flag,
      }),
    },
    { usage: object({ num_charts: int, credits: number }), duration: amount },
  ),
  Result: {
    type: 'object',
    required: ['response_type'],
    discriminator: { propertyName: 'response_type' },
    oneOf: [
      'ParseResponse',
      'ExtractResponse',
      'V3ExtractResponse',
      'SplitResponse',
      'EditResponse',
      'PipelineResponse',
      'ClassifyResponse',
      'ChartResponse',
    ].map(ref),
  },
};

export const resultSchemas: Members = { ...shared, ...usage, ...parse, ...results };
